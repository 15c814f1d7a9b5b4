import { describe, expect, it } from "vitest";
import { fitToWidth } from "./command-words.ts";

const TEXT = `
Examples:
  $ tutti status
  $ tutti deploy tutti.yaml --yes      # for scripts: does not ask
  $ tutti config --json | jq '.notes.offers | .rollback.reason'

Exit codes: 0 told, 1 failed,
2 wrong option.`;

describe("what stands below the options of a help", () => {
  it("is as it was written where there is room", () => {
    expect(fitToWidth(TEXT, 120)).toBe(TEXT.replace("failed,\n2", "failed, 2"));
  });

  it("is filled anew where there is less, with remarks before their examples, which are never broken", () => {
    expect(fitToWidth(TEXT, 40)).toBe(`
Examples:
  $ tutti status
  # for scripts: does not ask
  $ tutti deploy tutti.yaml --yes
  $ tutti config --json | jq '.notes.offers | .rollback.reason'

Exit codes: 0 told, 1 failed, 2 wrong
option.`);
  });
});
