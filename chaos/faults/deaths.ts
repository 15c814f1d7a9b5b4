import { POISON } from "../app/faulty-features.ts";
import type { Fault } from "../fault.ts";

const KILL_EVERY_MS = 1000;

/** Model and code executors in turn. */
export const killEverySecond: Fault = {
  name: "kill-every-second",
  about: "kill -9 of an executor each second, model and code in turn",
  system: "embedded",
  holdMs: { quick: 3000, full: 20_000 },
  demands: { seenAs: "replacement", replacedWithinMs: 2000, personalFraction: 1, rightFraction: 1 },
  async plant({ system, strike, pause, isOver }) {
    for (let turn = 0; !isOver(); turn++) {
      const next = pause(KILL_EVERY_MS);
      await strike(() => system.signal(turn % 2 === 0 ? "lane" : "code", "SIGKILL"));
      await next;
    }
  },
};

export const killBothLanes: Fault = {
  name: "kill-both-lanes",
  about: "kill -9 of both model executors at once",
  system: "embedded",
  holdMs: { quick: 800, full: 8000 },
  demands: { seenAs: "replacement", replacedWithinMs: 2000 },
  async plant({ system, strike, pause, isOver }) {
    while (!isOver()) {
      await strike(() => {
        for (const { pid, kind } of system.executors()) if (kind === "lane") process.kill(pid, "SIGKILL");
      }, 2);
      await pause(1000);
    }
  },
};

export const poisonInput: Fault = {
  name: "poison-input",
  about: "an input ends every executor that it is given to",
  system: "embedded",
  holdMs: { quick: 1000, full: 8000 },
  demands: { seenAs: "replacement", personalFraction: 0.9 },
  async plant({ strike, provoke, pause, isOver }) {
    for (let turn = 1; !isOver(); turn++) {
      await strike(() => provoke(`${POISON}${turn}`), 2);
      await pause(1000);
    }
  },
};

export const memoryBalloon: Fault = {
  name: "memory-balloon",
  about: "a code executor grows beyond its memory limit",
  system: "embedded",
  holdMs: { quick: 1000, full: 8000 },
  demands: { seenAs: "replacement", personalFraction: 1, rightFraction: 1 },
  async plant({ control, strike, pause, isOver }) {
    while (!isOver()) {
      await strike(() => control.strike("balloon"));
      await pause(500);
    }
  },
};
