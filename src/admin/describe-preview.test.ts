import { describe, expect, it } from "vitest";
import { type ApplicationDefinition, DEFAULT_TRAFFIC } from "../policy/desired-state.ts";
import { preview } from "../policy/preview.ts";
import { describePreview } from "./describe-preview.ts";

const offers: ApplicationDefinition = {
  name: "offers",
  module: "/srv/offers.ts",
  args: { game: "tower" },
  version: "v1",
  traffic: DEFAULT_TRAFFIC,
  deployments: { "m*": { replicas: 2 }, Supervisor: { compute: true } },
};
const racer: ApplicationDefinition = { ...offers, name: "racer", deployments: {} };

describe("a preview as text", () => {
  it("says what comes, what goes and what becomes something else, each application once", () => {
    const steps = [{ weight: 0.05, durationMs: 90_000 }];
    const after: ApplicationDefinition = {
      ...offers,
      version: "v2",
      args: {},
      route: "/offers",
      traffic: { ...DEFAULT_TRAFFIC, steps },
      deployments: { "m*": { replicas: { min: 1, max: 4 } } },
    };
    const puzzle = { ...racer, name: "puzzle", route: "/puzzle" };
    expect(describePreview(preview([offers, racer], [after, puzzle]))).toBe(
      `~ offers
    version v1 → v2, args {"game":"tower"} → {} (a rollout)
    route the module's own → /offers
    traffic of the next rollout: all within three seconds → 5 % for 90 s, gates {"maxErrorFraction":0.05,"minRequests":20}
    Supervisor: compute true → not set (its replicas are made anew)
    m*: replicas 2 → {"min":1,"max":4} (in place)
+ puzzle  new
    module /srv/offers.ts
    version v1
    route /puzzle
    args {"game":"tower"}
- racer  removed: it drains, then ends
`,
    );
  });

  it("says that nothing changes, and that what was rolled back is tried again", () => {
    expect(describePreview([])).toBe("nothing changes\n");
    const rolledBack = { ...offers, rollback: { to: "previous" as const, reason: "too many errors" } };
    expect(describePreview(preview([rolledBack], [{ ...offers, version: "v2" }]))).toContain(
      "    it was rolled back (too many errors), and is tried again\n",
    );
  });

  it("keeps to a line for each thing and sends terminals nothing of what people wrote to obey", () => {
    const evil = {
      ...offers,
      module: "/a\u001b]0;title\u0007\u001b[2J\nb\u2028c\u009bd",
      args: { x: "\r\n" },
    };
    const text = describePreview(preview([], [evil]));
    for (const line of text.split("\n")) expect(line).not.toMatch(/[\p{Cc}\p{Zl}\p{Zp}]/u);
    expect(text.split("\n")).toHaveLength(7);
  });

  it("is painted by who shows it", () => {
    const paint = (tone: string, text: string) => `<${tone}>${text}</>`;
    expect(describePreview(preview([racer], []), paint)).toContain("<bad>-</> <heading>racer</>");
  });
});
