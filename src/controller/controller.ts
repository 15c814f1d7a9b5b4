import type { ApplicationGraph } from "../api/graph.ts";
import { type CancelTimer, type Clock, systemClock } from "../clock/clock.ts";
import type { StateStore } from "../config/state-store.ts";
import { TuttiError } from "../errors/tutti-error.ts";
import { applicationStatus } from "../policy/application-status.ts";
import {
  type ApplicationDefinition,
  type DesiredApplication,
  type DesiredState,
  EMPTY_STATE,
} from "../policy/desired-state.ts";
import { type Action, type ReconcileLimits, reconcile, type WantedApplication } from "../policy/reconcile.ts";
import { type ApplicationView, viewApplication } from "./application-view.ts";
import { CarryOut } from "./carry-out.ts";
import { ControllerTroubles } from "./controller-troubles.ts";
import { optionsKey, versionKey } from "./definition-keys.ts";
import { definitionToRun, sourceOf } from "./definition-to-run.ts";
import { type GivenUp, noteRollback } from "./note-rollback.ts";
import { OneAtATime } from "./one-at-a-time.ts";
import type { RunningApplication } from "./running-application.ts";
import type { ServedRecord } from "./served-record.ts";
import type { ControllerEvent, HostedRunner, VersionPort } from "./version-port.ts";
import type { VersionSource } from "./version-runner.ts";

export interface ControllerOptions<V extends HostedRunner> {
  readonly store: StateStore;
  readonly port: VersionPort<V>;
  /** What is served, for the node's next run. Default nowhere. */
  readonly served?: ServedRecord;
  readonly limits: ReconcileLimits;
  /** How a version is made from its definition. Default as the definition says. */
  readonly toSource?: (definition: ApplicationDefinition) => VersionSource;
  readonly onEvent: (event: ControllerEvent) => void;
  /** Default the system's. */
  readonly clock?: Clock;
  /** In [0, 1). Default `Math.random`. */
  readonly random?: () => number;
}

/** Looked at anew so often, whatever is told: what was told may have been lost. */
const SLOW_TICK_MS = 5000;
/** The same while something is on its way. */
const QUICK_TICK_MS = 50;
/** What carrying out may lead to at once; RC1 is far below. */
const MAX_ROUNDS = 32;

/**
 * Makes what is match what is wanted: reads the desired state, looks at what there is, has `reconcile` say what is to be done, and
 * does it. It keeps nothing that it could not find out again, but for what was given up and how far a rollout is.
 */
export class Controller<V extends HostedRunner> {
  readonly #options: ControllerOptions<V>;
  readonly #clock: Clock;
  readonly #work: CarryOut<V>;
  readonly #applications = new Map<string, RunningApplication<V>>();
  readonly #turns = new OneAtATime();
  readonly #started = Promise.withResolvers<void>();
  readonly #told = new Map<string, string>();
  readonly #troubles: ControllerTroubles;
  /** Of applications: what is to be noted in the desired state, as soon as that can be written. */
  readonly #unnoted = new Map<string, GivenUp>();
  #desired: DesiredState = EMPTY_STATE;
  #hasRead = false;
  #isPassDue = false;
  #cancelTick: CancelTimer | undefined;
  #stopWatching: (() => void) | undefined;
  #isStopped = false;

  constructor(options: ControllerOptions<V>) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#troubles = new ControllerTroubles(options.onEvent);
    this.#work = new CarryOut({
      toSource: sourceOf,
      random: Math.random,
      ...options,
      clock: this.#clock,
      applications: this.#applications,
      wantedOf: (name) => {
        const desired = this.#desiredOf(name);
        return desired === undefined ? undefined : definitionToRun(desired);
      },
      onDone: () => this.trigger(),
      onStartFailed: (error) => this.#started.reject(error),
      onGivenUp: (givenUp) => void this.#unnoted.set(givenUp.name, givenUp),
    });
    this.#started.promise.catch(() => {});
  }

  /** Begins to work. @throws TuttiError when the desired state cannot be read. */
  async start(): Promise<void> {
    const { store, served } = this.#options;
    this.#desired = await store.read();
    this.#hasRead = true;
    for (const definition of (await served?.read()) ?? [])
      this.#work.applicationOf(definition.name).lastServed = definition;
    this.#stopWatching = store.watch(() => this.trigger());
    await this.#turns.run(() => this.#pass());
  }

  /** Resolves when every application that is wanted is served; rejects with the first failure to start one. */
  get started(): Promise<void> {
    return this.#started.promise;
  }

  /** Has it look again, soon. */
  trigger(): void {
    if (this.#isPassDue || this.#isStopped) return;
    this.#isPassDue = true;
    void this.#turns.run(() => this.#pass());
  }

  /** Does nothing any more; what is served goes on (D8). Resolves when what it was doing has ended. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#cancelTick?.();
    this.#stopWatching?.();
    await this.#turns.run(async () => {});
  }

  /** Ready when every application that is wanted is served by a version that is healthy. */
  readiness(): { readonly ready: boolean; readonly reason: string } {
    if (this.#isStopped) return { ready: false, reason: "shutting down" };
    if (!this.#hasRead) return { ready: false, reason: "starting" };
    for (const { name } of this.#desired.applications) {
      const serving = this.#applications.get(name)?.versions.filter(({ weight }) => weight > 0) ?? [];
      if (serving.length === 0) return { ready: false, reason: this.#statusOf(name).reason || "starting" };
      for (const { hosted } of serving) {
        const readiness = hosted?.runner.readiness();
        if (readiness !== undefined && !readiness.ready) return readiness;
      }
    }
    return { ready: true, reason: "" };
  }

  /** Of the desired state that it acts upon. */
  get revision(): number {
    return this.#desired.revision;
  }

  /** What keeps it from its work now, for people. */
  get troubles(): string[] {
    return this.#troubles.reasons;
  }

  applications(): ApplicationView[] {
    const names = new Set([
      ...this.#desired.applications.map(({ name }) => name),
      ...this.#applications.keys(),
    ]);
    return [...names].map((name) => {
      const desired = this.#desiredOf(name);
      const application = this.#applications.get(name);
      const openRequests = (version: V) => this.#options.port.openRequests(version);
      return viewApplication({ name, desired, application, ...this.#statusOf(name), openRequests });
    });
  }

  /** By the name that people see, which of one application alone is its module's. */
  desiredName(seen: string): string {
    for (const [name, application] of this.#applications) if (application.seenName === seen) return name;
    return seen;
  }

  /** Of the version of an application that has the traffic, or most of it. */
  graphOf(seen: string): ApplicationGraph | undefined {
    const versions = this.#applications.get(this.desiredName(seen))?.versions ?? [];
    const [main] = [...versions].sort((a, b) => b.weight - a.weight);
    return main?.weight === 0 ? undefined : main?.hosted?.runner.graph;
  }

  /** What runs it, of each application that is served. */
  serving(): V[] {
    return [...this.#applications.values()].flatMap(({ versions }) =>
      versions.flatMap(({ weight, hosted }) => (weight > 0 && hosted !== undefined ? [hosted] : [])),
    );
  }

  async #pass(): Promise<void> {
    this.#isPassDue = false;
    if (this.#isStopped) return;
    try {
      await this.#readDesired();
      for (let round = 0; round < MAX_ROUNDS && !this.#isStopped; round++) {
        const actions = this.#decide();
        if (actions.length === 0) break;
        for (const action of actions) this.#work.carryOut(action);
      }
      await this.#rememberServed();
      await this.#noteRollbacks();
      this.#troubles.over("pass");
    } catch (thrown) {
      // A defect: what is served goes on, and the next tick tries again.
      this.#troubles.began("pass", thrown, "Internal");
    }
    this.#tell();
    this.#settleStart();
    this.#cancelTick?.();
    if (this.#isStopped) return;
    const tickMs = this.#isMoving() ? QUICK_TICK_MS : SLOW_TICK_MS;
    this.#cancelTick = this.#clock.afterInBackground(tickMs, () => this.trigger());
  }

  async #readDesired(): Promise<void> {
    try {
      this.#desired = await this.#options.store.read();
      this.#troubles.over("read");
    } catch (thrown) {
      // The last that was read goes on to hold.
      this.#troubles.began("read", thrown, "StoreFailed");
    }
    for (const [name, { rejected, lastServed }] of this.#applications) {
      const desired = this.#desiredOf(name);
      const wanted = desired === undefined ? undefined : versionKey(definitionToRun(desired));
      const last = lastServed === undefined ? undefined : versionKey(lastServed);
      // Wanted no more, or wanted again after it was not: by people, who may know better.
      for (const key of rejected.keys()) if (key !== wanted && key !== last) rejected.delete(key);
    }
  }

  #decide(): Action[] {
    const actual = [...this.#applications.values()].map((application) =>
      application.toActual((version) => this.#options.port.openRequests(version)),
    );
    const wanted = this.#desired.applications.map((desired) => this.#toWanted(desired));
    return reconcile(wanted, actual, this.#options.limits, this.#clock.now());
  }

  #toWanted(desired: DesiredApplication): WantedApplication {
    const definition = definitionToRun(desired);
    const lastServed = this.#applications.get(desired.name)?.lastServed;
    return {
      name: desired.name,
      version: versionKey(definition),
      options: optionsKey(definition),
      traffic: definition.traffic,
      lastServed: lastServed === undefined ? undefined : versionKey(lastServed),
      hasEarlier: desired.rollback === undefined && desired.history.length > 0,
    };
  }

  /** Until it is noted, what was given up stays so as long as the node runs. */
  async #noteRollbacks(): Promise<void> {
    for (const givenUp of [...this.#unnoted.values()]) {
      try {
        await noteRollback(this.#options.store, givenUp);
      } catch (thrown) {
        const isGone = TuttiError.from(thrown, "StoreFailed").code === "NotFound";
        if (!isGone) return this.#troubles.began("note-rollback", thrown, "StoreFailed");
      }
      this.#unnoted.delete(givenUp.name);
      this.trigger();
    }
    this.#troubles.over("note-rollback");
  }

  #desiredOf(name: string): DesiredApplication | undefined {
    return this.#desired.applications.find((one) => one.name === name);
  }

  #statusOf(name: string) {
    const desired = this.#desiredOf(name);
    const actual = this.#applications
      .get(name)
      ?.toActual((version) => this.#options.port.openRequests(version));
    const wanted = desired === undefined ? undefined : this.#toWanted(desired);
    const { status, reason } = applicationStatus(wanted, actual, this.#options.limits.maxStarts);
    const rolledBack = desired?.rollback === undefined ? "" : `rolled back: ${desired.rollback.reason}`;
    const given =
      wanted === undefined ? undefined : this.#applications.get(name)?.rejected.get(wanted.version);
    const why = given === undefined ? reason : `${reason}: ${given}`;
    return { status, reason: why === "" ? rolledBack : why };
  }

  #isMoving(): boolean {
    return [...this.#applications.values()].some(
      ({ versions, rollout }) =>
        rollout !== undefined ||
        versions.some(({ phase, adjust }) => phase.kind !== "ready" || adjust.kind === "failed"),
    );
  }

  async #rememberServed(): Promise<void> {
    const served = [...this.#applications.values()].flatMap(({ lastServed }) => lastServed ?? []);
    try {
      await this.#options.served?.write(served);
      this.#troubles.over("note-served");
    } catch (thrown) {
      this.#troubles.began("note-served", thrown, "StoreFailed");
    }
  }

  #settleStart(): void {
    if (this.#desired.applications.every(({ name }) => this.#applications.get(name)?.isServed === true))
      this.#started.resolve();
  }

  #tell(): void {
    for (const name of new Set([
      ...this.#desired.applications.map((one) => one.name),
      ...this.#applications.keys(),
    ])) {
      const { status, reason } = this.#statusOf(name);
      this.#tellOnce(`application ${name}`, { type: "application", application: name, status, reason });
    }
  }

  #tellOnce(about: string, event: ControllerEvent): void {
    const text = JSON.stringify(event);
    if (this.#told.get(about) === text) return;
    this.#told.set(about, text);
    this.#options.onEvent(event);
  }
}
