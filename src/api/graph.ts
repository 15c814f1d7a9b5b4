import type { ResolvedDeploymentOptions } from "../config/deployment-options.ts";
import type { ResolvedRoutingOptions } from "../config/routing-options.ts";
import { TuttiError } from "../errors/tutti-error.ts";
import type { RequestPriority } from "../policy/admit.ts";
import type { Application } from "./application.ts";
import { type Binding, mapBindings, streamsOf } from "./binding.ts";
import type { Fallback } from "./http-routes.ts";

/** A deployment as data: what the node knows of it, which never imports user code. */
export type DeploymentSpec = ClassSpec | ModelSpec;

export interface ClassSpec {
  readonly kind: "class";
  readonly name: string;
  readonly options: ResolvedDeploymentOptions;
  /** Names of the deployments that its constructor is given. */
  readonly uses: readonly string[];
}

export interface ModelSpec {
  readonly kind: "model";
  readonly name: string;
  readonly options: ResolvedDeploymentOptions;
  readonly path: string;
  readonly maxBatchRows: number;
  readonly session: Readonly<Record<string, unknown>>;
}

export interface GraphRoute {
  readonly httpMethod: string;
  readonly path: string;
  readonly method: string;
  readonly fallback: Fallback | undefined;
  /** The method is an async generator: its answer is a stream. */
  readonly isStream: boolean;
  readonly priority: RequestPriority;
}

/** An application as data. */
export interface ApplicationGraph {
  readonly name: string;
  readonly route: string;
  readonly version: string;
  readonly deadlineMs: number;
  readonly ingress: string;
  readonly routes: readonly GraphRoute[];
  readonly deployments: readonly DeploymentSpec[];
  readonly routing: ResolvedRoutingOptions;
}

/**
 * Walks an application from its ingress over the arguments of `bind`, callee before caller.
 *
 * @returns the graph as data, and the bindings by name for the executor that is to build them.
 * @throws TuttiError `DuplicateName` when two different deployments have one name.
 */
export function readGraph(application: Application): {
  graph: ApplicationGraph;
  bindings: Map<string, Binding>;
} {
  const bindings = new Map<string, Binding>();
  const specs: DeploymentSpec[] = [];
  const visit = (binding: Binding): void => {
    const known = bindings.get(binding.name);
    if (known === binding) return;
    if (known !== undefined) {
      throw new TuttiError(
        "DuplicateName",
        `application ${application.name}: two deployments are named ${binding.name}; give one the option name`,
      );
    }
    bindings.set(binding.name, binding);
    specs.push(toSpec(binding, visit));
  };
  visit(application.ingress);
  const streams = streamsOf(application.ingress);
  return {
    graph: {
      name: application.name,
      route: application.route,
      version: application.version,
      deadlineMs: application.deadlineMs,
      ingress: application.ingress.name,
      routes: application.routes.map(({ httpMethod, path, method, fallback, priority }) => ({
        httpMethod,
        path,
        method,
        fallback,
        isStream: streams.has(method),
        priority,
      })),
      deployments: specs,
      routing: application.routing,
    },
    bindings,
  };
}

function toSpec(binding: Binding, visit: (binding: Binding) => void): DeploymentSpec {
  if (binding.kind === "model") {
    const { name, options, path, maxBatchRows, session } = binding;
    return { kind: "model", name, options, path, maxBatchRows, session };
  }
  const uses = new Set<string>();
  mapBindings(binding.args, (used) => {
    uses.add(used.name);
    visit(used);
    return undefined;
  });
  return { kind: "class", name: binding.name, options: binding.options, uses: [...uses] };
}
