import type { ApplicationGraph } from "../api/graph.ts";
import { HTTP_PREFIX, type HttpCall, type HttpReply } from "../api/http-call.ts";
import type {
  ApplicationSpec,
  EdgeAnswer,
  EdgeRequest,
  IngressTarget,
  PendingAnswer,
} from "../ingress/ingress-target.ts";
import type { Router } from "../router/router.ts";
import { toAnswer } from "./edge-answer.ts";
import { StreamedCall } from "./streamed-call.ts";

/** Requests from the edge are served before what runs in the background. */
const EDGE_PRIORITY = 1;

/** Joins the edge to the application: an HTTP request becomes one call of the ingress deployment. */
export class EdgeTarget implements IngressTarget {
  readonly #router: Router;
  readonly #graph: ApplicationGraph;
  readonly #readiness: () => { readonly ready: boolean; readonly reason: string };
  readonly #methods: readonly string[];

  constructor(
    router: Router,
    graph: ApplicationGraph,
    readiness: () => { readonly ready: boolean; readonly reason: string },
  ) {
    this.#router = router;
    this.#graph = graph;
    this.#readiness = readiness;
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
      priority: EDGE_PRIORITY,
      lean: false,
    };
    // What `fetch` answers by is known only when it has.
    if (this.#graph.routes[routeIndex]?.isStream !== false) return new StreamedCall(this.#router, fields);
    const { promise, resolve, reject } = Promise.withResolvers<EdgeAnswer>();
    const pending = this.#router.dispatch({
      ...fields,
      hedge: false,
      onEnd: (outcome, stats) => {
        if (outcome.ok) resolve(toAnswer(outcome.value as HttpReply, stats.runUs / 1000));
        else reject(outcome.error);
      },
    });
    return { answer: promise, cancel: () => pending.cancel() };
  }

  readiness(): { readonly ready: boolean; readonly reason: string } {
    return this.#readiness();
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
    kind: graph.routes.length === 0 ? "fetch" : "routes",
    routes: graph.routes.map(({ httpMethod, path, method, fallback }) => ({
      method: httpMethod,
      path,
      handler: method,
      takesBody: httpMethod !== "GET",
      idempotent: typeof idempotent === "boolean" ? idempotent : idempotent.includes(method),
      ...(fallback === undefined ? {} : { fallback }),
    })),
  };
}
