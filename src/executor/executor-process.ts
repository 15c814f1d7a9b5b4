import { type ChildProcess, spawn } from "node:child_process";
import { TuttiError } from "../errors/tutti-error.ts";
import type { Peer } from "../wire/peer.ts";
import {
  CONTROL_TARGET,
  type ControlAnswers,
  type ControlRequest,
  type ExecutorBoot,
  type ExecutorStatus,
} from "./control-messages.ts";
import type { Executor } from "./executor.ts";

export type ExecutorState =
  | { readonly kind: "starting" }
  | { readonly kind: "ready"; readonly peer: Peer }
  | { readonly kind: "ended"; readonly reason: string };

export interface ExecutorProcessOptions {
  readonly boot: ExecutorBoot;
  /** Absolute path of the executor's main module. */
  readonly entry: string;
  readonly nodeFlags: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  /** A process that has not said hello by then is killed. */
  readonly startTimeoutMs: number;
  readonly onOutput: (executorId: string, stream: "stdout" | "stderr", line: string) => void;
  readonly onEnded: (executor: ExecutorProcess, reason: string) => void;
}

const EXIT_GRACE_MS = 50;

/**
 * The node's side of one executor: its process and its control connection, from start to end.
 *
 * - **X1** It ends once, whatever ends first: the process, the connection, or a kill; `onEnded` says why.
 * - **X2** No process outlives it: ending kills.
 */
export class ExecutorProcess implements Executor {
  readonly id: string;
  readonly socketPath: string;
  readonly #options: ExecutorProcessOptions;
  readonly #child: ChildProcess;
  readonly #ready = Promise.withResolvers<void>();
  readonly #exited = Promise.withResolvers<void>();
  readonly #endedBecause = Promise.withResolvers<string>();
  readonly #startTimer: NodeJS.Timeout;
  #state: ExecutorState = { kind: "starting" };
  #killReason: string | undefined;
  /** What it last said of itself. */
  status: ExecutorStatus | undefined;
  /** Orders that may block its thread for long (loading, importing) are out. */
  #longOrders = 0;

  constructor(options: ExecutorProcessOptions) {
    this.#options = options;
    this.id = options.boot.id;
    this.socketPath = options.boot.socketPath;
    this.#ready.promise.catch(() => {});
    this.#child = spawn(process.execPath, [...options.nodeFlags, options.entry], {
      env: options.env,
      stdio: ["pipe", "pipe", "pipe"],
    });
    this.#child.on("error", (error) => this.#end(`it could not be started: ${error.message}`));
    this.#child.on("exit", (code, signal) => {
      this.#exited.resolve();
      this.#end(
        this.#killReason ?? (signal === null ? `it exited with code ${code}` : `it was ended by ${signal}`),
      );
    });
    forwardLines(this.#child, (stream, line) => options.onOutput(this.id, stream, line));
    // A child that ends at once makes writing to it fail; its exit says why.
    this.#child.stdin?.on("error", () => {});
    this.#child.stdin?.write(`${JSON.stringify(options.boot)}\n`);
    this.#startTimer = setTimeout(
      () => this.kill(`it did not report within ${options.startTimeoutMs} ms of its start`),
      options.startTimeoutMs,
    );
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  get state(): ExecutorState {
    return this.#state;
  }

  get hasEnded(): boolean {
    return this.#state.kind === "ended";
  }

  /** True while it may well not answer for a while. */
  get isBusyLoading(): boolean {
    return this.#longOrders > 0;
  }

  /** Resolves with its hello; rejects with `StartFailed` when it ends before. */
  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  get exited(): Promise<void> {
    return this.#exited.promise;
  }

  /** Its hello has come over this connection. */
  attach(peer: Peer): void {
    if (this.#state.kind !== "starting") return peer.close();
    clearTimeout(this.#startTimer);
    this.#state = { kind: "ready", peer };
    this.#ready.resolve();
  }

  /**
   * The connection is gone: without it the process is of no use. A process that ends by itself also closes its
   * connection, a moment before its exit is known; the exit says why, so it gets that moment.
   */
  detached(): void {
    if (this.#state.kind !== "ready") return;
    this.#child.kill("SIGKILL");
    setTimeout(() => this.kill("its connection ended"), EXIT_GRACE_MS).unref();
  }

  kill(reason: string): void {
    this.#killReason ??= reason;
    this.#child.kill("SIGKILL");
    this.#end(reason);
  }

  /** @throws TuttiError what the executor answered, `DeadlineExceeded`, or `PeerClosed` when it ended. */
  order<R extends ControlRequest>(request: R, timeoutMs: number): Promise<ControlAnswers[R["type"]]> {
    const state = this.#state;
    if (state.kind !== "ready") {
      const why = state.kind === "ended" ? `it has ended: ${state.reason}` : "it is still starting";
      return Promise.reject(new TuttiError("PeerClosed", `executor ${this.id}: ${why}`, { started: "no" }));
    }
    const isLong = request.type === "host" || request.type === "import";
    if (isLong) this.#longOrders += 1;
    return new Promise((resolve, reject) => {
      state.peer.call({
        target: CONTROL_TARGET,
        method: request.type,
        args: [request],
        requestId: `control-${this.id}`,
        deadlineAtMs: performance.now() + timeoutMs,
        priority: 0,
        lean: false,
        idempotent: false,
        onEnd: (outcome) => {
          if (isLong) this.#longOrders -= 1;
          // The answer's type follows from the request's: both are fixed in `ControlAnswers`.
          if (outcome.ok) resolve(outcome.value as ControlAnswers[R["type"]]);
          else void this.#explain(outcome.error, request.type, timeoutMs).then(reject);
        },
      });
    });
  }

  /** What the connection says of its own end, or of time, tells nobody what to do. */
  async #explain(error: TuttiError, order: string, timeoutMs: number): Promise<TuttiError> {
    const { code, started } = error;
    if (code === "PeerClosed") {
      return new TuttiError(code, `executor ${this.id} ended: ${await this.#endedBecause.promise}`, {
        started,
      });
    }
    if (code !== "DeadlineExceeded") return error;
    return new TuttiError(code, `executor ${this.id} did not finish "${order}" within ${timeoutMs} ms`, {
      started,
    });
  }

  /** X1. */
  #end(reason: string): void {
    if (this.#state.kind === "ended") return;
    const { kind } = this.#state;
    if (this.#state.kind === "ready") this.#state.peer.close();
    this.#state = { kind: "ended", reason };
    this.#endedBecause.resolve(reason);
    clearTimeout(this.#startTimer);
    if (kind === "starting") {
      this.#ready.reject(new TuttiError("StartFailed", `executor ${this.id}: ${reason}`, { started: "no" }));
    }
    this.#child.kill("SIGKILL");
    this.#options.onEnded(this, reason);
  }
}

/** Longest line kept whole; a process that writes without end of line must not fill this one's memory. */
const MAX_LINE_CHARS = 16_384;

function forwardLines(
  child: ChildProcess,
  onLine: (stream: "stdout" | "stderr", line: string) => void,
): void {
  for (const stream of ["stdout", "stderr"] as const) {
    let rest = "";
    child[stream]?.setEncoding("utf8");
    child[stream]?.on("data", (text: string) => {
      const lines = (rest + text).split("\n");
      rest = (lines.pop() ?? "").slice(-MAX_LINE_CHARS);
      for (const line of lines) if (line !== "") onLine(stream, line.slice(0, MAX_LINE_CHARS));
    });
    child[stream]?.on("end", () => {
      if (rest !== "") onLine(stream, rest);
    });
  }
}
