import { randomBytes } from "node:crypto";
import { type Clock, systemClock } from "../clock/clock.ts";
import { TuttiError } from "../errors/tutti-error.ts";
import type { CallLoss, LoadReport } from "../wire/messages.ts";
import { Peer } from "../wire/peer.ts";
import type { Transport } from "../wire/transport.ts";
import type { ExecutorLauncher } from "./executor-launcher.ts";
import { Heartbeat, type HeartbeatOptions } from "./heartbeat.ts";
import type { ManagedExecutor } from "./managed-executor.ts";

export interface FleetOptions {
  readonly launcher: ExecutorLauncher;
  /** Executors kept started and empty. */
  readonly spares: number;
  readonly heartbeat: HeartbeatOptions;
  /** An executor's connection has ended, and soon the executor will: nothing more can be sent to it. */
  readonly onDetached: (executor: ManagedExecutor) => void;
  /** An executor that was handed out has ended, unasked. */
  readonly onLost: (executor: ManagedExecutor, reason: string) => void;
  readonly onLoad: (executorId: string, load: LoadReport) => void;
  /** Calls to executors that were lost on this side. */
  readonly onLoss?: (loss: CallLoss, calls: number) => void;
  /** It does not answer as it should, or does so again: routers may ask elsewhere meanwhile. */
  readonly onSilence: (executor: ManagedExecutor, isSilent: boolean) => void;
  /** It has grown beyond its limit: to be replaced while it still answers. */
  readonly onTooLarge: (executor: ManagedExecutor, reason: string) => void;
  /** Default the system's. */
  readonly clock?: Clock;
}

/** A spare that ends while it does nothing is replaced, but not in a tight loop. */
const SPARE_PAUSE_MS = 100;

/**
 * All executors of a node: starts them, watches them, and keeps spares, so that a crash costs a load and not
 * a process start. A spare is nobody's: it becomes whatever it is told first.
 */
export class Fleet {
  readonly #options: FleetOptions;
  readonly #clock: Clock;
  readonly #token = randomBytes(24).toString("base64url");
  readonly #all = new Map<string, ManagedExecutor>();
  readonly #heartbeats = new Map<string, Heartbeat>();
  readonly #spares: ManagedExecutor[] = [];
  #nextId = 1;
  #keepSpares = false;
  #closed = false;

  constructor(options: FleetOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  async start(): Promise<void> {
    await this.#options.launcher.start((transport) => this.#accept(transport));
  }

  /** Begins to keep spares: after the first start, which they would slow down. */
  keepSpares(): void {
    this.#keepSpares = true;
    // More may have been started ahead than the application turned out to need.
    for (const surplus of this.#spares.splice(this.#options.spares)) surplus.kill("it was not needed");
    this.#refillSpares();
  }

  /** Starts executors ahead of their need. */
  prestart(count: number): void {
    for (let i = 0; i < count; i++) this.#spares.push(this.#launch(false));
  }

  /**
   * An executor to use: a spare when there is one, else a new one.
   *
   * @param isUrgent something is missing until it serves: it is brought to the front at once.
   * @throws TuttiError `StartFailed` when it ends before it has said hello.
   */
  async acquire(isUrgent: boolean): Promise<ManagedExecutor> {
    if (this.#closed) throw new TuttiError("Draining", "the node is shutting down", { started: "no" });
    const ready = this.#spares.findIndex(({ state }) => state.kind === "ready");
    const [spare] = this.#spares.splice(Math.max(0, ready), 1);
    const executor = spare ?? this.#launch(!isUrgent && this.#keepSpares);
    if (isUrgent) executor.bringToFront(false);
    else if (this.#keepSpares) executor.putInBackground();
    this.#refillSpares();
    await executor.ready;
    return executor;
  }

  get(executorId: string): ManagedExecutor | undefined {
    return this.#all.get(executorId);
  }

  /** Of all that are processes, the spares included. */
  get pids(): number[] {
    return [...this.#all.values()].flatMap(({ pid }) => (pid === undefined ? [] : [pid]));
  }

  async close(): Promise<void> {
    this.#closed = true;
    const all = [...this.#all.values()];
    for (const executor of all) executor.kill("the node is shutting down");
    await Promise.all(all.map(({ exited }) => exited));
    await this.#options.launcher.close();
  }

  #accept(transport: Transport): void {
    let owner = "";
    const peer: Peer = new Peer(transport, {
      hello: { name: "node", token: "" },
      expectedToken: this.#token,
      clock: this.#clock,
      onLoad: (load) => this.#options.onLoad(owner, load),
      ...(this.#options.onLoss === undefined ? {} : { onLoss: this.#options.onLoss }),
      onClose: () => {
        const executor = this.#all.get(owner);
        if (executor === undefined) return;
        this.#options.onDetached(executor);
        executor.detached();
      },
    });
    peer.opened.then(
      ({ name }) => {
        owner = name;
        const executor = this.#all.get(name);
        if (executor === undefined) peer.close();
        else executor.attach(peer);
      },
      () => {}, // a connection that never said a right hello is closed already
    );
  }

  /** What is started beside others that serve does not disturb them. */
  #launch(inBackground: boolean): ManagedExecutor {
    const id = `x${this.#nextId++}`;
    const executor = this.#options.launcher.launch({
      id,
      token: this.#token,
      inBackground,
      onEnded: (ended, reason) => this.#ended(ended, reason),
    });
    this.#all.set(id, executor);
    executor.ready.then(
      () => {
        this.#heartbeats.set(id, this.#watch(executor));
        // While it does nothing it disturbs nobody, and is to answer its heartbeats.
        if (this.#spares.includes(executor)) executor.bringToFront(false);
      },
      () => {}, // told by `onEnded`
    );
    return executor;
  }

  #watch(executor: ManagedExecutor): Heartbeat {
    const { heartbeat, onSilence, onTooLarge } = this.#options;
    const events = {
      onSilence: (isSilent: boolean) => onSilence(executor, isSilent),
      onTooLarge: (reason: string) => onTooLarge(executor, reason),
    };
    return new Heartbeat(executor, heartbeat, events, this.#clock);
  }

  #ended(executor: ManagedExecutor, reason: string): void {
    this.#all.delete(executor.id);
    this.#heartbeats.get(executor.id)?.close();
    this.#heartbeats.delete(executor.id);
    if (this.#closed) return;
    const spare = this.#spares.indexOf(executor);
    if (spare < 0) return this.#options.onLost(executor, reason);
    this.#spares.splice(spare, 1);
    this.#clock.afterInBackground(SPARE_PAUSE_MS, () => this.#refillSpares());
  }

  /**
   * In the background also after a crash, when the next one may be wanted soon: what loads to take over, and what answers
   * meanwhile, need the processor first. If it is wanted before it is ready, it is brought to the front as it is.
   */
  #refillSpares(): void {
    if (!this.#keepSpares || this.#closed) return;
    while (this.#spares.length < this.#options.spares) this.#spares.push(this.#launch(true));
  }
}
