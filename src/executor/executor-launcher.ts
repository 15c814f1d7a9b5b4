import type { Transport } from "../wire/transport.ts";
import type { ManagedExecutor } from "./managed-executor.ts";

export interface LaunchOrder {
  readonly id: string;
  /** What the executor is to show in its hello. */
  readonly token: string;
  /** It begins when nobody else wants the processor, until it is brought to the front. */
  readonly inBackground: boolean;
  readonly onEnded: (executor: ManagedExecutor, reason: string) => void;
}

/** Starts executors: in processes of their own, or simulated. */
export interface ExecutorLauncher {
  /** From now on connections of executors are taken: each is given to `accept`. */
  start(accept: (transport: Transport) => void): Promise<void>;
  launch(order: LaunchOrder): ManagedExecutor;
  /** Takes no more connections. */
  close(): Promise<void>;
}
