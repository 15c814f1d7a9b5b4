import path from "node:path";
import type { Executor } from "../executor/executor.ts";
import type { RoutingSnapshot } from "../router/snapshot.ts";
import type { ExecutorSlotsOptions } from "./executor-slots.ts";
import { ModelLanes } from "./model-lanes.ts";
import type { PlanLimits } from "./plan.ts";
import type { SlotView } from "./slot.ts";
import { SlotNames } from "./slot-names.ts";
import { VersionRunner, type VersionSource } from "./version-runner.ts";

export interface NodeRunnerOptions extends Omit<ExecutorSlotsOptions, "prepare" | "onChange" | "nextTarget"> {
  readonly limits: PlanLimits;
  readonly importTimeoutMs: number;
  /** Where the code of versions is kept as long as they run. Absent where no executor imports any. */
  readonly codeDirectory?: string;
}

/** Runs versions of applications on a node: each has code executors of its own, and all share the lanes of models. */
export class NodeRunner {
  readonly #options: NodeRunnerOptions;
  readonly #names = new SlotNames();
  readonly #lanes: ModelLanes;
  readonly #versions = new Set<VersionRunner>();
  #nextTarget = 1;
  #versionsSoFar = 0;
  #isStopping = false;
  #isHealing = false;

  constructor(options: NodeRunnerOptions) {
    this.#options = options;
    this.#lanes = new ModelLanes({
      ...options,
      names: this.#names,
      nextTarget: this.#takeTarget,
      isServing: () => [...this.#versions].some((version) => version.readiness().ready),
      onChange: () => {
        for (const version of this.#versions) version.publish();
      },
    });
  }

  /**
   * A version to start.
   *
   * @param onSnapshot told where everything of this version is, whenever that changes.
   */
  add(source: VersionSource, onSnapshot: (snapshot: RoutingSnapshot) => void): VersionRunner {
    const { codeDirectory } = this.#options;
    this.#versionsSoFar += 1;
    const version = new VersionRunner({
      ...this.#options,
      ...(codeDirectory === undefined
        ? {}
        : { codeCopy: path.join(codeDirectory, `${this.#versionsSoFar}.json`) }),
      source,
      onSnapshot,
      names: this.#names,
      lanes: this.#lanes,
      nextTarget: this.#takeTarget,
    });
    this.#versions.add(version);
    return version;
  }

  /** Ends a version: what it still works on after so long is lost. */
  async remove(version: VersionRunner, drainMs: number, reason: string): Promise<void> {
    await version.stop(drainMs, reason);
    this.#versions.delete(version);
  }

  get versions(): ReadonlySet<VersionRunner> {
    return this.#versions;
  }

  get isStopping(): boolean {
    return this.#isStopping;
  }

  /** Ready when every version is. */
  readiness(): { readonly ready: boolean; readonly reason: string } {
    if (this.#isStopping) return { ready: false, reason: "shutting down" };
    if (this.#versions.size === 0) return { ready: false, reason: "starting" };
    for (const version of this.#versions) {
      const readiness = version.readiness();
      if (!readiness.ready) return readiness;
    }
    return { ready: true, reason: "" };
  }

  /** An executor has ended: its replicas leave the routes at once, its slot is filled anew. */
  lost(executor: Executor, reason: string): void {
    for (const slots of this.#pools()) slots.lost(executor, reason);
  }

  /** An executor does not answer as it should, or does so again: routers are told, and ask elsewhere meanwhile. */
  silent(executor: Executor, isSilent: boolean): void {
    for (const slots of this.#pools()) slots.silent(executor, isSilent);
  }

  /** Replaces an executor that still serves, see `ExecutorSlots.retire`. One that nobody knows just ends. */
  async retire(executor: Executor, reason: string): Promise<void> {
    for (const slots of this.#pools()) if (await slots.retire(executor, reason)) return;
    executor.kill(reason);
  }

  /** Replaces replicas whose health checks failed, in place. */
  async heal(): Promise<void> {
    if (this.#isHealing || this.#isStopping) return;
    this.#isHealing = true;
    try {
      await Promise.all(this.#pools().map((slots) => slots.heal()));
    } finally {
      this.#isHealing = false;
    }
  }

  /** Lets code executors finish what they have, then is done; ending the processes is not its part. */
  async drain(deadlineMs: number): Promise<void> {
    this.#isStopping = true;
    this.#lanes.slots.stop();
    await Promise.all([...this.#versions].map((version) => version.drain(deadlineMs)));
  }

  /** Every slot with what fills it now. */
  slots(): SlotView[] {
    return [...this.#lanes.views(), ...[...this.#versions].flatMap((version) => version.views())];
  }

  /** Who is where, for people and tests. */
  placements(): { slot: string; executor: string | undefined; pid: number | undefined; replicas: number }[] {
    return this.slots().map(({ name, executor, live }) => ({
      slot: name,
      executor: executor?.id,
      pid: executor?.pid,
      replicas: live.length,
    }));
  }

  readonly #takeTarget = (): number => this.#nextTarget++;

  #pools() {
    return [this.#lanes.slots, ...[...this.#versions].map(({ slots }) => slots)];
  }
}
