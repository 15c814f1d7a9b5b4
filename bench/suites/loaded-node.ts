import { GeneratorProcess } from "../load/generator-process.ts";
import type { LoadResult } from "../load/messages.ts";
import { machine } from "../measure/machine.ts";
import { WindowWatch } from "../measure/window-watch.ts";
import { CACHE, GAME, MODEL_DIRECTORY } from "../reference/paths.ts";
import { copyPlayers, ensurePlayersDb } from "../reference/players-db.ts";
import { ensureReference } from "../reference/reference.ts";
import { RunningSystem } from "../systems/running-system.ts";
import type { SystemDescription } from "../systems/system.ts";

/** What makes a visit void. */
export interface QuietPlan {
  /** A visit in which other programs used more of the machine than this is taken again, so often at most. */
  readonly maxDisturbedFraction: number;
  readonly attempts: number;
}

/** The open load of a visit, and what makes a visit void. */
export interface LoadedPlan extends QuietPlan {
  readonly ratePerSecond: number;
  readonly maxConnections: number;
  readonly rampMs: number;
  readonly drainMs: number;
}

export interface LoadedWindow {
  readonly result: LoadResult;
  /** Of the system, with those of its processes that ended meanwhile. */
  readonly cpuSeconds: number;
  /** Of whatever else ran on the machine, the generator aside. */
  readonly otherCpuSeconds: number;
}

/** A node with Dynamic Offers and its tree models, and a load generator beside it: one visit of a suite. */
export class LoadedNode implements AsyncDisposable {
  readonly #plan: LoadedPlan;
  readonly #seed: number;
  readonly #system: RunningSystem;
  readonly #generator: GeneratorProcess;

  private constructor(plan: LoadedPlan, seed: number, system: RunningSystem, generator: GeneratorProcess) {
    this.#plan = plan;
    this.#seed = seed;
    this.#system = system;
    this.#generator = generator;
  }

  /** @param options `name`: of its files; `seed`: of arrivals and players. */
  static async start(options: {
    readonly plan: LoadedPlan;
    readonly system: SystemDescription;
    readonly name: string;
    readonly port: number;
    readonly seed: number;
  }): Promise<LoadedNode> {
    const { plan, name, port, seed } = options;
    const modelsDir = MODEL_DIRECTORY.trees;
    const players = ensurePlayersDb();
    const referenceFile = await ensureReference(modelsDir, players, "manifest");
    const playersDb = `${CACHE}${name}-players.sqlite`;
    copyPlayers(players, playersDb);
    const setting = { family: "trees", modelsDir, playersDb, lookupDelayMs: 0, port, processes: 1 } as const;
    const system = await RunningSystem.start(options.system, setting, `${CACHE}${name}.log`);
    try {
      const target = { host: "127.0.0.1", port, path: `/offers/${GAME}` };
      const generator = await GeneratorProcess.start({ target, referenceFile, seed });
      return new LoadedNode(plan, seed, system, generator);
    } catch (error) {
      await system[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** @param atOpen begun as the window opens; the window is over when that has ended too. */
  async window(
    windowMs: number,
    { atOpen, settleMs }: { readonly atOpen?: () => Promise<void>; readonly settleMs?: number } = {},
  ): Promise<LoadedWindow> {
    const { ratePerSecond, maxConnections, rampMs, drainMs } = this.#plan;
    const watch = new WindowWatch(this.#system, atOpen);
    const shape = { kind: "open", ratePerSecond, seed: this.#seed, maxConnections } as const;
    const settle = settleMs === undefined ? {} : { settleMs };
    const result = await this.#generator.run({ shape, rampMs, windowMs, drainMs, ...settle }, watch.onEdge);
    await watch.finished();
    const { cpuSeconds, machineSeconds } = watch;
    const otherCpuSeconds = Math.max(0, machineSeconds - cpuSeconds - result.generatorCpuSeconds);
    return { result, cpuSeconds, otherCpuSeconds };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#generator[Symbol.asyncDispose]();
    await this.#system[Symbol.asyncDispose]();
  }
}

export const isDisturbed = (
  { otherCpuSeconds, windowSeconds }: { readonly otherCpuSeconds: number; readonly windowSeconds: number },
  { maxDisturbedFraction }: QuietPlan,
): boolean => otherCpuSeconds > maxDisturbedFraction * windowSeconds * machine().cores;

/**
 * What other programs did to the latencies of one window must not be taken for a difference between two.
 *
 * @param visit gives undefined when it was disturbed.
 */
export async function undisturbed<V>(
  { attempts }: QuietPlan,
  say: (line: string) => void,
  visit: () => Promise<V | undefined>,
): Promise<V> {
  for (let attempt = 1; attempt <= attempts; attempt += 1) {
    const visited = await visit();
    if (visited !== undefined) return visited;
    say(`other programs used the machine, attempt ${attempt} of ${attempts}`);
  }
  throw new Error("other programs used the machine in every attempt: go on with --resume when it is free");
}
