import { type ChildProcess, fork } from "node:child_process";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { EXIT } from "./exit-codes.ts";
import { say } from "./say.ts";
import type { ReadyMessage } from "./tell-parent.ts";

const CLI = fileURLToPath(new URL(`./main${path.extname(import.meta.url)}`, import.meta.url));
/** Longer than a node takes for its drain, unless it was told otherwise. */
const STOP_MS = 30_000;
/** Longer than any part of a start may take, unless the node was told otherwise. */
const START_MS = 180_000;

/** `tutti run` in a process of its own, so that its load is not made by the process that serves it. */
export class BenchNode implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #ended: Promise<number>;

  private constructor(child: ChildProcess, ended: Promise<number>) {
    this.#child = child;
    this.#ended = ended;
  }

  /**
   * @param flags of `tutti run`; ports are free ones unless they say otherwise.
   * @param signal gives the start up.
   * @returns the exit code, of one that could not be started and has said why.
   */
  static async start(
    module: string,
    flags: readonly string[],
    signal: AbortSignal,
  ): Promise<{ readonly node: BenchNode; readonly ready: ReadyMessage } | { readonly exitCode: number }> {
    const child = fork(CLI, ["run", module, "--port", "0", "--admin-port", "0", ...flags], {
      // Of its own, since whoever interrupts wants to see what was measured first. What the application prints is no result.
      detached: true,
      stdio: ["ignore", 2, 2, "ipc"],
    });
    const ended = new Promise<number>((resolve) => child.once("exit", (code) => resolve(code ?? 1)));
    const node = new BenchNode(child, ended);
    const ready = new Promise<ReadyMessage>((resolve) => child.once("message", resolve));
    // It says itself what keeps it, and gives up by itself; this is for one that does neither.
    const over = new AbortController();
    const bound = sleep(START_MS, undefined, { signal: AbortSignal.any([signal, over.signal]) });
    const first = await Promise.race([ready, ended, bound.catch(() => undefined)]);
    over.abort();
    if (typeof first === "number") return { exitCode: first };
    if (first !== undefined) return { node, ready: first };
    if (!signal.aborted) say(`the node is not ready after ${START_MS / 1000} s: it is ended`);
    await node[Symbol.asyncDispose]();
    return { exitCode: EXIT.failed };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGTERM");
    const late = setTimeout(() => {
      say(`the node has not stopped within ${STOP_MS / 1000} s: it is killed`);
      this.#child.kill("SIGKILL");
    }, STOP_MS);
    await this.#ended;
    clearTimeout(late);
  }
}
