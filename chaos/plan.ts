import { shuffledIndices } from "../bench/measure/random.ts";
import { seededRandom } from "../src/policy/seeded-random.ts";
import { type Fault, SYSTEMS, type SystemKind } from "./fault.ts";
import { codeBlocked, codeStopped, laneBlocked, laneStopped, lanesBlocked } from "./faults/blocked.ts";
import { clientsCut, clientsNeverRead } from "./faults/clients.ts";
import { clockJumps, nodeStopped } from "./faults/clock.ts";
import { killBothLanes, killEverySecond, memoryBalloon, poisonInput } from "./faults/deaths.ts";
import { storeDown, storeGarbage, storeSlow } from "./faults/feature-store.ts";
import { memberNeverResolves, memberSlow, memberThrows, memberWrongRows } from "./faults/member.ts";
import { randomFaults } from "./faults/random.ts";

export const FAULTS: readonly Fault[] = [
  memberNeverResolves,
  memberSlow,
  memberThrows,
  memberWrongRows,
  laneBlocked,
  laneStopped,
  codeBlocked,
  codeStopped,
  lanesBlocked,
  killEverySecond,
  killBothLanes,
  poisonInput,
  memoryBalloon,
  storeDown,
  storeSlow,
  storeGarbage,
  clientsCut,
  clientsNeverRead,
  clockJumps,
  nodeStopped,
  randomFaults,
];

/** One fault, when and how long. */
export interface Phase {
  readonly fault: Fault;
  readonly holdMs: number;
  /** Of its load and of whatever it draws. */
  readonly seed: number;
}

export interface Plan {
  readonly system: SystemKind;
  readonly phases: readonly Phase[];
}

export interface PlanOptions {
  readonly seed: number;
  readonly quick: boolean;
  /** Names of the faults to plant; undefined for all. */
  readonly only: readonly string[] | undefined;
}

/**
 * One system after the other, and in each one fault after the other in an order that the seed decides, so that over the
 * seeds every fault comes after every other; the random ones last. The same options give the same plan.
 */
export function planCampaign({ seed, quick, only }: PlanOptions): Plan[] {
  const random = seededRandom(seed);
  return SYSTEMS.map((system) => {
    const faults = FAULTS.filter((fault) => fault.system === system && only?.includes(fault.name) !== false);
    const order = [...shuffledIndices(faults.length, Math.floor(random() * 2 ** 31))].map(
      (index) => faults[index]!,
    );
    const sorted = [
      ...order.filter((fault) => fault !== randomFaults),
      ...order.filter((fault) => fault === randomFaults),
    ];
    const phases = sorted.map((fault) => ({
      fault,
      holdMs: quick ? fault.holdMs.quick : fault.holdMs.full,
      seed: Math.floor(random() * 2 ** 31),
    }));
    return { system, phases };
  }).filter(({ phases }) => phases.length > 0);
}
