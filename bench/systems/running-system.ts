import { spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { relative } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { processTree, treeCpuSeconds, treePssMb } from "../measure/process-tree.ts";
import { GAME, REPOSITORY } from "../reference/paths.ts";
import { ask, offerAnswered } from "./ask.ts";
import type { SystemDescription, SystemSetting } from "./system.ts";

/** The first start of the Flask systems installs their Python packages. */
const READY_WITHIN_MS = 240_000;
const POLL_MS = 10;
const TERM_GRACE_MS = 4_000;

/** Systems that are alive, so that an end of the bench (also by Ctrl-C) ends them. */
const alive = new Set<RunningSystem>();

process.once("exit", () => {
  for (const system of alive) system.killNow();
});

/** A system under test: started as the leader of its own session, and ended with everything in it. */
export class RunningSystem implements AsyncDisposable {
  readonly #root: number;
  readonly #exited: Promise<string>;
  #exit: string | undefined;
  #coldStartMs = Number.NaN;

  private constructor(root: number, exited: Promise<string>) {
    this.#root = root;
    this.#exited = exited;
    exited.then((reason) => {
      this.#exit = reason;
    });
  }

  /**
   * @param logFile gets everything that the system prints.
   * @throws when no personal offer is answered within four minutes or the process ends before.
   */
  static async start(
    system: SystemDescription,
    setting: SystemSetting,
    logFile: string,
  ): Promise<RunningSystem> {
    await assertPortFree(setting.port);
    const logHint = `what it printed: ${relative(REPOSITORY, logFile)}`;
    const { file, args, environment } = system.command(setting);
    const startedAt = performance.now();
    const log = openSync(logFile, "w");
    const child = spawn(file, args, {
      detached: true,
      // Straight into the file: piping would cost the bench's process, on the machine under test, a turn for each line.
      stdio: ["ignore", log, log],
      env: { ...process.env, ...environment },
    });
    closeSync(log);
    const exited = new Promise<string>((resolve) => {
      child.once("error", (error) => resolve(error.message));
      child.once("exit", (code, signal) => resolve(`ended with ${signal ?? `code ${code}`}`));
    });
    if (child.pid === undefined) throw new Error(`${system.name}: ${await exited}`);
    const running = new RunningSystem(child.pid, exited);
    alive.add(running);
    try {
      await running.#until(() => offerAnswered(setting.port, GAME), `${system.name}: no offer (${logHint})`);
      running.#coldStartMs = performance.now() - startedAt;
      const { readyPath } = system;
      if (readyPath !== undefined) {
        await running.#until(async () => {
          const status = (await ask(setting.port, readyPath, { timeoutMs: 2_000 }))?.status;
          // Not there: then the answered offer is all the sign there is.
          return status === 200 || status === 404;
        }, `${system.name}: ${readyPath} not 200 (${logHint})`);
      }
      return running;
    } catch (error) {
      await running[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Process start to the first personal offer. */
  get coldStartMs(): number {
    return this.#coldStartMs;
  }

  get processes(): number {
    return processTree(this.#root).filter(({ ended }) => !ended).length;
  }

  cpuSeconds(): number {
    return treeCpuSeconds(this.#root);
  }

  pssMb(): number {
    return treePssMb(this.#root);
  }

  /** Asks to end, then ends what is left; returns when all processes of the system are gone. */
  async [Symbol.asyncDispose](): Promise<void> {
    const members = processTree(this.#root).map(({ pid }) => pid);
    signal(-this.#root, "SIGTERM");
    const deadline = performance.now() + TERM_GRACE_MS;
    while (this.#anyAlive(members) && performance.now() < deadline) await sleep(20);
    for (const pid of members) if (this.#stillOurs(pid)) signal(pid, "SIGKILL");
    signal(-this.#root, "SIGKILL");
    if (this.#exit === undefined) await this.#exited;
    alive.delete(this);
  }

  killNow(): void {
    for (const { pid } of processTree(this.#root)) signal(pid, "SIGKILL");
    signal(-this.#root, "SIGKILL");
  }

  #anyAlive(members: readonly number[]): boolean {
    return members.some((pid) => this.#stillOurs(pid));
  }

  /** A pid may have been given to another process: it is ours only while it is in our session. */
  #stillOurs(pid: number): boolean {
    return processTree(this.#root).some((stat) => stat.pid === pid && !stat.ended);
  }

  async #until(condition: () => Promise<boolean>, failure: string): Promise<void> {
    const deadline = performance.now() + READY_WITHIN_MS;
    while (!(await condition())) {
      if (this.#exit !== undefined) throw new Error(`${failure}: the process ${this.#exit}`);
      if (performance.now() > deadline) throw new Error(`${failure} within ${READY_WITHIN_MS} ms`);
      await sleep(POLL_MS);
    }
  }
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It has ended already.
  }
}

async function assertPortFree(port: number): Promise<void> {
  if ((await ask(port, "/", { timeoutMs: 1_000 })) !== undefined) {
    throw new Error(`port ${port} is in use by another program: choose one with --port`);
  }
}
