import type { ApplicationGraph, DeploymentSpec } from "../api/graph.ts";
import {
  CODE_DEFAULTS,
  type DeploymentOptions,
  MODEL_DEFAULTS,
  type ResolvedDeploymentOptions,
  resolveDeploymentOptions,
} from "../config/deployment-options.ts";
import { TuttiError } from "../errors/tutti-error.ts";
import { type ApplicationDefinition, overridesFor, unmatchedOverrides } from "../policy/desired-state.ts";

/**
 * An application's graph with the options that its definition sets over those of the module.
 *
 * @throws TuttiError `InvalidOptions` when they are not possible together, or are for a deployment that there is not.
 */
export function overrideGraph(
  graph: ApplicationGraph,
  definition: Pick<ApplicationDefinition, "deployments">,
): ApplicationGraph {
  if (Object.keys(definition.deployments).length === 0) return graph;
  const names = graph.deployments.map(({ name }) => name);
  const [unmatched] = unmatchedOverrides(definition, names);
  if (unmatched !== undefined) {
    const message = `application ${graph.name}: deployments has ${unmatched}, which is none of ${names.join(", ")}`;
    throw new TuttiError("InvalidOptions", message, { path: `deployments.${unmatched}` });
  }
  return { ...graph, deployments: graph.deployments.map((spec) => overrideSpec(spec, definition)) };
}

function overrideSpec(
  spec: DeploymentSpec,
  definition: Pick<ApplicationDefinition, "deployments">,
): DeploymentSpec {
  const overrides = overridesFor(definition, spec.name);
  if (Object.keys(overrides).length === 0) return spec;
  const defaults = spec.kind === "model" ? MODEL_DEFAULTS : CODE_DEFAULTS;
  const given = asGiven(spec.options);
  const { healthCheck, resources, ...others } = overrides;
  const merged = {
    ...given,
    ...others,
    healthCheck: { ...given.healthCheck, ...healthCheck },
    resources: { ...given.resources, ...resources },
  };
  return { ...spec, options: resolveDeploymentOptions(spec.name, merged, defaults) };
}

/** Resolved options as somebody would write them. */
function asGiven(resolved: ResolvedDeploymentOptions): DeploymentOptions {
  const { maxQueueMs, userConfig, memoryMb, healthCheckPeriodMs, healthCheckTimeoutMs, ...same } = resolved;
  return {
    ...same,
    resources: { memoryMb },
    healthCheck: { periodMs: healthCheckPeriodMs, timeoutMs: healthCheckTimeoutMs },
    ...(maxQueueMs === undefined ? {} : { maxQueueMs }),
    ...(userConfig === undefined ? {} : { userConfig }),
  };
}
