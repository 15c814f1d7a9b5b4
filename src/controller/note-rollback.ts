import type { StateStore } from "../config/state-store.ts";
import type { DesiredApplication, Rollback } from "../policy/desired-state.ts";
import { wantedDefinition } from "../policy/desired-state.ts";
import { versionKey } from "./definition-keys.ts";

export interface GivenUp {
  readonly name: string;
  /** Of the version that was given up. */
  readonly key: string;
  /** Of the version that serves instead; undefined: none does. */
  readonly backTo: string | undefined;
  readonly reason: string;
}

const MAX_CONFLICTS = 10;

/** Notes in the desired state that an application goes back to an earlier version, unless somebody has changed it meanwhile. */
export async function noteRollback(store: StateStore, givenUp: GivenUp): Promise<void> {
  let state = await store.read();
  for (let tries = 0; tries < MAX_CONFLICTS; tries++) {
    const applications = state.applications.map((one) =>
      one.name === givenUp.name ? back(one, givenUp) : one,
    );
    if (applications.every((one, i) => one === state.applications[i])) return;
    const result = await store.compareAndSet(state.revision, applications);
    if (result.kind === "stored") return;
    ({ state } = result);
  }
}

function back(application: DesiredApplication, { key, backTo, reason }: GivenUp): DesiredApplication {
  const wanted = wantedDefinition(application);
  if (application.rollback !== undefined || wanted === undefined || versionKey(wanted) !== key)
    return application;
  const to = targetOf(application, backTo);
  return to === undefined ? application : { ...application, rollback: { to, reason } };
}

/** Undefined: it is not in the history, or has no name of its own there. */
function targetOf({ history }: DesiredApplication, backTo: string | undefined): Rollback["to"] | undefined {
  const [latest] = history;
  if (latest === undefined) return undefined;
  if (backTo === undefined || versionKey(latest) === backTo) return "previous";
  const earlier = history.find((definition) => versionKey(definition) === backTo);
  return earlier?.version === undefined ? undefined : { version: earlier.version };
}
