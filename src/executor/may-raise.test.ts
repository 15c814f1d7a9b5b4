import { getPriority, setPriority } from "node:os";
import { describe, expect, it } from "vitest";
import { mayRaiseTo, ownFacts } from "./may-raise.ts";

const facts = (capabilities: string, nice: string) => ({
  status: `Name:\tnode\nCapPrm:\t0000000000000000\nCapEff:\t${capabilities}\n`,
  limits: `Max realtime priority     0                    0\nMax nice priority         ${nice}                    40\n`,
  uid: 1000,
});

describe("who may raise a priority again", () => {
  it.each([
    ["has CAP_SYS_NICE", facts("0000000000800000", "0"), 0, true],
    ["has all capabilities", facts("000001ffffffffff", "0"), 0, true],
    ["has others", facts("00000000ff7fffff", "0"), 0, false],
    ["has a limit of 20, to a niceness of 0", facts("0000000000000000", "20"), 0, true],
    ["has a limit of 15, to a niceness of 0", facts("0000000000000000", "15"), 0, false],
    ["has a limit of 15, to a niceness of 5", facts("0000000000000000", "15"), 5, true],
    ["has no limit", facts("0000000000000000", "unlimited"), -20, true],
    ["is root of another system", { status: undefined, limits: undefined, uid: 0 }, 0, true],
    ["is anybody of another system", { status: undefined, limits: undefined, uid: 501 }, 0, false],
  ])("who %s: %j, %d: %s", (_, given, niceness, may) => {
    expect(mayRaiseTo(niceness, given)).toBe(may);
  });

  it("is told as the system then does it", () => {
    const before = getPriority();
    if (!mayRaiseTo(before, ownFacts())) return expect(() => setPriority(before - 1)).toThrow();
    setPriority(before + 1);
    setPriority(before);
    expect(getPriority()).toBe(before);
  });
});
