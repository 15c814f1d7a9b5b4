import type { Clock } from "../clock/clock.ts";
import { TuttiError } from "../errors/tutti-error.ts";
import type { VersionEventState } from "../observe/event-log.ts";
import { backoffMs } from "../policy/backoff.ts";
import type { ApplicationDefinition } from "../policy/desired-state.ts";
import type { Action, ReconcileLimits } from "../policy/reconcile.ts";
import { optionsKey, versionKey } from "./definition-keys.ts";
import type { GivenUp } from "./note-rollback.ts";
import { RunningApplication } from "./running-application.ts";
import { RunningVersion } from "./running-version.ts";
import type { ControllerEvent, HostedRunner, VersionPort } from "./version-port.ts";
import type { VersionSource } from "./version-runner.ts";

export interface CarryOutParts<V extends HostedRunner> {
  readonly port: VersionPort<V>;
  readonly limits: ReconcileLimits;
  /** By name: what there is. It is changed here and nowhere else, but for what a start and the store tell. */
  readonly applications: Map<string, RunningApplication<V>>;
  /** The definition that an application is to run; undefined when it is not wanted. */
  readonly wantedOf: (name: string) => ApplicationDefinition | undefined;
  /** How a version is made from its definition. */
  readonly toSource: (definition: ApplicationDefinition) => VersionSource;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  readonly onEvent: (event: ControllerEvent) => void;
  /** Something that takes its time has ended, in whatever way: it is to be looked at again. */
  readonly onDone: () => void;
  readonly onStartFailed: (error: TuttiError) => void;
  readonly onGivenUp: (givenUp: GivenUp) => void;
}

const FIRST_RETRY_MS = 500;
const MAX_RETRY_MS = 30_000;
/** For what user code does at its end, when nobody waits for it any more. */
const DISPOSE_MS = 1000;

/** Does what `reconcile` has said is to be done: it decides nothing, and what takes its time goes on by itself. */
export class CarryOut<V extends HostedRunner> {
  readonly #parts: CarryOutParts<V>;

  constructor(parts: CarryOutParts<V>) {
    this.#parts = parts;
  }

  carryOut(action: Action): void {
    const application = this.applicationOf(action.application);
    switch (action.type) {
      case "start":
        return this.#start(application, action.version);
      case "route":
        return this.#route(application, action);
      case "note-rollout":
        application.rollout = action.rollout;
        return;
      case "adjust":
        return this.#adjust(application, action.version);
      case "drain":
        return this.#setPhase(application, action.version, { kind: "draining", endAtMs: action.endAtMs });
      case "keep":
        return this.#setPhase(application, action.version, { kind: "ready" });
      case "end":
        return this.#end(application, action.version);
      case "reject":
        return this.#reject(application, action);
      case "forget":
        this.#parts.applications.delete(action.application);
    }
  }

  #start(application: RunningApplication<V>, key: string): void {
    const definition = this.#definitionWith(application, key);
    if (definition === undefined) return;
    let version = application.find(key);
    if (version === undefined) {
      version = new RunningVersion<V>(definition);
      application.versions.push(version);
    }
    version.definition = definition;
    version.phase = { kind: "starting" };
    version.hosted = this.#parts.port.open(this.#parts.toSource(definition));
    this.#tellVersion(application, version, "starting");
    void this.#bringUp(application, version, version.hosted);
  }

  async #bringUp(application: RunningApplication<V>, version: RunningVersion<V>, hosted: V): Promise<void> {
    try {
      await hosted.runner.start();
      if (version.phase.kind !== "starting") return;
      version.phase = { kind: "ready" };
      this.#tellVersion(application, version, "ready");
    } catch (thrown) {
      if (version.phase.kind !== "starting") return;
      this.#failed(application, version, TuttiError.from(thrown, "StartFailed"));
      await this.#parts.port.close(hosted, 0, "it could not be started");
    }
    this.#parts.onDone();
  }

  #failed(application: RunningApplication<V>, version: RunningVersion<V>, error: TuttiError): void {
    version.attempts += 1;
    const retryInMs = backoffMs(version.attempts, FIRST_RETRY_MS, MAX_RETRY_MS, this.#parts.random());
    version.hosted = undefined;
    version.phase = {
      kind: "failed",
      attempts: version.attempts,
      retryAtMs: this.#parts.clock.now() + retryInMs,
      reason: error.message,
    };
    this.#tellVersion(application, version, "start-failed", error.message);
    this.#parts.onStartFailed(error);
  }

  #route(application: RunningApplication<V>, action: Extract<Action, { type: "route" }>): void {
    const { weights, rollout } = action;
    const before = application.versions.map(({ weight }) => weight);
    for (const version of application.versions) {
      version.weight = weights[version.key] ?? 0;
      if (rollout === undefined) version.window = undefined;
      else if (version.key === rollout.from || version.key === rollout.to)
        version.watch(version.key === rollout.to);
    }
    try {
      this.#serve();
    } catch (thrown) {
      // Such as a route that another application has, which only its module tells.
      const blamed = application.versions.filter(({ weight }, i) => weight > 0 && before[i] === 0);
      application.versions.forEach((version, i) => {
        version.weight = before[i] ?? 0;
      });
      for (const version of blamed) {
        const { hosted } = version;
        version.attempts = Math.max(version.attempts, this.#parts.limits.maxStarts);
        this.#failed(application, version, TuttiError.from(thrown, "InvalidOptions"));
        if (hosted !== undefined) void this.#parts.port.close(hosted, 0, "it could not be served");
      }
      return;
    }
    application.rollout = rollout;
    const [only, ...others] = application.versions.filter(({ weight }) => weight > 0);
    if (only !== undefined && others.length === 0 && rollout === undefined) {
      application.lastServed = only.definition;
      only.attempts = 0;
    }
    const shares = application.versions.map(({ label, weight }) => ({ version: label, weight }));
    this.#parts.onEvent({
      type: "traffic",
      application: application.seenName,
      shares: shares.filter(({ weight }) => weight > 0),
    });
  }

  #serve(): void {
    const served = [...this.#parts.applications.values()].flatMap(({ versions }) =>
      versions.flatMap(({ hosted, weight, window }) =>
        hosted === undefined || weight === 0
          ? []
          : [{ version: hosted, weight, ...(window === undefined ? {} : { stats: window }) }],
      ),
    );
    this.#parts.port.serve(served);
  }

  #adjust(application: RunningApplication<V>, key: string): void {
    const version = application.find(key);
    const definition = this.#definitionWith(application, key);
    if (version?.hosted === undefined || definition === undefined) return;
    version.adjust = { kind: "running" };
    void this.#configure(application, version, version.hosted, definition);
  }

  async #configure(
    application: RunningApplication<V>,
    version: RunningVersion<V>,
    { runner }: V,
    definition: ApplicationDefinition,
  ): Promise<void> {
    try {
      await runner.configure(definition.deployments, definition.route);
      version.definition = definition;
      version.adjust = { kind: "idle" };
      if (application.lastServed !== undefined && versionKey(application.lastServed) === version.key)
        application.lastServed = definition;
      this.#serve();
      this.#tellVersion(application, version, "changed");
    } catch (thrown) {
      const { message: reason } = TuttiError.from(thrown, "StartFailed");
      const retryAtMs = this.#parts.clock.now() + MAX_RETRY_MS;
      version.adjust = { kind: "failed", options: optionsKey(definition), retryAtMs, reason };
      this.#tellVersion(application, version, "change-failed", reason);
    }
    this.#parts.onDone();
  }

  #setPhase(
    application: RunningApplication<V>,
    key: string,
    phase: { readonly kind: "ready" } | { readonly kind: "draining"; readonly endAtMs: number },
  ): void {
    const version = application.find(key);
    if (version === undefined) return;
    version.phase = phase;
    this.#tellVersion(application, version, phase.kind);
  }

  #end(application: RunningApplication<V>, key: string): void {
    const version = application.find(key);
    if (version === undefined) return;
    const { hosted, phase } = version;
    const forget = () => {
      const at = application.versions.indexOf(version);
      if (at >= 0) application.versions.splice(at, 1);
    };
    version.phase = { kind: "ending" };
    if (hosted === undefined) return forget();
    const drainMs = phase.kind === "draining" ? DISPOSE_MS : 0;
    void this.#parts.port.close(hosted, drainMs, "its version is not served any more").then(() => {
      this.#tellVersion(application, version, "ended");
      forget();
      this.#parts.onDone();
    });
  }

  #reject(application: RunningApplication<V>, action: Extract<Action, { type: "reject" }>): void {
    const { version: key, reason, backTo } = action;
    const version = application.find(key);
    application.rejected.set(key, reason);
    if (version !== undefined) this.#tellVersion(application, version, "given-up", reason);
    const { name } = application;
    const label = version?.label ?? "";
    this.#parts.onGivenUp({ name, key, backTo, reason: `${label} was given up: ${reason}` });
  }

  /** The definition that is wanted, or the one before it, whichever has this key. */
  #definitionWith(
    { name, lastServed }: RunningApplication<V>,
    key: string,
  ): ApplicationDefinition | undefined {
    const candidates = [this.#parts.wantedOf(name), lastServed];
    return candidates.find((definition) => definition !== undefined && versionKey(definition) === key);
  }

  /** As it is, or with nothing of it there. */
  applicationOf(name: string): RunningApplication<V> {
    let application = this.#parts.applications.get(name);
    if (application === undefined) {
      application = new RunningApplication<V>(name);
      this.#parts.applications.set(name, application);
    }
    return application;
  }

  #tellVersion(
    application: RunningApplication<V>,
    version: RunningVersion<V>,
    state: VersionEventState,
    reason = "",
  ): void {
    const { label } = version;
    this.#parts.onEvent({
      type: "version",
      application: application.seenName,
      version: label,
      state,
      reason,
    });
  }
}
