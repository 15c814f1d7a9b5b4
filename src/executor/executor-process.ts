import { type ChildProcess, spawn } from "node:child_process";
import type { Background } from "./background.ts";
import type { ExecutorBoot } from "./control-messages.ts";
import { ManagedExecutor, type ManagedExecutorOptions } from "./managed-executor.ts";

export interface ExecutorProcessOptions extends Omit<ManagedExecutorOptions, "id" | "socketPath"> {
  /** Of all executors. */
  readonly background: Background;
  readonly boot: ExecutorBoot;
  /** Absolute path of the executor's main module. */
  readonly entry: string;
  readonly nodeFlags: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly onOutput: (executorId: string, stream: "stdout" | "stderr", line: string) => void;
}

/** An executor in a process of its own. */
export class ExecutorProcess extends ManagedExecutor {
  readonly #child: ChildProcess;
  readonly #exited = Promise.withResolvers<void>();
  readonly #laneNiceness: number;
  readonly #background: Background;
  #isInBackground = false;

  constructor(options: ExecutorProcessOptions) {
    super({ ...options, id: options.boot.id, socketPath: options.boot.socketPath });
    this.#background = options.background;
    this.#laneNiceness = options.boot.laneNiceness;
    this.#child = spawn(process.execPath, [...options.nodeFlags, options.entry], {
      env: options.env,
      stdio: ["pipe", "pipe", "pipe"],
    });
    this.#child.on("error", (error) => this.end(`it could not be started: ${error.message}`));
    this.#child.on("exit", (code, signal) => {
      this.#exited.resolve();
      this.end(signal === null ? `it exited with code ${code}` : `it was ended by ${signal}`);
    });
    forwardLines(this.#child, (stream, line) => options.onOutput(this.id, stream, line));
    // A child that ends at once makes writing to it fail; its exit says why.
    this.#child.stdin?.on("error", () => {});
    this.#child.stdin?.write(`${JSON.stringify(options.boot)}\n`);
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  get exited(): Promise<void> {
    return this.#exited.promise;
  }

  override bringToFront(computes: boolean): void {
    const { pid } = this;
    if (!this.#isInBackground || pid === undefined || this.hasEnded) return;
    this.#background.bringBack(pid, computes ? this.#laneNiceness : 0);
    this.#isInBackground = false;
  }

  override putInBackground(): void {
    const { pid } = this;
    if (this.#isInBackground || pid === undefined || this.hasEnded || !this.#background.isPossible) return;
    this.#isInBackground = true;
    if (this.#background.put(pid)) return;
    // It would stay there for ever; the next ones begin like any other. Not now: nobody may know of it yet.
    queueMicrotask(() => this.kill("it could not be brought to the front"));
  }

  protected stop(): void {
    const { pid } = this;
    // Its end is work too: a hundred megabytes are given back page by page.
    if (pid !== undefined && !this.hasEnded) this.#background.leave(pid);
    this.#child.kill("SIGKILL");
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
