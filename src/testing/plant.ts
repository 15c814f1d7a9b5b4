import { checkKeys } from "../config/check-options.ts";
import { TuttiError } from "../errors/tutti-error.ts";

/** A fault to be planted: where, when, and what. What is left out of where and when does not narrow it. */
export interface Plant {
  /** Name of a deployment. */
  readonly deployment?: string;
  /** Index of the replica among its deployment's, from 0. */
  readonly replica?: number;
  /** Name of an executor's slot, such as `lane0` or `code1`, or an executor's id. */
  readonly executor?: string;
  /** Method called; an HTTP route's method for the ingress. */
  readonly method?: string;
  /** In virtual time. Default from the beginning. */
  readonly fromMs?: number;
  /** Before this moment. Default for good. */
  readonly untilMs?: number;
  /** Only each nth of the calls (or runs) that are otherwise meant. Default each. */
  readonly every?: number;
  /** Only these, so many of them. Default all. */
  readonly times?: number;

  /**
   * The call waits so long in the replica's queue before the replica sees it; its lane is free meanwhile. Each call for
   * itself: it is no work that another replica could take over, and a new replica has the same plant unless `replica` or
   * `executor` says which one has it.
   */
  readonly queueMs?: number;
  /** The answer is held back for so long; the replica and its lane are free meanwhile. */
  readonly answerMs?: number;
  /** The call ends at once with this error, having started. */
  readonly throws?: string;
  /** The call is taken and never answered; its caller gives it up by its deadline. */
  readonly neverResolves?: true;
  /** The executor's thread is held so long when the call comes, and with it everything else that is in it. */
  readonly blockMs?: number;
  /** Of models: each run takes this many times as long. */
  readonly slowerBy?: number;
}

/** A call, as far as a plant looks at it. */
export interface PlantSite {
  readonly deployment: string;
  readonly replica: number;
  readonly executor: string;
  /** The slot that the executor fills, if it fills one yet. */
  readonly slot: string | undefined;
  readonly method: string;
  readonly atMs: number;
}

const WHERE = ["deployment", "replica", "executor", "method", "fromMs", "untilMs", "every", "times"];
const OF_CALLS = ["queueMs", "answerMs", "throws", "neverResolves", "blockMs"] as const;
const WHAT = [...OF_CALLS, "slowerBy"] as const;
/** Every field of a plant, in the order of the guide. */
export const PLANT_FIELDS: readonly string[] = [...WHERE, ...WHAT];

/** What a call meets, of all that is planted. */
export interface CallFate {
  readonly queueMs: number;
  readonly answerMs: number;
  readonly blockMs: number;
  readonly throws: string | undefined;
  readonly neverResolves: boolean;
}

const NO_FATE: CallFate = Object.freeze({
  queueMs: 0,
  answerMs: 0,
  blockMs: 0,
  throws: undefined,
  neverResolves: false,
});

class Planted {
  readonly plant: Plant;
  #seen = 0;
  #met = 0;

  constructor(plant: Plant) {
    this.plant = plant;
  }

  get isOfCalls(): boolean {
    return OF_CALLS.some((what) => this.plant[what] !== undefined);
  }

  /** Whether this one is meant; asked once for each. */
  meets(site: PlantSite): boolean {
    const { deployment, replica, executor, method, fromMs = 0, untilMs, every = 1, times } = this.plant;
    const isMeant =
      (deployment === undefined || deployment === site.deployment) &&
      (replica === undefined || replica === site.replica) &&
      (executor === undefined || executor === site.executor || executor === site.slot) &&
      (method === undefined || method === site.method) &&
      site.atMs >= fromMs &&
      (untilMs === undefined || site.atMs < untilMs);
    if (!isMeant) return false;
    this.#seen += 1;
    if (this.#seen % every !== 0 || (times !== undefined && this.#met >= times)) return false;
    this.#met += 1;
    return true;
  }
}

/** All faults of a world. */
export class Plants {
  readonly #ofCalls: Planted[] = [];
  readonly #ofRuns: Planted[] = [];

  /**
   * @returns takes it out again.
   * @throws TuttiError `InvalidOptions`
   */
  add(plant: Plant): () => void {
    checkKeys("plant", plant, PLANT_FIELDS);
    if (!WHAT.some((what) => plant[what] !== undefined)) {
      throw new TuttiError("InvalidOptions", `plant: expected one of ${WHAT.join(", ")}`);
    }
    const planted = new Planted(plant);
    const lists = [
      ...(planted.isOfCalls ? [this.#ofCalls] : []),
      ...(plant.slowerBy === undefined ? [] : [this.#ofRuns]),
    ];
    for (const list of lists) list.push(planted);
    return () => {
      for (const list of lists) if (list.includes(planted)) list.splice(list.indexOf(planted), 1);
    };
  }

  fateOfCall(site: PlantSite): CallFate {
    let fate = NO_FATE;
    for (const planted of this.#ofCalls) {
      if (!planted.meets(site)) continue;
      const { queueMs = 0, answerMs = 0, blockMs = 0, throws, neverResolves } = planted.plant;
      fate = {
        queueMs: fate.queueMs + queueMs,
        answerMs: fate.answerMs + answerMs,
        blockMs: fate.blockMs + blockMs,
        throws: fate.throws ?? throws,
        neverResolves: fate.neverResolves || neverResolves === true,
      };
    }
    return fate;
  }

  /** How many times as long a run takes. */
  slownessOfRun(site: PlantSite): number {
    let slowness = 1;
    for (const planted of this.#ofRuns) if (planted.meets(site)) slowness *= planted.plant.slowerBy!;
    return slowness;
  }
}
