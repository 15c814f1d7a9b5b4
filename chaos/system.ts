import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { processTree, treeCpuSeconds, treePssMb } from "../bench/measure/process-tree.ts";
import { REPOSITORY } from "../bench/reference/paths.ts";
import { ask } from "../bench/systems/ask.ts";
import { type ExecutorKind, kindOf, listeningExecutors } from "../test/support/processes.ts";

const CLI = `${REPOSITORY}dist/cli/main.js`;
const APP = `${REPOSITORY}chaos/app/app.ts`;
const READY = /is ready: .* at (\S+)/;
const START_WITHIN_MS = 60_000;
const STOP_WITHIN_MS = 5000;
const POLL_MS = 5;
/** Two lanes and two code executors. */
const EXECUTORS = 4;

export interface SystemOptions {
  /** In place of `tutti run`; given the application's module. */
  readonly program?: string;
  readonly args?: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** A file that code executors keep open, by which they are told from others. */
  readonly openFile: string;
}

/** Those that are alive, so that the campaign's end, in whatever way, ends them. */
/** As the command's first line has it, which is not read where a script is given to `node`. */
export const NODE_FLAGS = ["--max-semi-space-size=12", "--no-memory-reducer"];

const alive = new Set<System>();
process.once("exit", () => {
  for (const system of alive) system.killNow();
});

/** A real `tutti run` of the faulty application, as the leader of a session of its own. */
export class System implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #options: SystemOptions;
  /** Its sockets are in a folder of its own here. */
  readonly #folder = mkdtempSync(path.join(tmpdir(), "tutti-chaos-"));
  readonly #exited: Promise<unknown>;
  #stderr = "";

  private constructor(options: SystemOptions) {
    this.#options = options;
    const head = options.program === undefined ? [CLI, "run", APP, "--port", "0"] : [options.program, APP];
    this.#child = spawn(process.execPath, [...NODE_FLAGS, ...head, ...(options.args ?? [])], {
      cwd: REPOSITORY,
      detached: true,
      env: { ...process.env, ...options.env, TMPDIR: this.#folder, NODE_ENV: "production" },
      stdio: ["ignore", "ignore", "pipe"],
    });
    this.#exited = new Promise((resolve) => this.#child.once("close", resolve).once("error", resolve));
    this.#child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#stderr += text;
    });
    alive.add(this);
  }

  static async start(options: SystemOptions): Promise<System> {
    const system = new System(options);
    try {
      await system.until(() => system.#port !== undefined, "to be ready", START_WITHIN_MS);
      await system.until(() => system.isAtFullStrength(), "to have all executors", START_WITHIN_MS);
      return system;
    } catch (thrown) {
      await system[Symbol.asyncDispose]();
      throw thrown;
    }
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get port(): number {
    return this.#port ?? 0;
  }

  get stderr(): string {
    return this.#stderr;
  }

  /** Why executors were lost or are being replaced, as it has said so far: one for each. */
  get reasons(): string[] {
    const told = this.#stderr.matchAll(
      /(\w+)\d+: executor \w+ (?:was lost|is being replaced|has replicas replaced): (.*)/g,
    );
    return [...told].map(([, slot, reason]) => `${slot}: ${reason}`);
  }

  get replacements(): number {
    return this.reasons.length;
  }

  executors(): { pid: number; kind: ExecutorKind }[] {
    const pids = processTree(this.pid).flatMap(({ pid, ended }) => (ended ? [] : [pid]));
    return listeningExecutors(pids, this.#socketFolder).map((executor) => ({
      pid: executor.pid,
      kind: kindOf(executor, this.#socketFolder, this.#options.openFile),
    }));
  }

  /** @returns the process that was sent the signal. */
  signal(kind: "lane" | "code", signal: NodeJS.Signals): number {
    const victim = this.executors().find((executor) => executor.kind === kind);
    if (victim === undefined) throw new Error(`there is no ${kind} executor to send ${signal} to`);
    process.kill(victim.pid, signal);
    return victim.pid;
  }

  /** Ready, with all lanes and code executors there. */
  async isAtFullStrength(): Promise<boolean> {
    const readiness = await ask(this.port, "/readyz", { timeoutMs: 1000 });
    if (readiness?.status !== 200) return false;
    return this.executors().filter(({ kind }) => kind !== "spare").length === EXECUTORS;
  }

  /** Of all its processes so far. */
  cpuSeconds(): number {
    return treeCpuSeconds(this.pid);
  }

  pssMb(): number {
    return treePssMb(this.pid);
  }

  /** @throws when it does not come true, or the system ends meanwhile. */
  async until(
    condition: () => boolean | Promise<boolean>,
    what: string,
    withinMs = START_WITHIN_MS,
  ): Promise<void> {
    const endAtMs = performance.now() + withinMs;
    while (!(await condition())) {
      const { exitCode, signalCode } = this.#child;
      if (exitCode !== null || signalCode !== null)
        throw new Error(`the system ended (${signalCode ?? exitCode}):\n${this.#stderr}`);
      if (performance.now() > endAtMs)
        throw new Error(`it took longer than ${withinMs} ms for the system ${what}:\n${this.#stderr}`);
      await sleep(POLL_MS);
    }
  }

  killNow(): void {
    for (const { pid } of processTree(this.pid)) {
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // It has ended already.
      }
    }
    rmSync(this.#folder, { recursive: true, force: true });
    alive.delete(this);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { exitCode, signalCode, pid } = this.#child;
    if (pid !== undefined && exitCode === null && signalCode === null) {
      process.kill(pid, "SIGTERM");
      await Promise.race([this.#exited, sleep(STOP_WITHIN_MS)]);
    }
    this.killNow();
  }

  get #port(): number | undefined {
    const url = READY.exec(this.#stderr)?.[1];
    return url === undefined ? undefined : Number(new URL(url).port);
  }

  get #socketFolder(): string {
    const name = readdirSync(this.#folder).find((entry) => entry.startsWith("tutti-"));
    return path.join(this.#folder, name ?? "none");
  }
}
