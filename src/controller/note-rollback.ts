import type { StateStore } from "../config/state-store.ts";
import { TuttiError } from "../errors/tutti-error.ts";
import type { DesiredApplication, Rollback } from "../policy/desired-state.ts";
import { wantedDefinition } from "../policy/desired-state.ts";
import { changeDesired } from "./change-desired.ts";
import { versionKey } from "./definition-keys.ts";

export interface GivenUp {
  readonly name: string;
  /** Of the version that was given up. */
  readonly key: string;
  /** Of the version that serves instead; undefined: none does. */
  readonly backTo: string | undefined;
  readonly reason: string;
}

/** Notes in the desired state that an application goes back to an earlier version, unless somebody has changed it meanwhile. */
export async function noteRollback(store: StateStore, givenUp: GivenUp): Promise<void> {
  await changeDesired(store, givenUp.name, (application) => back(application, givenUp));
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
  const { version } = earlier ?? {};
  // The latest of that name is what it would mean: versions may differ in their options alone.
  const isClear = history.find((definition) => definition.version === version) === earlier;
  return version === undefined || !isClear ? undefined : { version };
}

/**
 * Goes back because somebody wants it.
 *
 * @throws TuttiError `NotFound` when there is no such version, with those that there are.
 */
export function rollBack(store: StateStore, name: string, rollback: Rollback): Promise<DesiredApplication> {
  return changeDesired(store, name, (application) => {
    const changed = { ...application, rollback };
    if (wantedDefinition(changed) !== undefined) return changed;
    const earlier = application.history.map(({ version }) => version ?? "one without a name");
    const wanted = rollback.to === "previous" ? "an earlier version" : `a version ${rollback.to.version}`;
    const message = `${name} has had no ${wanted.replace(/^an? /, "")}; earlier ones: ${earlier.join(", ") || "none"}`;
    throw new TuttiError("NotFound", message);
  });
}
