import type { ControlAnswers, ControlRequest, ExecutorStatus } from "./control-messages.ts";

/** What hosts replicas, as those who decide what it hosts see it: a child process, or this process itself. */
export interface Executor {
  readonly id: string;
  /** Where other executors reach it; empty when none needs to. */
  readonly socketPath: string;
  readonly pid: number | undefined;
  readonly hasEnded: boolean;
  /** What it last said of itself. */
  readonly status: ExecutorStatus | undefined;
  /** @throws TuttiError what the executor answered, `DeadlineExceeded`, or `PeerClosed` when it ended. */
  order<R extends ControlRequest>(request: R, timeoutMs: number): Promise<ControlAnswers[R["type"]]>;
  /**
   * It is wanted now: it runs like any other from now on, if it did not yet.
   *
   * @param computes processes that only wait still run before it.
   */
  bringToFront(computes: boolean): void;
  /** What it is about to do can wait for whoever serves, until it is brought to the front. */
  putInBackground(): void;
  kill(reason: string): void;
}
