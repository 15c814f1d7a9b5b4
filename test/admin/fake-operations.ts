import type { NodeOperations, WantedReplicas } from "../../src/admin/node-operations.ts";
import { DEFAULT_TRAFFIC, type DesiredApplication, type Rollback } from "../../src/policy/desired-state.ts";

const APPLICATION: DesiredApplication = {
  name: "offers",
  module: "/app.ts",
  args: {},
  traffic: DEFAULT_TRAFFIC,
  deployments: {},
  history: [],
};

/** Notes what it is asked for, unless it is told to fail. */
export class FakeOperations implements NodeOperations {
  readonly asked: unknown[] = [];
  failure: Error | undefined;

  async scale(
    application: string,
    deployment: string,
    replicas: WantedReplicas,
  ): Promise<DesiredApplication> {
    this.#note("scale", application, deployment, replicas);
    return APPLICATION;
  }

  async rollBack(application: string, to: Rollback["to"], reason: string): Promise<DesiredApplication> {
    this.#note("rollBack", application, to, reason);
    return { ...APPLICATION, rollback: { to, reason } };
  }

  shutDown(): void {
    this.#note("shutDown");
  }

  #note(...asked: readonly unknown[]): void {
    if (this.failure !== undefined) throw this.failure;
    this.asked.push(asked);
  }
}
