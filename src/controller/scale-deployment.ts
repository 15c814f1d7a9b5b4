import type { StateStore } from "../config/state-store.ts";
import type {
  ApplicationDefinition,
  DeploymentOverrides,
  DesiredApplication,
} from "../policy/desired-state.ts";
import { changeDesired } from "./change-desired.ts";

/** Wants another number of replicas of a deployment, of the definition that is wanted now: after a rollback of an earlier one. */
export function scaleDeployment(
  store: StateStore,
  name: string,
  deployment: string,
  replicas: NonNullable<DeploymentOverrides["replicas"]>,
): Promise<DesiredApplication> {
  return changeDesired(store, name, (application) => {
    const { rollback, history } = application;
    if (rollback === undefined) return { ...application, deployments: scaled(application) };
    const { to } = rollback;
    const at = to === "previous" ? 0 : history.findIndex(({ version }) => version === to.version);
    return {
      ...application,
      history: history.map((past, i) => (i === at ? { ...past, deployments: scaled(past) } : past)),
    };
  });

  function scaled({ deployments }: ApplicationDefinition): ApplicationDefinition["deployments"] {
    const given = Object.hasOwn(deployments, deployment) ? deployments[deployment] : undefined;
    return { ...deployments, [deployment]: { ...given, replicas } };
  }
}
