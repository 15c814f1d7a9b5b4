import type { Application } from "../api/application.ts";
import { TuttiError } from "../errors/tutti-error.ts";
import { assembleExecutor } from "../executor/assemble-executor.ts";
import type { SpecToHost } from "../executor/control-messages.ts";
import type { ExecutorLauncher, LaunchOrder } from "../executor/executor-launcher.ts";
import type { HostedReplica } from "../executor/hosted-replica.ts";
import { NO_PROCESS } from "../executor/own-process.ts";
import { deriveSeed, seededRandom } from "../policy/seeded-random.ts";
import { inlineTransports } from "../wire/inline-transport.ts";
import type { Transport } from "../wire/transport.ts";
import { PlantedReplica, type ReplicaWatch } from "./planted-replica.ts";
import { SimulatedExecutor } from "./simulated-executor.ts";
import { type ModelRun, type SimulatedModel, SimulatedModels } from "./simulated-model.ts";
import type { VirtualProcess } from "./virtual-process.ts";
import type { VirtualTime } from "./virtual-time.ts";

export interface SimulatedLauncherOptions {
  readonly time: VirtualTime;
  readonly node: VirtualProcess;
  readonly seed: number;
  readonly application: Application;
  readonly modelOf: (deployment: string) => SimulatedModel;
  /** From the launch of a process to its hello. */
  readonly startUpMs: number;
  readonly startTimeoutMs: number;
  readonly watchReplica: (executor: SimulatedExecutor, spec: SpecToHost) => ReplicaWatch;
  /** Told of each run as it begins; how many times as long it takes than it costs. */
  readonly onRun: (executor: SimulatedExecutor, run: ModelRun) => number;
}

/** What each says that it uses; well below any limit. */
const RSS_MB = 64;
const BUSY_SAMPLE_MS = 100;

/** Starts executors as virtual processes, which connect in memory. */
export class SimulatedLauncher implements ExecutorLauncher {
  readonly #options: SimulatedLauncherOptions;
  readonly #executors = new Map<string, SimulatedExecutor>();
  #accept: (transport: Transport) => void = (transport) =>
    transport.destroy(new TuttiError("PeerClosed", "the node takes no connections"));

  constructor(options: SimulatedLauncherOptions) {
    this.#options = options;
  }

  /** All that were ever launched, the ended ones too. */
  get executors(): readonly SimulatedExecutor[] {
    return [...this.#executors.values()];
  }

  get(id: string): SimulatedExecutor | undefined {
    return this.#executors.get(id);
  }

  async start(accept: (transport: Transport) => void): Promise<void> {
    this.#accept = accept;
  }

  launch({ id, token, onEnded }: LaunchOrder): SimulatedExecutor {
    const { time, node, startUpMs, startTimeoutMs } = this.#options;
    const process = time.process(id);
    const executor = new SimulatedExecutor({ id, socketPath: id, startTimeoutMs, onEnded }, process, node);
    this.#executors.set(id, executor);
    process.at(process.now() + startUpMs, () => this.#boot(executor, token));
    return executor;
  }

  async close(): Promise<void> {
    this.#accept = (transport) =>
      transport.destroy(new TuttiError("PeerClosed", "the node takes no connections"));
  }

  /** What an executor's main module does. */
  #boot(executor: SimulatedExecutor, token: string): void {
    const { application, seed, modelOf, onRun, watchReplica, node } = this.#options;
    const { id, process } = executor;
    const models = new SimulatedModels({
      process,
      random: seededRandom(deriveSeed(seed, `models of ${id}`)),
      modelOf,
      onRun: (run) => onRun(executor, run),
    });
    const assembled = assembleExecutor({
      id,
      token,
      dial: async ({ socketPath }) => this.#dial(executor, socketPath),
      models,
      importApplication: async () => application,
      clock: process,
      random: seededRandom(deriveSeed(seed, `router of ${id}`)),
      ownProcess: { ...NO_PROCESS, busyFraction: busyFraction(process) },
      rssMb: () => RSS_MB,
      wrapReplica: (replica: HostedReplica, spec) =>
        new PlantedReplica(replica, process, watchReplica(executor, spec)),
    });
    executor.assembled = assembled;
    const [toNode, fromExecutor] = connect(process, node);
    node.run(() => this.#accept(fromExecutor));
    assembled.join(toNode, () => executor.die("its connection to the node ended"));
  }

  #dial(from: SimulatedExecutor, id: string): Transport {
    const to = this.#executors.get(id);
    if (to?.assembled === undefined || to.process.hasEnded) {
      throw new TuttiError("PeerClosed", `${id} takes no connections`, { started: "no" });
    }
    const { assembled } = to;
    const [near, far] = connect(from.process, to.process);
    to.process.run(() => assembled.accept(far));
    return near;
  }
}

/** As production measures it, every so often: the share of the time since that its thread was held. */
function busyFraction(process: VirtualProcess): (nowMs: number) => number {
  let blockedMs = process.blockedMs;
  let sampledAtMs = process.now();
  let fraction = 0;
  return (nowMs) => {
    const elapsedMs = nowMs - sampledAtMs;
    if (elapsedMs < BUSY_SAMPLE_MS) return fraction;
    fraction = Math.min(1, (process.blockedMs - blockedMs) / elapsedMs);
    blockedMs = process.blockedMs;
    sampledAtMs = nowMs;
    return fraction;
  };
}

/** Each end is its process's: delivered to on its turns, and broken by its end. */
function connect(a: VirtualProcess, b: VirtualProcess): [Transport, Transport] {
  const [atA, atB] = inlineTransports(a, b);
  a.own(atA);
  b.own(atB);
  return [atA, atB];
}
