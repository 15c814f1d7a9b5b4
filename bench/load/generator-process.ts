import { type ChildProcess, execFileSync, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { FromGenerator, LoadPlan, LoadResult, Target, ToGenerator } from "./messages.ts";

/** Slack on top of a plan's own length before the generator is given up. */
const OVERRUN_MS = 15_000;

/** Starts and asks the load generator's process. One run at a time. */
export class GeneratorProcess implements AsyncDisposable {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  static async start(options: {
    readonly target: Target;
    readonly referenceFile: string;
    readonly seed: number;
    /** It interrupts nobody when it wakes (`SCHED_BATCH`), as a client on another machine would not. Default false. */
    readonly isBackground?: boolean;
  }): Promise<GeneratorProcess> {
    const child = fork(fileURLToPath(new URL("./generator.ts", import.meta.url)), {
      stdio: ["ignore", "ignore", "inherit", "ipc"],
    });
    const generator = new GeneratorProcess(child);
    const { isBackground = false, ...prepared } = options;
    if (isBackground) interruptNobody(child);
    await generator.#ask({ type: "prepare", ...prepared }, "prepared", 30_000, undefined);
    return generator;
  }

  /** @param atEdge is called as the counted window opens and closes. */
  async run(plan: LoadPlan, atEdge?: (edge: "open" | "close") => void): Promise<LoadResult> {
    const boundMs = plan.rampMs + plan.windowMs + plan.drainMs + OVERRUN_MS;
    const answer = await this.#ask({ type: "run", plan }, "result", boundMs, atEdge);
    if (answer.type !== "result") throw new Error(`load generator: expected a result, got ${answer.type}`);
    return answer.result;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = new Promise((resolve) => this.#child.once("exit", resolve));
    this.#child.kill("SIGKILL");
    await ended;
  }

  #ask(
    question: ToGenerator,
    expected: FromGenerator["type"],
    boundMs: number,
    atEdge: ((edge: "open" | "close") => void) | undefined,
  ): Promise<FromGenerator> {
    return new Promise((resolve, reject) => {
      const settle = (outcome: () => void): void => {
        clearTimeout(timer);
        this.#child.off("message", onMessage);
        this.#child.off("exit", onExit);
        outcome();
      };
      const onMessage = (message: FromGenerator): void => {
        if (message.type === "window") atEdge?.(message.edge);
        else if (message.type === expected) settle(() => resolve(message));
        else if (message.type === "error")
          settle(() => reject(new Error(`load generator: ${message.message}`)));
      };
      const onExit = (code: number | null, signal: string | null): void =>
        settle(() => reject(new Error(`load generator: its process ended with ${signal ?? `code ${code}`}`)));
      const timer = setTimeout(
        () => settle(() => reject(new Error(`load generator: no ${expected} within ${boundMs} ms`))),
        boundMs,
      );
      this.#child.on("message", onMessage);
      this.#child.once("exit", onExit);
      this.#child.send(question);
    });
  }
}

/** Its threads that are there and, since threads inherit it, those to come. */
function interruptNobody({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  execFileSync("chrt", ["--all-tasks", "--batch", "--pid", "0", String(pid)], { stdio: "ignore" });
}
