import { batched } from "../api/batched.ts";
import type { OutgoingCall, PendingCall } from "../api/call-port.ts";
import { context } from "../api/context.ts";
import { ManualClock } from "../clock/manual-clock.ts";
import {
  CODE_DEFAULTS,
  type DeploymentOptions,
  resolveDeploymentOptions,
} from "../config/deployment-options.ts";
import { CallCounters } from "../observe/call-counters.ts";
import { Router } from "../router/router.ts";
import type { DeploymentRoute, ExecutorAddress } from "../router/snapshot.ts";
import { inlineTransports } from "../wire/inline-transport.ts";
import type { CallOutcome } from "../wire/messages.ts";
import { Peer } from "../wire/peer.ts";
import { CodeReplica } from "./code-replica.ts";
import { countLosses } from "./count-losses.ts";
import { LocalLink } from "./local-link.ts";
import { ModelLane } from "./model-lane.ts";
import { ModelReplica } from "./model-replica.ts";
import { FakeModelSession } from "./model-session.fake.ts";
import { ReplicaTable } from "./replica-table.ts";

/** A class whose calls end when the test says so, or by their signal. */
export class Waiting {
  started = 0;
  release: () => void = () => {};
  readonly #gate = new Promise<void>((resolve) => {
    this.release = resolve;
  });

  /** Does not look at its signal. */
  async wait(): Promise<string> {
    this.started += 1;
    await this.#gate;
    return "done";
  }

  async heed(): Promise<never> {
    const { signal } = context();
    return new Promise((_, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason));
    });
  }

  /** Hangs, or answers at once. */
  hangs = false;

  async score(): Promise<number> {
    this.started += 1;
    if (this.hangs) await this.heed();
    return 7;
  }

  readonly together = batched({ maxBatchSize: 4 }, async (inputs: number[]) => {
    this.started += inputs.length;
    await this.#gate;
    return inputs;
  });
}

export interface TwoProcessesOptions {
  /** Of the classes and the model alike. */
  readonly limits?: Pick<DeploymentOptions, "maxOngoingRequests" | "maxQueueMs">;
  /** Calls of one deployment that the caller's router lets out. Default 100. */
  readonly maxOngoing?: number;
  readonly maxWaitingCalls?: number;
}

/**
 * A caller's process and an executor's on one clock that stands still, with the real router, peers and replicas
 * between a call and its work. `Remote` and `model` are in the executor `x1`, `Local` in the caller's own process, `Lost`
 * nowhere.
 */
export class TwoProcesses {
  readonly clock = new ManualClock();
  readonly callers = new CallCounters();
  readonly executors = new CallCounters();
  readonly remote = new Waiting();
  readonly local = new Waiting();
  readonly session = new FakeModelSession();
  readonly router: Router;
  readonly #options: TwoProcessesOptions;
  #link: Peer | undefined;

  constructor(options: TwoProcessesOptions = {}) {
    this.#options = options;
    const lane = new ModelLane({ clock: this.clock, counters: this.executors });
    const table = new ReplicaTable(lane);
    table.add(this.#host("Remote", 1, this.remote, this.executors));
    const model = this.#hostModel(lane);
    table.add(model);
    const local = this.#host("Local", 3, this.local, this.callers);
    this.router = new Router({
      localExecutor: "here",
      clock: this.clock,
      counters: this.callers,
      random: () => 0,
      connect: ({ id }) => this.#connect(id, table, local),
      disconnect: () => {},
      ...(options.maxWaitingCalls === undefined ? {} : { maxWaitingCalls: options.maxWaitingCalls }),
    });
    const executors: ExecutorAddress[] = ["x1", "here"].map((id) => ({ id, socketPath: "" }));
    const deployments: DeploymentRoute[] = [
      this.#route("Remote", [{ target: 1, executor: "x1" }]),
      this.#route("model", [{ target: 2, executor: "x1" }]),
      this.#route("Local", [{ target: 3, executor: "here" }]),
      this.#route("Lost", []),
    ];
    this.router.apply({ version: 1, executors, deployments });
  }

  /** Makes a call that ends within 100 ms unless it is told otherwise, and sends it. */
  async call(deployment: string, method: string, fields: Partial<OutgoingCall> = {}): Promise<MadeCall> {
    const made = this.callNow(deployment, method, fields);
    await this.settle();
    return made;
  }

  /** The same, before the turn has ended in which it is made. */
  callNow(deployment: string, method: string, fields: Partial<OutgoingCall> = {}): MadeCall {
    const ends: CallOutcome[] = [];
    const pending = this.router.dispatch({
      deployment,
      method,
      args: [1],
      requestId: "r-1",
      deadlineAtMs: this.clock.now() + 100,
      priority: 1,
      lean: false,
      hedge: false,
      onEnd: (outcome) => ends.push(outcome),
      ...fields,
    });
    return { pending, ends };
  }

  /** All that has been sent arrives, and is answered where an answer is there. */
  async settle(): Promise<void> {
    for (let turns = 0; turns < 8; turns++) await this.clock.turn();
  }

  /** The executor's process dies. */
  kill(): void {
    this.#link?.close();
  }

  #connect(id: string, table: ReplicaTable, local: CodeReplica): void {
    if (id === "here") {
      const link = new LocalLink(() => local, this.clock, this.callers);
      return queueMicrotask(() => this.router.laneOpened(id, link));
    }
    const [near, far] = inlineTransports(this.clock);
    new Peer(far, {
      hello: { name: id, token: "" },
      clock: this.clock,
      onLoss: countLosses(this.executors),
      service: {
        onCalls: (calls, from) => {
          for (const call of calls) table.accept(call, from);
        },
        onCancel: (ids, from) => {
          for (const callId of ids) table.cancel(callId, from);
        },
        onWithdraw: (withdrawals, from) => {
          for (const withdrawal of withdrawals) table.withdraw(withdrawal, from);
        },
        loadReport: () => table.loadReport(0),
      },
    });
    const link = new Peer(near, {
      hello: { name: "caller", token: "" },
      clock: this.clock,
      onLoss: countLosses(this.callers),
      onClose: () => this.router.laneClosed(id),
    });
    this.#link = link;
    queueMicrotask(() => this.router.laneOpened(id, link));
  }

  #host(deployment: string, target: number, instance: object, counters: CallCounters): CodeReplica {
    return new CodeReplica({
      target,
      deployment,
      options: resolveDeploymentOptions(deployment, this.#options.limits ?? {}, CODE_DEFAULTS),
      instance,
      routes: undefined,
      servedBy: { replica: `${deployment}#0`, application: "app", applicationVersion: "v1" },
      clock: this.clock,
      counters,
    });
  }

  #hostModel(lane: ModelLane): ModelReplica {
    const { maxOngoingRequests = 100, maxQueueMs } = this.#options.limits ?? {};
    const replica = new ModelReplica(
      {
        kind: "model",
        target: 2,
        deployment: "model",
        index: 0,
        path: "",
        sha256: "",
        maxBatchRows: 16,
        maxOngoing: maxOngoingRequests,
        maxQueueMs,
        gracefulShutdownMs: 1000,
        session: {},
      },
      this.session,
      [{ rows: 1, ms: 1 }],
      lane,
    );
    lane.add(replica);
    return replica;
  }

  #route(name: string, replicas: DeploymentRoute["replicas"]): DeploymentRoute {
    return { name, idempotent: true, waits: false, maxOngoing: this.#options.maxOngoing ?? 100, replicas };
  }
}

export interface MadeCall {
  readonly pending: PendingCall;
  /** One, in the end (D1). */
  readonly ends: readonly CallOutcome[];
}
