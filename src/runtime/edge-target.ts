import type { ApplicationGraph, DeploymentSpec } from "../api/graph.ts";
import { HTTP_PREFIX, type HttpCall, type HttpReply } from "../api/http-call.ts";
import type {
  ApplicationSpec,
  CallTarget,
  EdgeAnswer,
  EdgeRequest,
  PendingAnswer,
} from "../ingress/ingress-target.ts";
import type { RequestPriority } from "../policy/admit.ts";
import type { Router } from "../router/router.ts";
import { toAnswer } from "./edge-answer.ts";
import { StreamedCall } from "./streamed-call.ts";
import { waitedMsOf } from "./waited.ts";

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** What the edge's priorities are to queues inside, where 0 is served first. */
const PRIORITIES: Readonly<Record<RequestPriority, number>> = { high: 1, low: 2 };

/** Joins the edge to a version of an application: an HTTP request becomes one call of the ingress deployment. */
export class EdgeTarget implements CallTarget {
  readonly #router: Router;
  readonly #graph: ApplicationGraph;
  readonly #methods: readonly string[];

  constructor(router: Router, graph: ApplicationGraph) {
    this.#router = router;
    this.#graph = graph;
    this.#methods = graph.routes.map(({ method }) => HTTP_PREFIX + method);
  }

  call(request: EdgeRequest): PendingAnswer {
    const { routeIndex, method, url, params, query, headers, body, requestId, deadlineAtMs } = request;
    const call: HttpCall = { route: routeIndex, method, url, params, query, headers, body };
    const fields = {
      deployment: this.#graph.ingress,
      method: this.#methods[routeIndex] ?? `${HTTP_PREFIX}fetch`,
      args: [call],
      requestId,
      deadlineAtMs,
      priority: PRIORITIES[request.priority],
      lean: request.lean,
    };
    // What `fetch` answers by is known only when it has.
    if (this.#graph.routes[routeIndex]?.isStream !== false) return new StreamedCall(this.#router, fields);
    const { promise, resolve, reject } = Promise.withResolvers<EdgeAnswer>();
    const answer: Mutable<PendingAnswer> = {
      answer: promise,
      cancel: () => pending.cancel(),
      waitedMs: undefined,
    };
    const { clock } = this.#router;
    const startedAtMs = clock.now();
    const pending = this.#router.dispatch({
      ...fields,
      hedge: false,
      onEnd: (outcome, stats, place) => {
        const sentAtMs = Math.max(startedAtMs, place?.sentAtMs ?? 0);
        answer.waitedMs = waitedMsOf(stats, outcome.ok ? clock.now() - sentAtMs : undefined);
        if (outcome.ok) resolve(toAnswer(outcome.value as HttpReply, stats.runUs / 1000));
        else reject(outcome.error);
      },
    });
    return answer;
  }
}

/** What the edge needs to know of an application. */
export function toApplicationSpec(graph: ApplicationGraph): ApplicationSpec {
  const ingress = graph.deployments.find(({ name }) => name === graph.ingress);
  const idempotent = ingress?.options.idempotent ?? false;
  return {
    name: graph.name,
    version: graph.version,
    route: graph.route,
    deadlineMs: graph.deadlineMs,
    maxInFlight: capacityOf(ingress),
    kind: graph.routes.length === 0 ? "fetch" : "routes",
    routes: graph.routes.map(({ httpMethod, path, method, fallback, priority }) => ({
      method: httpMethod,
      path,
      handler: method,
      takesBody: httpMethod !== "GET",
      idempotent: typeof idempotent === "boolean" ? idempotent : idempotent.includes(method),
      priority,
      ...(fallback === undefined ? {} : { fallback }),
    })),
  };
}

/** Calls that were given up at the edge, and count no more there, are still worked on for a while. */
const SHARE_FOR_THE_EDGE = 0.8;

/**
 * How many requests can be under way before the replicas of the ingress refuse one. Bounds inside are safety stops: what
 * the edge lets in must not reach them. Other deployments are not looked at: who gives one a smaller bound than the ingress
 * wants calls to be refused there.
 */
function capacityOf(ingress: DeploymentSpec | undefined): number {
  if (ingress === undefined) return 1;
  const { maxOngoingRequests, replicas } = ingress.options;
  return Math.max(1, Math.floor(SHARE_FOR_THE_EDGE * maxOngoingRequests * replicas.initial));
}
