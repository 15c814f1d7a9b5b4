import type { Fault } from "../fault.ts";

/** Blocked or stopped: the other one answers meanwhile, and it is replaced within two seconds. */
const REPLACED_WITHIN_MS = 2000;

export const laneBlocked: Fault = {
  name: "lane-blocked",
  about: "a member's run goes round a loop for ever in its lane",
  system: "embedded",
  holdMs: { quick: 1000, full: 8000 },
  demands: { seenAs: "replacement", replacedWithinMs: REPLACED_WITHIN_MS, personalFraction: 1 },
  async plant({ control, strike, pause, isOver }) {
    while (!isOver()) {
      await strike(() => control.strike("block-lane"));
      await pause(500);
    }
  },
};

export const lanesBlocked: Fault = {
  name: "input-blocks-lanes",
  about: "an input blocks every lane that it is given to, and is given to both",
  system: "embedded",
  holdMs: { quick: 1000, full: 8000 },
  demands: { seenAs: "replacement" },
  async plant({ control, strike, pause, isOver }) {
    while (!isOver()) {
      await strike(() => control.strike("block-lanes"), 2);
      await pause(500);
    }
  },
};

export const codeBlocked: Fault = {
  name: "code-blocked",
  about: "a class that should wait goes round a loop for ever in its code executor",
  system: "embedded",
  holdMs: { quick: 1000, full: 8000 },
  demands: { seenAs: "replacement", replacedWithinMs: REPLACED_WITHIN_MS },
  async plant({ control, strike, pause, isOver }) {
    while (!isOver()) {
      await strike(() => control.strike("endless-loop"));
      await pause(500);
    }
  },
};

/** SIGSTOP of one executor after the other. */
function stopped(kind: "lane" | "code"): Fault {
  return {
    name: `${kind}-stopped`,
    about: `SIGSTOP of a ${kind === "lane" ? "model" : "code"} executor`,
    system: "embedded",
    holdMs: { quick: 1000, full: 8000 },
    demands: {
      seenAs: "replacement",
      replacedWithinMs: REPLACED_WITHIN_MS,
      ...(kind === "lane" ? { personalFraction: 1 } : {}),
    },
    async plant({ system, strike, pause, isOver }) {
      while (!isOver()) {
        await strike(() => system.signal(kind, "SIGSTOP"));
        await pause(500);
      }
    },
  };
}

export const laneStopped = stopped("lane");
export const codeStopped = stopped("code");
