import {
  type ApplicationDefinition,
  type DeploymentOverrides,
  OVERRIDE_EFFECTS,
} from "../policy/desired-state.ts";

/** What tells versions apart: other code, or options for which replicas are made anew. */
export function versionKey({ module, args, version, deployments }: ApplicationDefinition): string {
  return JSON.stringify([module, sorted(args), version ?? null, optionsWith(deployments, "restart")]);
}

/** What can change in place. */
export function optionsKey({ route, deployments }: ApplicationDefinition): string {
  return JSON.stringify([route ?? null, optionsWith(deployments, "inPlace")]);
}

function optionsWith(deployments: ApplicationDefinition["deployments"], effect: "inPlace" | "restart") {
  // In whichever order they are written, it is the same.
  const patterns = Object.entries(deployments).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return patterns.flatMap(([pattern, overrides]) => {
    const entries = Object.entries(overrides).filter(
      ([option]) => OVERRIDE_EFFECTS[option as keyof DeploymentOverrides] === effect,
    );
    return entries.length === 0 ? [] : [[pattern, sorted(Object.fromEntries(entries))]];
  });
}

/** The same object, whatever the order its keys were written in. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, one]) => [key, sorted(one)]));
}
