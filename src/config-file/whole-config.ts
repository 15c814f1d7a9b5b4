import { resolveAdminOptions } from "../admin/admin-options.ts";
import type { ApplicationGraph, DeploymentSpec } from "../api/graph.ts";
import {
  CODE_DEFAULTS,
  MODEL_DEFAULTS,
  type ResolvedDeploymentOptions,
  resolveDeploymentOptions,
} from "../config/deployment-options.ts";
import { resolveNodeOptions } from "../config/node-options.ts";
import { resolveIngressOptions } from "../ingress/ingress-options.ts";
import { DEFAULT_TRAFFIC } from "../policy/desired-state.ts";
import { configText } from "./config-text.ts";

export interface WholeConfigParts {
  readonly graph: ApplicationGraph;
  /** As it is to stand in the file. */
  readonly module: string;
  readonly args: object;
}

/** A config file for one application with everything that can be said in it; at the end of each line the default. */
export function wholeConfig({ graph, module, args }: WholeConfigParts): string {
  const remarks = new Map<string, string>();
  const { host, port, ...edge } = resolveIngressOptions();
  const value = {
    http: { host, port, ...edge },
    admin: adminAddress(),
    node: resolveNodeOptions(),
    applications: [
      {
        name: graph.name,
        module,
        args,
        route: graph.route,
        version: graph.version,
        traffic: DEFAULT_TRAFFIC,
        deployments: Object.fromEntries(graph.deployments.map((spec) => [spec.name, shownOptions(spec)])),
      },
    ],
  };
  remarks.set("http.admission.enabled", "maxInFlight is left out: what the ingress's replicas take");
  remarks.set("node.lanes", "default: one for each core");
  remarks.set("applications.0.name", "the module's own, like route and version");
  remarks.set(
    "applications.0.traffic",
    "all within three seconds; or steps such as { weight: 0.05, durationMs: 60000 }, rising",
  );
  for (const spec of graph.deployments) remarkOptions(spec, remarks);
  const head = [
    "Every option with its value. What is left as it is by default says so by standing here, and may go;",
    "of deployments the default is at the end of the line.",
  ];
  // Without what is undefined, which no file can hold.
  return configText(JSON.parse(JSON.stringify(value)), head, remarks);
}

function adminAddress() {
  const { host, port } = resolveAdminOptions();
  return { host, port };
}

function shownOptions({ kind, options }: DeploymentSpec) {
  const { replicas, maxOngoingRequests, maxQueueMs, memoryMb, gracefulShutdownMs, idempotent } = options;
  const { compute, userConfig, healthCheckPeriodMs, healthCheckTimeoutMs } = options;
  const common = {
    replicas: shownReplicas(replicas),
    maxOngoingRequests,
    maxQueueMs,
    resources: { memoryMb },
    gracefulShutdownMs,
    idempotent,
  };
  if (kind === "model") return common;
  const healthCheck = { periodMs: healthCheckPeriodMs, timeoutMs: healthCheckTimeoutMs };
  return { ...common, compute, userConfig, healthCheck };
}

const shownReplicas = ({ min, max, initial }: ResolvedDeploymentOptions["replicas"]) =>
  min === max ? min : { min, max, initial };

function remarkOptions({ name, kind, options }: DeploymentSpec, remarks: Map<string, string>): void {
  const at = (option: string) => `applications.0.deployments.${name}.${option}`;
  const defaults = resolveDeploymentOptions(name, {}, kind === "model" ? MODEL_DEFAULTS : CODE_DEFAULTS);
  const values: Readonly<Record<string, unknown>> = {
    replicas: defaults.replicas.initial,
    maxOngoingRequests: defaults.maxOngoingRequests,
    maxQueueMs: "none",
    "resources.memoryMb": defaults.memoryMb,
    gracefulShutdownMs: defaults.gracefulShutdownMs,
    idempotent: defaults.idempotent,
    compute: defaults.compute,
    "healthCheck.periodMs": defaults.healthCheckPeriodMs,
    "healthCheck.timeoutMs": defaults.healthCheckTimeoutMs,
  };
  for (const [option, value] of Object.entries(values)) remarks.set(at(option), `default: ${String(value)}`);
  const left = [
    ...(options.maxQueueMs === undefined ? ["maxQueueMs (only the deadline bounds it)"] : []),
    ...(kind === "class" && options.userConfig === undefined ? ["userConfig"] : []),
  ];
  const what = kind === "model" ? "a model" : "a class";
  remarks.set(
    `applications.0.deployments.${name}`,
    left.length === 0 ? what : `${what}; not set: ${left.join(", ")}`,
  );
}
