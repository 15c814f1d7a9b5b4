import type { StateStore } from "../config/state-store.ts";
import { TuttiError } from "../errors/tutti-error.ts";
import type { DesiredApplication } from "../policy/desired-state.ts";

const MAX_CONFLICTS = 10;

/**
 * Changes one application of the desired state, whoever else writes meanwhile.
 *
 * @param change given the application as it is; may be asked again. What it throws is thrown; the same object means no change.
 * @throws TuttiError `NotFound` when it is not wanted, `RevisionConflict` when others write all the time, or what the store throws.
 */
export async function changeDesired(
  store: StateStore,
  name: string,
  change: (application: DesiredApplication) => DesiredApplication,
): Promise<DesiredApplication> {
  let state = await store.read();
  for (let tries = 0; tries < MAX_CONFLICTS; tries++) {
    const before = state.applications.find((one) => one.name === name);
    if (before === undefined) {
      const names = state.applications.map((one) => one.name).join(", ") || "none";
      throw new TuttiError("NotFound", `there is no application ${name}; applications: ${names}`);
    }
    const after = change(before);
    if (after === before) return before;
    const applications = state.applications.map((one) => (one === before ? after : one));
    const result = await store.compareAndSet(state.revision, applications);
    if (result.kind === "stored") return after;
    ({ state } = result);
  }
  throw new TuttiError("RevisionConflict", "others change the applications all the time: try again");
}
