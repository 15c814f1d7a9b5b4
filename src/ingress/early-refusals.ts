import type { Connection } from "./connection.ts";
import type { EdgeServices } from "./edge-services.ts";
import { logAnswer } from "./exchange-log.ts";
import { countStatus } from "./ingress-counters.ts";
import type { OutgoingAnswer } from "./outgoing-answer.ts";
import { type PlainRequest, readPlainRequest } from "./plain-request.ts";
import { refusalOutgoing, refusalText } from "./refusal.ts";
import { type CallPlan, labelOf, planRequest } from "./request-plan.ts";

/**
 * Refuses what comes on a connection before Node's HTTP server sees it, from the first request on it that was refused. Of
 * a refusal, half is the parser, the request's and the answer's objects, and their events; under overload there are more
 * refusals than answers, on the cores that the answers need.
 *
 * What arrives is refused here only if it is one plain request (`readPlainRequest`) that begins where the one before ended, nothing
 * on the connection is unanswered, and the policy has no room for it. All else goes to Node's own listener as it came.
 *
 * - **N1** Bytes that the parser awaits are never taken from it: where a request begins is known only after a plain request
 *   has gone through it alone, or was refused here.
 *
 * Why that is known then: the parser has begun one request with these bytes and has had all of it, with a body as long as
 * theirs. If it began with their first byte it ended with their last. If it began later in the head, the head and the
 * body that follow are the same, and so is the end. In the body it cannot have begun: it would need more bytes than are left.
 */
export class EarlyRefusals {
  readonly #services: EdgeServices;
  readonly #connection: Connection;
  readonly #keepAliveMs: number;
  #toParser: (chunk: Buffer) => void = () => {};
  #isAtStart = false;

  private constructor(services: EdgeServices, connection: Connection, keepAliveMs: number) {
    this.#services = services;
    this.#connection = connection;
    this.#keepAliveMs = keepAliveMs;
  }

  /** @param keepAliveMs what the answers say of how long the connection is kept. */
  static onceRefused(services: EdgeServices, connection: Connection, keepAliveMs: number): void {
    connection.onRefused(() => {
      // The parser is at work on what it was refused for.
      services.clock.onNextTurn(() => new EarlyRefusals(services, connection, keepAliveMs).#begin());
    });
  }

  #begin(): void {
    const { socket } = this.#connection;
    const listeners = socket.listeners("data") as ((chunk: Buffer) => void)[];
    const [ofParser] = listeners;
    // Whatever else it may be: not an HTTP connection as we know them.
    if (ofParser === undefined || listeners.length > 1 || socket.destroyed) return;
    this.#toParser = (chunk) => ofParser.call(socket, chunk);
    socket.removeListener("data", ofParser);
    // With a listener besides its own, Node's server has the bytes come this way, and not straight to its parser.
    socket.on("data", (chunk: Buffer) => this.#take(chunk));
  }

  #take(chunk: Buffer): void {
    const connection = this.#connection;
    const request = readPlainRequest(chunk);
    if (request !== undefined && this.#isAtStart && this.#refuse(request)) return;
    const before = connection.newest;
    this.#toParser(chunk);
    const { newest } = connection;
    this.#isAtStart =
      request !== undefined && newest !== before && newest?.receivedBytes === request.bodyBytes;
  }

  #refuse(request: PlainRequest): boolean {
    const { draining, admission, table, options, clock } = this.#services;
    const { socket, hasLive } = this.#connection;
    if (draining || hasLive || socket.writableLength > 0) return false;
    const nowMs = clock.now();
    const plan = planRequest(table, request, options.maxUrlBytes);
    if (plan.kind !== "call" || admission.hasRoom(plan.priority, nowMs)) return false;
    admission.admit(plan.priority, nowMs);
    const id = this.#services.ids.idFor(request.headers["x-request-id"]);
    const outgoing = refusalOutgoing(id, admission.retryAfterSeconds());
    socket.write(refusalText(outgoing, this.#keepAliveMs, Date.now()), "latin1");
    this.#connection.received();
    this.#count(request, plan, id, outgoing, nowMs);
    return true;
  }

  #count(
    request: PlainRequest,
    plan: CallPlan,
    requestId: string,
    { status, error }: OutgoingAnswer,
    nowMs: number,
  ): void {
    const { counters, calls, routeCounters, recorder } = this.#services;
    counters.requests++;
    calls.count("edge", "refused");
    countStatus(counters, status);
    routeCounters.count(labelOf(plan), status, undefined);
    recorder.note({
      requestId,
      application: plan.application.name,
      route: labelOf(plan),
      startedAtMs: nowMs,
      endedAtMs: nowMs,
      calledAtMs: nowMs,
      status,
      degraded: false,
      error,
    });
    logAnswer(this.#services, request, requestId, status, 0, error);
  }
}
