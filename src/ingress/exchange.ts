import type { IncomingMessage, ServerResponse } from "node:http";
import { TuttiError } from "../errors/tutti-error.ts";
import type { RequestEnd } from "../policy/limit-window.ts";
import { faultOfAnswer } from "./answer-headers.ts";
import { writeAnswer } from "./answer-writer.ts";
import { type BodyOutcome, bodyTooLarge, declaredBytes, hasBody, readBody } from "./body-reader.ts";
import type { Connection, LiveExchange } from "./connection.ts";
import type { Expiring, WheelEntry } from "./deadline-wheel.ts";
import { edgeRequest } from "./edge-request.ts";
import type { EdgeServices } from "./edge-services.ts";
import { statusOf } from "./error-answer.ts";
import { logAnswer, logCancelled } from "./exchange-log.ts";
import { callsForFallback, fallbackReason } from "./fallback.ts";
import { countStatus } from "./ingress-counters.ts";
import type { CallTarget, EdgeAnswer, EdgeStream, PendingAnswer } from "./ingress-target.ts";
import { parseJsonBody } from "./json-body.ts";
import {
  applicationOutgoing,
  errorOutgoing,
  fallbackOutgoing,
  jsonOutgoing,
  type OutgoingAnswer,
  type RequestMark,
} from "./outgoing-answer.ts";
import { refusalOutgoing } from "./refusal.ts";
import { type CallPlan, labelOf, planRequest } from "./request-plan.ts";
import { NO_ROUTE } from "./route-counters.ts";
import { StreamWriter } from "./stream-writer.ts";

/** Where a request stands; each state owns what must be let go when it is left. */
type Phase =
  | { readonly kind: "deciding" }
  | { readonly kind: "reading"; readonly timer: WheelEntry }
  /** Has its place among the requests under way. */
  | { readonly kind: "admitted" }
  | {
      readonly kind: "calling";
      readonly timer: WheelEntry;
      readonly pending: PendingAnswer;
      readonly body: unknown;
    }
  | {
      readonly kind: "streaming";
      readonly timer: WheelEntry;
      readonly pending: PendingAnswer;
      readonly writer: StreamWriter;
    }
  | { readonly kind: "ended" };

type CallingPhase = Extract<Phase, { kind: "calling" }>;

const DECIDING: Phase = { kind: "deciding" };
const ADMITTED: Phase = { kind: "admitted" };
const ENDED: Phase = { kind: "ended" };
/** HTTP/1.0 has no chunks, after which they would come; Node throws when they are announced there. */
const takesTrailers = ({ httpVersionMajor, httpVersionMinor, headers }: IncomingMessage): boolean =>
  (httpVersionMajor > 1 || httpVersionMinor >= 1) && /\btrailers\b/i.test(String(headers.te));
const isFailure = (error: TuttiError | undefined): boolean => error !== undefined && statusOf(error) >= 500;
const CLIENT_GONE = new TuttiError("Cancelled", "the client went away");

/**
 * One request from its head to its answer. Invariants:
 * - **I1** It ends exactly once: answered, or abandoned because the client is gone.
 * - **I2** A call whose answer nobody will read is cancelled, once.
 * - **I3** Once the request is received, it is answered by its deadline (plus the wheel's granule), whatever the target does. An
 *   answer that is a stream has ended by then.
 * - **I4** Every answer of the edge has `x-request-id`, `x-tutti-degraded` and `server-timing`; every error is JSON.
 */
export class Exchange implements LiveExchange, Expiring, RequestMark {
  readonly #services: EdgeServices;
  readonly #connection: Connection;
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #startedAtMs: number;
  readonly id: string;
  #phase: Phase = DECIDING;
  #plan: CallPlan | undefined;
  #calledAtMs: number | undefined;
  #lean = false;

  constructor(
    services: EdgeServices,
    connection: Connection,
    request: IncomingMessage,
    response: ServerResponse,
  ) {
    this.#services = services;
    this.#startedAtMs = services.clock.now();
    this.#connection = connection;
    this.#request = request;
    this.#response = response;
    this.id = services.ids.idFor(request.headers["x-request-id"]);
  }

  get isReading(): boolean {
    return this.#phase.kind === "reading";
  }

  get target(): CallTarget | undefined {
    return this.#plan?.application.target;
  }

  get receivedBytes(): number | undefined {
    return this.#request.complete ? (declaredBytes(this.#request) ?? 0) : undefined;
  }

  begin(): void {
    const { table, options, counters, target, draining } = this.#services;
    counters.requests++;
    counters.inFlight++;
    this.#connection.opened(this);
    if (!hasBody(this.#request)) this.#connection.received();
    const plan = planRequest(table, this.#request, options.maxUrlBytes);
    switch (plan.kind) {
      case "call":
        this.#plan = plan;
        this.#read(plan);
        break;
      case "health":
        this.#send(jsonOutgoing(this, 200, '{"status":"alive"}'));
        break;
      case "readiness":
        this.#sendReadiness(draining ? { ready: false, reason: "draining" } : target.readiness());
        break;
      case "options":
        this.#send(jsonOutgoing(this, 204, "", ["allow", plan.allow]));
        break;
      case "not-found":
        this.#send(errorOutgoing(this, this.#notServedYet() ?? plan.error));
        break;
      case "refuse":
        this.#send(errorOutgoing(this, plan.error, plan.allow === undefined ? [] : ["allow", plan.allow]));
    }
  }

  /** A node that starts takes connections before it knows what it serves: nobody is to be told that there is nothing. */
  #notServedYet(): TuttiError | undefined {
    const { table, target } = this.#services;
    if (!table.isEmpty) return undefined;
    const { ready, reason } = target.readiness();
    if (ready) return undefined;
    const message = `nothing is served yet: ${reason}`;
    return new TuttiError("Unavailable", message, { started: "no", retryAfterSeconds: 1 });
  }

  /** A wheel entry ran out: the client's time to send its body, or the time to answer. */
  expire(): void {
    const { counters, options } = this.#services;
    const phase = this.#phase;
    if (phase.kind === "reading") {
      counters.requestTimeouts++;
      this.#services.calls.count("edge", "expired");
      const message = `the body was not received within ${options.bodyTimeoutMs} ms`;
      this.refuse(new TuttiError("RequestTimeout", message, { path: "body" }));
    } else if (phase.kind === "calling") {
      counters.deadlineExceeded++;
      const message = `no answer within ${this.#plan?.timeoutMs} ms`;
      this.#fail(new TuttiError("DeadlineExceeded", message), phase.body);
      phase.pending.cancel();
    } else if (phase.kind === "streaming") {
      counters.deadlineExceeded++;
      const message = `the stream did not end within ${this.#plan?.timeoutMs} ms`;
      this.#endStream(phase.writer, new TuttiError("DeadlineExceeded", message));
      phase.pending.cancel();
    }
  }

  elapsedMs(): number {
    return this.#services.clock.now() - this.#startedAtMs;
  }

  /** The rest of its body will not come. */
  broken(error: TuttiError): void {
    this.#services.calls.count("edge", error.code === "RequestTimeout" ? "expired" : "cancelled");
    this.refuse(error);
  }

  refuse(error: TuttiError): void {
    this.#send(errorOutgoing(this, error));
  }

  abandon(): void {
    const phase = this.#phase;
    if (phase.kind === "ended") return;
    this.#end();
    if (phase.kind === "calling" || phase.kind === "streaming") phase.pending.cancel();
    // A call that was made is counted where it ends.
    else if (this.#plan !== undefined) this.#services.calls.count("edge", "cancelled");
    this.#services.counters.cancelled++;
    const elapsedMs = this.elapsedMs();
    this.#countRoute(499, elapsedMs);
    logCancelled(this.#services, this.#request, this.id, elapsedMs);
    this.#record(499, false, CLIENT_GONE, elapsedMs);
  }

  #read(plan: CallPlan): void {
    if (!hasBody(this.#request)) {
      if (this.#admit(plan)) this.#call(undefined);
      return;
    }
    const { options, wheel, admission, clock } = this.#services;
    // Asked twice: a place is taken only when the body is there, or slow senders would take them all; but a body that
    // would be refused is not worth reading.
    if (!admission.hasRoom(plan.priority, clock.now())) {
      this.#admit(plan);
      return;
    }
    if ((declaredBytes(this.#request) ?? 0) > options.maxBodyBytes) {
      this.refuse(bodyTooLarge(options.maxBodyBytes));
      return;
    }
    this.#phase = { kind: "reading", timer: wheel.add(this.#startedAtMs + options.bodyTimeoutMs, this) };
    readBody(this.#request, options.maxBodyBytes, (outcome) => this.#onBody(outcome));
  }

  #onBody(outcome: BodyOutcome): void {
    if (this.#phase.kind !== "reading") return;
    if (outcome.kind === "too-large") {
      this.refuse(bodyTooLarge(this.#services.options.maxBodyBytes));
      return;
    }
    this.#services.wheel.remove(this.#phase.timer);
    this.#phase = DECIDING;
    this.#connection.received();
    if (this.#plan === undefined || !this.#admit(this.#plan)) return;
    if (outcome.bytes.length === 0) this.#call(undefined);
    else if (this.#plan.route === undefined) this.#call(outcome.bytes);
    else if (!this.#plan.route.spec.takesBody) this.#call(undefined);
    else this.#callWithJson(outcome.bytes);
  }

  /** D5. False if the request was refused, and told so. */
  #admit({ priority }: CallPlan): boolean {
    const { admission, clock } = this.#services;
    const verdict = admission.admit(priority, clock.now());
    if (verdict === "refuse" || verdict === "refuse-held") {
      this.#services.calls.count("edge", "refused");
      this.#send(refusalOutgoing(this.id, admission.retryAfterSeconds()));
      this.#connection.wasRefused();
      return false;
    }
    this.#lean = verdict === "lean";
    this.#phase = ADMITTED;
    return true;
  }

  #callWithJson(bytes: Uint8Array): void {
    const parsed = parseJsonBody(bytes, this.#services.options.maxJsonDepth);
    if (parsed instanceof TuttiError) this.refuse(parsed);
    else this.#call(parsed.value);
  }

  #call(body: unknown): void {
    const plan = this.#plan;
    if (plan === undefined) return;
    const { wheel, clock } = this.#services;
    this.#calledAtMs = clock.now();
    const deadlineAtMs = this.#calledAtMs + plan.timeoutMs;
    let pending: PendingAnswer;
    try {
      pending = plan.application.target.call(
        edgeRequest(this.#request, this.id, plan, body, this.#lean, deadlineAtMs),
      );
    } catch (thrown) {
      this.#fail(TuttiError.from(thrown, "Internal"), body);
      return;
    }
    this.#phase = { kind: "calling", timer: wheel.add(deadlineAtMs, this), pending, body };
    pending.answer.then(
      (answer) => {
        if (this.#phase.kind === "calling") this.#answer(answer, body);
      },
      (thrown: unknown) => {
        if (this.#phase.kind === "calling") this.#fail(TuttiError.from(thrown, "Internal"), body);
      },
    );
  }

  #sendReadiness({ ready, reason }: { readonly ready: boolean; readonly reason: string }): void {
    const body = JSON.stringify({ ready, reason });
    this.#send(jsonOutgoing(this, ready ? 200 : 503, body, ready ? [] : ["retry-after", "1"]));
  }

  #answer(answer: EdgeAnswer, body: unknown): void {
    const fault = faultOfAnswer(answer);
    const { body: content } = answer;
    const isWhole = typeof content === "string" || content instanceof Uint8Array;
    if (fault === undefined) {
      if (isWhole) this.#send(applicationOutgoing(this, answer, content));
      else this.#stream(answer, content);
      return;
    }
    const phase = this.#phase;
    this.#fail(fault, body);
    if (!isWhole && phase.kind === "calling") phase.pending.cancel();
  }

  #stream(answer: EdgeAnswer, stream: EdgeStream): void {
    if (this.#phase.kind !== "calling") return;
    const { timer, pending } = this.#phase;
    const { status, headers, degraded } = applicationOutgoing(this, answer, "");
    if (this.#closesConnection()) headers.push("connection", "close");
    const { counters, clock, wheel, options } = this.#services;
    if (degraded) counters.degraded++;
    const writer: StreamWriter = new StreamWriter({
      response: this.#response,
      stream,
      clock,
      wheel,
      heartbeatMs: options.streamHeartbeatMs,
      takesTrailers: takesTrailers(this.#request),
      onEnd: (end) => {
        if (this.#phase.kind !== "streaming") return;
        if (end.degraded && !degraded) counters.degraded++;
        this.#endStream(writer, end.error, status, end.degraded);
      },
    });
    // A stream gives its place back when its head is out: it waits for its reader from now on, and as many readers as the
    // limit is would else close the door for everybody.
    this.#leave(this.#phase, undefined);
    // The deadline goes on to count: it bounds the answer's end, not its beginning.
    this.#phase = { kind: "streaming", timer, pending, writer };
    writer.begin(status, headers);
  }

  #endStream(writer: StreamWriter, error: TuttiError | undefined, status = 200, degraded = false): void {
    this.#end();
    const finished = () => this.#connection.finished(this);
    if (error === undefined) writer.end(degraded, finished);
    else writer.fail(error, this.id, finished);
    const counted = error === undefined ? status : statusOf(error);
    const elapsedMs = this.elapsedMs();
    countStatus(this.#services.counters, counted);
    this.#countRoute(counted, elapsedMs);
    this.#plan?.application.stats?.ended(elapsedMs, counted >= 500);
    logAnswer(this.#services, this.#request, this.id, counted, elapsedMs, error);
  }

  /** The call failed: the route's fallback where it has one for this case, else the error. */
  #fail(error: TuttiError, body: unknown): void {
    const plan = this.#plan;
    const fallback = callsForFallback(error, statusOf(error)) ? plan?.route?.fallback : undefined;
    const reason = fallbackReason(error.code);
    const values = {
      requestId: this.id,
      latencyMs: this.elapsedMs(),
      reason,
      params: plan?.params ?? {},
      body,
    };
    const text = fallback?.render(values);
    if (fallback === undefined || text === undefined) {
      this.refuse(error);
    } else {
      this.#services.counters.fallbacks++;
      this.#send(fallbackOutgoing(this, fallback.status, text, error));
    }
  }

  #send(outgoing: OutgoingAnswer): void {
    const closes = this.#closesConnection();
    this.#end(outgoing.error);
    const request = this.#request;
    // The connection is idle only when the rest of an unwanted body has been dropped.
    if (!closes && !request.complete) request.once("end", () => this.#connection.received());
    writeAnswer(request, this.#response, outgoing, closes, () => this.#connection.finished(this));
    const elapsedMs = this.elapsedMs();
    countStatus(this.#services.counters, outgoing.status);
    this.#countRoute(outgoing.status, elapsedMs);
    if (this.#calledAtMs !== undefined)
      this.#plan?.application.stats?.ended(elapsedMs, outgoing.status >= 500 || isFailure(outgoing.error));
    if (outgoing.degraded) this.#services.counters.degraded++;
    this.#record(outgoing.status, outgoing.degraded, outgoing.error, elapsedMs);
    logAnswer(this.#services, request, this.id, outgoing.status, elapsedMs, outgoing.error);
  }

  #countRoute(status: number, elapsedMs: number): void {
    const route = this.#plan === undefined ? NO_ROUTE : labelOf(this.#plan);
    const wasLetIn = this.#calledAtMs !== undefined;
    this.#services.routeCounters.count(route, status, wasLetIn ? elapsedMs : undefined);
  }

  /** Only what was meant for an application: other answers are the edge's own business. */
  #record(status: number, degraded: boolean, error: TuttiError | undefined, elapsedMs: number): void {
    const plan = this.#plan;
    if (plan === undefined) return;
    const endedAtMs = this.#startedAtMs + elapsedMs;
    this.#services.recorder.note({
      requestId: this.id,
      application: plan.application.name,
      route: labelOf(plan),
      startedAtMs: this.#startedAtMs,
      endedAtMs,
      calledAtMs: this.#calledAtMs ?? endedAtMs,
      status,
      degraded,
      error,
    });
  }

  #closesConnection(): boolean {
    // A body given up half-way cannot be told from the next request.
    if (this.#phase.kind === "reading") return true;
    const { draining, options } = this.#services;
    if (draining && this.#connection.newest === this) return true;
    // A refused request's body is dropped to keep the connection, if it is known to be small.
    const request = this.#request;
    return (
      !request.complete && hasBody(request) && (declaredBytes(request) ?? Infinity) > options.maxBodyBytes
    );
  }

  /**
   * Leaves the current phase and lets go of what it owned, except the pending call.
   *
   * @param error why it has no answer of the application's, if it has none.
   */
  #end(error?: TuttiError): void {
    const phase = this.#phase;
    const { wheel, counters, admission, clock } = this.#services;
    if (phase.kind === "admitted") admission.left(this.#plan?.priority ?? "high", undefined, clock.now());
    else if (phase.kind !== "deciding" && phase.kind !== "ended") wheel.remove(phase.timer);
    if (phase.kind === "calling") this.#leave(phase, error);
    if (phase.kind === "streaming") phase.writer.leave();
    this.#phase = ENDED;
    counters.inFlight--;
  }

  #leave({ pending, timer }: CallingPhase, error: TuttiError | undefined): void {
    const { admission, clock } = this.#services;
    const nowMs = clock.now();
    const timeoutMs = this.#plan?.timeoutMs ?? 0;
    const latencyMs = nowMs - (timer.atMs - timeoutMs);
    const { waitedMs: waitMs } = pending;
    let ended: RequestEnd;
    if (error?.code === "DeadlineExceeded") ended = "expired";
    // What failed without having waited may never have got to where one waits.
    else if (waitMs !== undefined && (error === undefined || waitMs > 0))
      ended = { waitMs, latencyMs, timeoutMs };
    admission.left(this.#plan?.priority ?? "high", ended, nowMs);
  }
}
