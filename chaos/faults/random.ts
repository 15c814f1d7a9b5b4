import type { MemberMode, StrikeKind } from "../app/switch.ts";
import type { Fault, Scene } from "../fault.ts";

const MODES: readonly MemberMode[] = ["well", "never", "slow", "throws", "wrong-rows"];
const STRIKES: readonly StrikeKind[] = ["block-lane", "endless-loop", "balloon"];
const SHORTEST_PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 1200;

type Move = (scene: Scene) => unknown;

const pick = <T>(choices: readonly T[], random: () => number): T =>
  choices[Math.floor(random() * choices.length)]!;

/** What may happen next; what needs an executor that is not there just now does nothing. */
const MOVES: readonly Move[] = [
  ({ control, random }) => control.member(pick(MODES, random)),
  ({ control, random }) => control.strike(pick(STRIKES, random)),
  ({ system, random }) => signalAny(system, random() < 0.5 ? "lane" : "code", "SIGKILL"),
  ({ system, random }) => signalAny(system, random() < 0.5 ? "lane" : "code", "SIGSTOP"),
];

function signalAny(system: Scene["system"], kind: "lane" | "code", signal: NodeJS.Signals): void {
  if (system.executors().some((executor) => executor.kind === kind)) system.signal(kind, signal);
}

/** One after the other and on top of each other, as the seed says. */
export const randomFaults: Fault = {
  name: "random",
  about: "faults of members and processes, drawn by the seed, on top of each other",
  system: "embedded",
  holdMs: { quick: 4000, full: 20_000 },
  demands: { seenAs: "replacement" },
  async plant(scene) {
    const { random, control, pause, isOver, strike } = scene;
    while (!isOver()) {
      await pick(MOVES, random)(scene);
      await pause(SHORTEST_PAUSE_MS + random() * (LONGEST_PAUSE_MS - SHORTEST_PAUSE_MS));
    }
    control.member("well");
    await strike(() => {}, 0);
  },
};
