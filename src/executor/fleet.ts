import { randomBytes } from "node:crypto";
import path from "node:path";
import { TuttiError } from "../errors/tutti-error.ts";
import type { LoadReport } from "../wire/messages.ts";
import { Peer } from "../wire/peer.ts";
import { DEFAULT_WIRE_LIMITS } from "../wire/protocol.ts";
import { listenUnix, type UnixListener } from "../wire/socket-transport.ts";
import { ExecutorProcess } from "./executor-process.ts";
import { Heartbeat, type HeartbeatOptions } from "./heartbeat.ts";

export interface FleetOptions {
  /** A directory that only this user can enter; sockets are made in it. */
  readonly runDirectory: string;
  /** The same for the compact forms of models. */
  readonly modelCacheDirectory: string;
  readonly entry: string;
  readonly nodeFlags: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  /** Processes kept started and empty. */
  readonly spares: number;
  readonly startTimeoutMs: number;
  readonly heartbeat: HeartbeatOptions;
  readonly onOutput: (executorId: string, stream: "stdout" | "stderr", line: string) => void;
  /** An executor's connection has ended, and soon the executor will: nothing more can be sent to it. */
  readonly onDetached: (executor: ExecutorProcess) => void;
  /** An executor that was handed out has ended, unasked. */
  readonly onLost: (executor: ExecutorProcess, reason: string) => void;
  readonly onLoad: (executorId: string, load: LoadReport) => void;
}

/**
 * All executor processes of a node: starts them, watches them, and keeps spares, so that a crash costs a load and not
 * a process start. A spare is nobody's: it becomes whatever it is told first.
 */
export class Fleet {
  readonly #options: FleetOptions;
  readonly #token = randomBytes(24).toString("base64url");
  readonly #all = new Map<string, ExecutorProcess>();
  readonly #heartbeats = new Map<string, Heartbeat>();
  readonly #spares: ExecutorProcess[] = [];
  #listener: UnixListener | undefined;
  #nextId = 1;
  #keepSpares = false;
  #closed = false;

  constructor(options: FleetOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    this.#listener = await listenUnix(this.#nodeSocket, DEFAULT_WIRE_LIMITS, (transport) => {
      const peer: Peer = new Peer(transport, {
        hello: { name: "node", token: "" },
        expectedToken: this.#token,
        onLoad: (load) => this.#options.onLoad(owner, load),
        onClose: () => {
          const executor = this.#all.get(owner);
          if (executor === undefined) return;
          this.#options.onDetached(executor);
          executor.detached();
        },
      });
      let owner = "";
      peer.opened.then(
        ({ name }) => {
          owner = name;
          const executor = this.#all.get(name);
          if (executor === undefined) peer.close();
          else executor.attach(peer);
        },
        () => {}, // a connection that never said a right hello is closed already
      );
    });
  }

  /** Begins to keep spares: after the first start, which they would slow down. */
  keepSpares(): void {
    this.#keepSpares = true;
    // More may have been started ahead than the application turned out to need.
    for (const surplus of this.#spares.splice(this.#options.spares)) surplus.kill("it was not needed");
    this.#refillSpares();
  }

  /** Starts a process ahead of its need. */
  prestart(count: number): void {
    for (let i = 0; i < count; i++) this.#spares.push(this.#spawn());
  }

  /**
   * An executor to use: a spare when there is one, else a new process.
   *
   * @throws TuttiError `StartFailed` when the process ends before it has said hello.
   */
  async acquire(): Promise<ExecutorProcess> {
    if (this.#closed) throw new TuttiError("Draining", "the node is shutting down", { started: "no" });
    const ready = this.#spares.findIndex(({ state }) => state.kind === "ready");
    const [spare] = this.#spares.splice(Math.max(0, ready), 1);
    const executor = spare ?? this.#spawn();
    this.#refillSpares();
    await executor.ready;
    return executor;
  }

  get(executorId: string): ExecutorProcess | undefined {
    return this.#all.get(executorId);
  }

  /** Of all processes, the spares included. */
  get pids(): number[] {
    return [...this.#all.values()].flatMap(({ pid }) => (pid === undefined ? [] : [pid]));
  }

  async close(): Promise<void> {
    this.#closed = true;
    const all = [...this.#all.values()];
    for (const executor of all) executor.kill("the node is shutting down");
    await Promise.all(all.map(({ exited }) => exited));
    await this.#listener?.close();
  }

  get #nodeSocket(): string {
    return path.join(this.#options.runDirectory, "node.sock");
  }

  #spawn(): ExecutorProcess {
    const id = `x${this.#nextId++}`;
    const { entry, nodeFlags, env, startTimeoutMs, modelCacheDirectory, onOutput } = this.#options;
    const executor = new ExecutorProcess({
      boot: {
        id,
        nodeSocket: this.#nodeSocket,
        socketPath: path.join(this.#options.runDirectory, `${id}.sock`),
        token: this.#token,
        modelCacheDirectory,
      },
      entry,
      nodeFlags,
      env,
      startTimeoutMs,
      onOutput,
      onEnded: (ended, reason) => this.#ended(ended, reason),
    });
    this.#all.set(id, executor);
    executor.ready.then(
      () => this.#heartbeats.set(id, new Heartbeat(executor, this.#options.heartbeat)),
      () => {}, // told by `onEnded`
    );
    return executor;
  }

  #ended(executor: ExecutorProcess, reason: string): void {
    this.#all.delete(executor.id);
    this.#heartbeats.get(executor.id)?.close();
    this.#heartbeats.delete(executor.id);
    if (this.#closed) return;
    const spare = this.#spares.indexOf(executor);
    if (spare < 0) return this.#options.onLost(executor, reason);
    this.#spares.splice(spare, 1);
    // One that dies while it does nothing is replaced, but not in a tight loop.
    setTimeout(() => this.#refillSpares(), 100).unref();
  }

  #refillSpares(): void {
    if (!this.#keepSpares || this.#closed) return;
    while (this.#spares.length < this.#options.spares) this.#spares.push(this.#spawn());
  }
}
