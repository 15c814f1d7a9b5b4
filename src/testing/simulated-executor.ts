import type { AssembledExecutor } from "../executor/assemble-executor.ts";
import { ManagedExecutor, type ManagedExecutorOptions } from "../executor/managed-executor.ts";
import type { VirtualProcess } from "./virtual-process.ts";

/** How long after a process's end its parent hears of it. */
const EXIT_NOTICE_MS = 1;

/** An executor in a virtual process, as its node sees it. */
export class SimulatedExecutor extends ManagedExecutor {
  readonly pid = undefined;
  readonly exited: Promise<void>;
  readonly process: VirtualProcess;
  /** What runs in it, from the end of its start on. */
  assembled: AssembledExecutor | undefined;
  readonly #node: VirtualProcess;
  readonly #resolveExited: () => void;

  constructor(options: ManagedExecutorOptions, process: VirtualProcess, node: VirtualProcess) {
    super({ ...options, clock: node });
    this.process = process;
    this.#node = node;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.exited = promise;
    this.#resolveExited = resolve;
  }

  /** As `kill -9`: it stops in the middle of whatever it does, and its node learns of that by itself. */
  die(how = "it was ended by SIGKILL"): void {
    if (this.process.hasEnded) return;
    this.stop();
    this.#node.at(this.#node.now() + EXIT_NOTICE_MS, () => this.end(how));
  }

  protected stop(): void {
    this.process.end();
    this.#resolveExited();
  }
}
