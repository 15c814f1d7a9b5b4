import { RequestWindow } from "../observe/request-window.ts";
import type { ApplicationDefinition } from "../policy/desired-state.ts";
import type { ActualVersion, AdjustPhase, VersionPhase } from "../policy/reconcile.ts";
import { COLD_REQUESTS } from "../policy/rollout.ts";
import { optionsKey, versionKey } from "./definition-keys.ts";
import type { HostedRunner } from "./version-port.ts";

/** A version of an application, and where it stands. */
export class RunningVersion<V extends HostedRunner> {
  readonly key: string;
  definition: ApplicationDefinition;
  /** Undefined while nothing of it is there. */
  hosted: V | undefined;
  phase: VersionPhase = { kind: "starting" };
  adjust: AdjustPhase = { kind: "idle" };
  weight = 0;
  attempts = 0;
  /** What its requests show since the step of a rollout began; undefined outside of one. */
  window: RequestWindow | undefined;

  constructor(definition: ApplicationDefinition) {
    this.definition = definition;
    this.key = versionKey(definition);
  }

  /** What people call it. */
  get label(): string {
    return this.hosted?.runner.graph?.version ?? this.definition.version ?? "";
  }

  /** Begins to watch its requests anew. @param isNew until it takes over nobody knows how fast it will be. */
  watch(isNew: boolean): void {
    this.window = new RequestWindow(isNew ? (this.window?.cold ?? COLD_REQUESTS) : 0);
  }

  toActual(openRequests: number): ActualVersion {
    const { key, phase, adjust, weight, hosted, definition } = this;
    return {
      key,
      phase,
      adjust,
      weight,
      options: optionsKey(definition),
      isHealthy: hosted?.runner.readiness().ready ?? false,
      openRequests,
    };
  }
}
