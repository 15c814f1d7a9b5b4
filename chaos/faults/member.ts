import type { MemberMode } from "../app/switch.ts";
import type { Demands, Fault } from "../fault.ts";

/** The request's deadline of 1,500 ms less the ensemble's reserve of 25, and 20 ms on top. */
const ENSEMBLE_DEADLINE_MS = 1475 + 20;

/** One member misbehaves for a while. */
function member(name: string, mode: MemberMode, about: string, demands: Demands): Fault {
  return {
    name,
    about,
    system: "embedded",
    holdMs: { quick: 800, full: 8000 },
    demands,
    async plant({ control, over }) {
      control.member(mode);
      await over;
      control.member("well");
    },
  };
}

export const memberNeverResolves = member(
  "member-never-resolves",
  "never",
  "a member's promise never resolves",
  {
    seenAs: "degraded",
    answeredWithinMs: ENSEMBLE_DEADLINE_MS,
    personalFraction: 1,
  },
);

export const memberSlow = member("member-slow", "slow", "a member takes ten times as long", {
  seenAs: "slow",
  rightFraction: 1,
});

export const memberThrows = member("member-throws", "throws", "a member throws at 1 % of the inputs", {
  seenAs: "degraded",
  personalFraction: 1,
  rightFraction: 0.95,
});

export const memberWrongRows = member(
  "member-wrong-rows",
  "wrong-rows",
  "a member answers with a row too few",
  { seenAs: "degraded", personalFraction: 1 },
);
