import { getPriority } from "node:os";
import path from "node:path";
import { DEFAULT_WIRE_LIMITS } from "../wire/protocol.ts";
import { listenUnix, type UnixListener } from "../wire/socket-transport.ts";
import type { Transport } from "../wire/transport.ts";
import { Background } from "./background.ts";
import type { ExecutorLauncher, LaunchOrder } from "./executor-launcher.ts";
import { ExecutorProcess, type ExecutorProcessOptions } from "./executor-process.ts";
import { Reaper } from "./reaper.ts";

export interface ProcessLauncherOptions
  extends Pick<
    ExecutorProcessOptions,
    "entry" | "nodeFlags" | "env" | "startTimeoutMs" | "onOutput" | "clock"
  > {
  /** A directory that only this user can enter; sockets are made in it. */
  readonly runDirectory: string;
  /** The same for the compact forms of models. */
  readonly modelCacheDirectory: string;
  /** Of executors that compute. */
  readonly laneNiceness: number;
}

/** Starts executors as child processes, which connect to a unix socket. */
export class ProcessLauncher implements ExecutorLauncher {
  readonly #options: ProcessLauncherOptions;
  readonly #reaper = new Reaper();
  readonly #background = new Background();
  #listener: UnixListener | undefined;

  constructor(options: ProcessLauncherOptions) {
    this.#options = options;
  }

  async start(accept: (transport: Transport) => void): Promise<void> {
    this.#listener = await listenUnix(this.#nodeSocket, DEFAULT_WIRE_LIMITS, accept);
  }

  launch(order: LaunchOrder): ExecutorProcess {
    const executor = this.#launch(order);
    if (order.inBackground) executor.putInBackground();
    return executor;
  }

  #launch({ id, token, onEnded }: LaunchOrder): ExecutorProcess {
    const { runDirectory, modelCacheDirectory, laneNiceness, ...options } = this.#options;
    const executor = new ExecutorProcess({
      ...options,
      background: this.#background,
      boot: {
        id,
        nodeSocket: this.#nodeSocket,
        socketPath: path.join(runDirectory, `${id}.sock`),
        token,
        modelCacheDirectory,
        laneNiceness,
        nodeNiceness: getPriority(),
      },
      onEnded,
    });
    const { pid } = executor;
    if (pid !== undefined) {
      this.#reaper.add(pid);
      void executor.exited.then(() => this.#reaper.remove(pid));
    }
    return executor;
  }

  async close(): Promise<void> {
    await this.#reaper.close();
    await this.#listener?.close();
  }

  get #nodeSocket(): string {
    return path.join(this.#options.runDirectory, "node.sock");
  }
}
