import {
  type ApplicationDefinition,
  type DesiredApplication,
  wantedDefinition,
} from "../policy/desired-state.ts";
import type { VersionSource } from "./version-runner.ts";

/** A rollback to what is not there any more changes nothing. */
export function definitionToRun(desired: DesiredApplication): ApplicationDefinition {
  const wanted = wantedDefinition(desired);
  if (wanted !== undefined) return wanted;
  const { rollback: _, history: __, ...definition } = desired;
  return definition;
}

export function sourceOf({
  name,
  module,
  args,
  route,
  version,
  deployments,
}: ApplicationDefinition): VersionSource {
  return {
    module,
    args,
    deployments,
    identity: {
      name,
      ...(route === undefined ? {} : { route }),
      ...(version === undefined ? {} : { version }),
    },
  };
}
