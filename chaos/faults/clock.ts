import type { Fault } from "../fault.ts";

/** SIGUSR2: ten seconds on. SIGHUP: ten seconds back. See `jumping-node.ts`. */
export const clockJumps: Fault = {
  name: "clock-jumps",
  about: "the node's clock jumps ten seconds on, and back again",
  system: "jumping",
  holdMs: { quick: 1300, full: 8000 },
  // What the edge ends by its deadline comes in a crowd, as with a store that recovers: see there.
  demands: { seenAs: "fallback", nothingReplaced: true, refusedFraction: 0.5 },
  async plant({ system, control, pause, isOver }) {
    // Every request is under way for long: many are when the clock jumps.
    control.member("never");
    while (!isOver()) {
      await pause(600);
      process.kill(system.pid, "SIGUSR2");
      await pause(600);
      process.kill(system.pid, "SIGHUP");
    }
    control.member("well");
  },
};

/** What the node sees of a machine that was suspended: for a time nothing, then everything at once. */
export const nodeStopped: Fault = {
  name: "node-stopped",
  about: "SIGSTOP of the node process for longer than executors may be silent, then SIGCONT",
  system: "jumping",
  holdMs: { quick: 1500, full: 5000 },
  demands: { rightFraction: 0.9, nothingReplaced: true },
  async plant({ system, pause, over, isOver }) {
    while (!isOver()) {
      process.kill(system.pid, "SIGSTOP");
      await new Promise((resolve) => setTimeout(resolve, 1300));
      process.kill(system.pid, "SIGCONT");
      await pause(1500);
    }
    await over;
  },
};
