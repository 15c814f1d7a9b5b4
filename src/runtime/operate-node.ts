import type { NodeOperations, WantedReplicas } from "../admin/node-operations.ts";
import type { StateStore } from "../config/state-store.ts";
import type { Controller } from "../controller/controller.ts";
import { rollBack } from "../controller/note-rollback.ts";
import { overrideGraph } from "../controller/override-graph.ts";
import { scaleDeployment } from "../controller/scale-deployment.ts";
import { TuttiError } from "../errors/tutti-error.ts";
import type { DesiredApplication, Rollback } from "../policy/desired-state.ts";
import type { HostedVersion } from "./hosted-version.ts";

export interface OperateNodeParts {
  readonly store: StateStore;
  readonly controller: Controller<HostedVersion>;
  readonly shutDown: () => void;
}

/** What people can have done to a running node: it is wanted, and the controller does it. */
export class OperateNode implements NodeOperations {
  readonly #parts: OperateNodeParts;

  constructor(parts: OperateNodeParts) {
    this.#parts = parts;
  }

  async scale(
    application: string,
    deployment: string,
    replicas: WantedReplicas,
  ): Promise<DesiredApplication> {
    const { store, controller } = this.#parts;
    const graph = controller.graphOf(application);
    if (graph === undefined) {
      const message = `there is no application ${application} that is served; ${this.#names()}`;
      throw new TuttiError("NotFound", message);
    }
    if (!graph.deployments.some(({ name }) => name === deployment)) {
      const names = graph.deployments.map(({ name }) => name).join(", ");
      throw new TuttiError(
        "NotFound",
        `${application} has no deployment ${deployment}; deployments: ${names}`,
      );
    }
    // Refused now rather than when it cannot be done any more.
    overrideGraph(graph, { deployments: { [deployment]: { replicas } } });
    return scaleDeployment(store, controller.desiredName(application), deployment, replicas);
  }

  rollBack(application: string, to: Rollback["to"], reason: string): Promise<DesiredApplication> {
    const { store, controller } = this.#parts;
    return rollBack(store, controller.desiredName(application), { to, reason });
  }

  shutDown(): void {
    this.#parts.shutDown();
  }

  #names(): string {
    return `applications: ${this.#parts.controller
      .applications()
      .map(({ name }) => name)
      .join(", ")}`;
  }
}
