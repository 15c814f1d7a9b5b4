import { randomBytes } from "node:crypto";
import { Server as NetServer } from "node:net";
import type { Duplex } from "node:stream";
import { setTimeout as delay, setImmediate as nextTurn } from "node:timers/promises";
import { type Clock, systemClock } from "../clock/clock.ts";
import { TuttiError } from "../errors/tutti-error.ts";
import { CallCounters } from "../observe/call-counters.ts";
import type { RouteCounts } from "../observe/node-metrics.ts";
import { RequestRecorder } from "../observe/request-recorder.ts";
import { Admission } from "./admission.ts";
import { Connections } from "./connections.ts";
import { DeadlineWheel } from "./deadline-wheel.ts";
import type { EdgeServices, IngressLog } from "./edge-services.ts";
import { createHttpHost, type HttpHost } from "./http-host.ts";
import { createCounters, type IngressCounts } from "./ingress-counters.ts";
import type { ResolvedIngressOptions } from "./ingress-options.ts";
import type { ApplicationSpec, CallTarget, IngressTarget } from "./ingress-target.ts";
import { RequestIds } from "./request-id.ts";
import { RouteCounters } from "./route-counters.ts";
import { RouteTable } from "./route-table.ts";

export interface IngressParts {
  readonly options: ResolvedIngressOptions;
  readonly target: IngressTarget;
  readonly log: IngressLog;
  /** Keeps what is worth explaining of the requests. Default a new one. */
  readonly recorder?: RequestRecorder;
  /** Default the system's. */
  readonly clock?: Clock;
  /** Of the whole process. Default new ones. */
  readonly calls?: CallCounters;
  /** In [0, 1); spreads refused clients. Default `Math.random`. */
  readonly random?: () => number;
}

export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

export interface DrainReport {
  /** Requests still unanswered, and connections still open, when `drain` returned: 0 unless the deadline passed. */
  readonly requestsLeft: number;
  readonly connectionsLeft: number;
}

type State =
  | { readonly kind: "new" }
  | { readonly kind: "listening"; readonly host: HttpHost; readonly address: Promise<ListenAddress> }
  | { readonly kind: "draining"; readonly host: HttpHost; readonly done: Promise<DrainReport> }
  | { readonly kind: "closed"; readonly done: Promise<void> };

const NOTHING_LEFT: DrainReport = { requestsLeft: 0, connectionsLeft: 0 };
const DRAIN_POLL_MS = 10;

/**
 * The HTTP edge of a node: `start → drain → close`, each idempotent. Invariants:
 * - **L1** A change of applications is atomic: a request sees the old table or the new one.
 * - **L2** A request received before `drain`, or on an open connection during its grace, is answered, unless the deadline of
 *   the drain passes first.
 * - **L3** After `close` no socket and no timer is left.
 */
export class Ingress {
  readonly #services: EdgeServices;
  readonly #connections: Connections;
  readonly #random: () => number;
  #state: State = { kind: "new" };

  /** Listens only after `start`; serves no application until `setApplications`. */
  constructor({ options, target, log, recorder, calls, clock = systemClock, random }: IngressParts) {
    const counters = createCounters();
    const ids = new RequestIds(randomBytes(5).toString("hex"));
    const admission = new Admission(options.admission, counters, clock.now(), random);
    this.#services = {
      table: RouteTable.compile([], target),
      draining: false,
      target,
      options,
      counters,
      routeCounters: new RouteCounters(),
      calls: calls ?? new CallCounters(),
      admission,
      wheel: new DeadlineWheel(undefined, clock, (lateMs) => admission.noteLoopLag(lateMs)),
      clock,
      ids,
      log,
      recorder: recorder ?? new RequestRecorder(),
    };
    this.#connections = new Connections(options.maxConnections, counters, ids);
    this.#random = random ?? Math.random;
  }

  /** @throws TuttiError `InvalidOptions` or `DuplicateName`; the applications served then stay as they were. */
  setApplications(specs: readonly ApplicationSpec[]): void {
    this.#services.table = RouteTable.compile(specs, this.#services.target, this.#random);
    const capacity = specs.reduce(
      (sum, { maxInFlight, serving }) => sum + maxInFlight * (serving?.weight ?? 1),
      0,
    );
    this.#services.admission.setCapacity(Math.floor(capacity));
  }

  /** Requests that are this target's and have not ended, those too whose body is still on its way. */
  openRequestsOf(target: CallTarget): number {
    return this.#connections.openRequests((exchange) => exchange.target === target);
  }

  counts(): IngressCounts {
    const { counters, admission } = this.#services;
    const { inFlight: admittedInFlight, limit: inFlightLimit, queueMs } = admission;
    return { ...counters, admittedInFlight, inFlightLimit, queueMs };
  }

  routeCounts(): RouteCounts[] {
    return this.#services.routeCounters.counts();
  }

  /** @throws TuttiError `PortInUse` or `StartFailed` */
  start(): Promise<ListenAddress> {
    const state = this.#state;
    if (state.kind === "listening") return state.address;
    if (state.kind !== "new") {
      return Promise.reject(
        new TuttiError("StartFailed", `the ingress is ${state.kind} and cannot start again`),
      );
    }
    const host = createHttpHost(this.#services, this.#connections);
    const address = this.#listen(host);
    this.#state = { kind: "listening", host, address };
    return address;
  }

  /**
   * Serves the connections that are handed to it, and listens nowhere: a start for clients in this very process.
   *
   * @returns takes a connection.
   */
  async startInMemory(): Promise<(connection: Duplex) => void> {
    if (this.#state.kind !== "new") {
      throw new TuttiError("StartFailed", `the ingress is ${this.#state.kind} and cannot start again`);
    }
    const host = createHttpHost(this.#services, this.#connections);
    const address = Promise.resolve({ host: "in memory", port: 0 });
    this.#state = { kind: "listening", host, address };
    await host.fastify.ready();
    return (connection) => host.server.emit("connection", connection);
  }

  /** Takes no new connections, answers what was received, then closes idle connections. */
  drain({ deadlineMs }: { readonly deadlineMs: number }): Promise<DrainReport> {
    const state = this.#state;
    if (state.kind === "draining") return state.done;
    if (state.kind !== "listening") return Promise.resolve(NOTHING_LEFT);
    const done = this.#drain(state.host, performance.now() + deadlineMs);
    this.#state = { kind: "draining", host: state.host, done };
    return done;
  }

  /** Ends every connection; what is still unanswered is cancelled. Call `drain` first to lose nothing. */
  close(): Promise<void> {
    const state = this.#state;
    if (state.kind === "closed") return state.done;
    const done = state.kind === "new" ? Promise.resolve() : this.#close(state.host);
    this.#state = { kind: "closed", done };
    return done;
  }

  async #listen({ fastify, server }: HttpHost): Promise<ListenAddress> {
    const { host, port } = this.#services.options;
    try {
      await fastify.listen({ host, port });
    } catch (thrown) {
      throw listenError(thrown, host, port);
    }
    const address = server.address();
    return { host, port: typeof address === "object" && address !== null ? address.port : port };
  }

  async #drain({ server }: HttpHost, deadlineAtMs: number): Promise<DrainReport> {
    const { options, counters } = this.#services;
    this.#services.draining = true;
    // One turn of the event loop accepts what waits in the kernel's backlog; it would be reset otherwise.
    await nextTurn();
    await nextTurn();
    // `http.Server.close` also closes idle connections at once, and with them requests on their way to us.
    NetServer.prototype.close.call(server);
    const graceEndsAtMs = performance.now() + options.drainGraceMs;
    while (this.#connections.size > 0 && performance.now() < deadlineAtMs) {
      await delay(Math.min(DRAIN_POLL_MS, Math.max(0, deadlineAtMs - performance.now())));
      // After a turn of the loop all that had arrived is read: an idle connection has nothing in the kernel.
      await nextTurn();
      if (performance.now() >= graceEndsAtMs) this.#connections.closeIdle();
    }
    return { requestsLeft: counters.inFlight, connectionsLeft: this.#connections.size };
  }

  async #close({ fastify }: HttpHost): Promise<void> {
    this.#services.draining = true;
    const closed = fastify.close();
    this.#connections.closeAll();
    await closed;
    this.#services.wheel.close();
  }
}

function listenError(thrown: unknown, host: string, port: number): TuttiError {
  const code = thrown instanceof Error && "code" in thrown ? thrown.code : undefined;
  if (code === "EADDRINUSE") {
    const message = `port ${port} on ${host} (${host}:${port}) is in use by another program: stop that one, or set http.port (--port) to another port`;
    return new TuttiError("PortInUse", message, { path: "http.port", cause: thrown });
  }
  const reason = thrown instanceof Error ? thrown.message : String(thrown);
  return new TuttiError("StartFailed", `cannot listen on ${host}:${port}: ${reason}`, {
    path: "http.host",
    cause: thrown,
  });
}
