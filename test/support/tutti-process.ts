import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { existsSync, readdirSync } from "node:fs";
import { stripVTControlCharacters } from "node:util";
import { expect } from "vitest";
import { isRunning, listeningExecutors, MARK, markedPids, type SeenExecutor } from "./processes.ts";
import { REPOSITORY, TempFolder } from "./temp-folder.ts";
import { waitFor } from "./wait-for.ts";

const READY = /is ready: .* at (\S+)/;
const ADMIN = /admin API at (\S+)/;
const CLI = `${REPOSITORY}/dist/cli/main.js`;

export interface TuttiOptions {
  /** After `run <module>`. Default `--port 0`. */
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Another program than the command line, given the module as its first argument. */
  readonly program?: string;
  /** Default `run`. */
  readonly command?: "run" | "start";
}

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/**
 * A real `tutti run` in a process of its own, with a folder for its sockets of its own. `stopped` and `endedByItself`
 * check that nothing is left: no process, no socket.
 */
export class TuttiProcess implements AsyncDisposable {
  readonly ended: Promise<Ended>;
  readonly #child: ChildProcess;
  readonly #mark = randomUUID();
  readonly #folder = new TempFolder();
  #stdout = "";
  #stderr = "";

  /** Starts it and does not wait. */
  constructor(
    module: string | undefined,
    { args = ["--port", "0"], env = {}, program, command = "run" }: TuttiOptions = {},
  ) {
    if (!existsSync(CLI)) throw new Error(`${CLI} is missing: run npm run build first`);
    const head = program === undefined ? [CLI, command] : [program];
    this.#child = spawn(process.execPath, [...head, ...(module === undefined ? [] : [module]), ...args], {
      cwd: REPOSITORY,
      env: { ...cleanEnvironment(), ...env, [MARK]: this.#mark, TMPDIR: this.#folder.path },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      this.#stdout += text;
    });
    this.#child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#stderr += text;
    });
    this.ended = new Promise((resolve) => {
      this.#child.once("close", (code, signal) => resolve({ code, signal }));
    });
  }

  /** Starts it and waits for the line that says where it serves. */
  static async ready(module: string | undefined, options: TuttiOptions = {}): Promise<TuttiProcess> {
    const started = new TuttiProcess(module, options);
    const over = started.ended.then(() => {
      throw new Error(`it ended at its start: ${started.stderr}`);
    });
    const isReady = waitFor(() => READY.test(started.stderr), {
      what: "the line that it is ready",
      timeoutMs: 45_000,
      everyMs: 5,
    });
    try {
      await Promise.race([isReady, over]);
    } catch (thrown) {
      // Whichever lost the race has nobody to hear of it.
      isReady.catch(() => {});
      await started[Symbol.asyncDispose]();
      throw thrown;
    }
    over.catch(() => {});
    return started;
  }

  get pid(): number {
    return this.#child.pid ?? -1;
  }

  get stdout(): string {
    return stripVTControlCharacters(this.#stdout);
  }

  get stderr(): string {
    return stripVTControlCharacters(this.#stderr);
  }

  get port(): number {
    const url = READY.exec(this.stderr)?.[1];
    if (url === undefined) throw new Error(`it is not ready: ${this.stderr}`);
    return Number(new URL(url).port);
  }

  /** Of its admin API; told before it is ready. */
  get adminPort(): number {
    const url = ADMIN.exec(this.stderr)?.[1];
    if (url === undefined) throw new Error(`it has no admin API: ${this.stderr}`);
    return Number(new URL(url).port);
  }

  /** Where its sockets are. */
  get socketFolder(): string {
    const name = readdirSync(this.#folder.path).find((entry) => entry.startsWith("tutti-"));
    return this.#folder.at(name ?? "none");
  }

  /** Its executors that run now. */
  get executorPids(): number[] {
    return markedPids(this.#mark).filter((pid) => pid !== this.pid);
  }

  get executors(): SeenExecutor[] {
    return listeningExecutors(this.executorPids, this.socketFolder);
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Asks it to stop, and checks that it did so in order and left nothing. */
  async stopped(): Promise<void> {
    this.signal("SIGTERM");
    expect(await this.ended, this.stderr).toEqual({ code: 0, signal: null });
    this.expectNothingLeft();
  }

  /** Waits for its end, checks that nothing is left, and returns its exit code. */
  async endedByItself(): Promise<number | null> {
    const { code } = await this.ended;
    this.expectNothingLeft();
    return code;
  }

  expectNothingLeft(): void {
    expect(markedPids(this.#mark), "processes left behind").toEqual([]);
    expect(readdirSync(this.#folder.path), "files left in the temporary folder").toEqual([]);
  }

  /** For the end of a test, however it went: nothing of this may disturb the next. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) this.signal("SIGTERM");
    const late = setTimeout(() => this.signal("SIGKILL"), 10_000);
    await this.ended;
    clearTimeout(late);
    for (const pid of markedPids(this.#mark)) if (isRunning(pid)) process.kill(pid, "SIGKILL");
    this.#folder[Symbol.dispose]();
  }
}

/** What vitest puts into the environment would reach the application otherwise. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  const names = ["PATH", "HOME", "LANG", "USER", "NODE_COMPILE_CACHE"];
  return Object.fromEntries(
    names.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])),
  );
}
