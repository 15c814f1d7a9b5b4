import type { Application } from "../api/application.ts";
import type { StateStore } from "../config/state-store.ts";
import { MemoryStateStore } from "../controller/memory-state-store.ts";
import type { ServedRecord } from "../controller/served-record.ts";
import type { VersionSource } from "../controller/version-runner.ts";
import { type ApplicationDefinition, DEFAULT_TRAFFIC } from "../policy/desired-state.ts";

/**
 * What a node is to run. `module`: the application of one module. `inline`: an object of this program, whose classes then run in
 * this process. `state`: whatever its desired state says, also while it runs.
 */
export type NodeSource =
  | { readonly kind: "module"; readonly path: string }
  | { readonly kind: "inline"; readonly application: Application; readonly models: "process" | "inline" }
  | {
      readonly kind: "state";
      readonly store: StateStore;
      readonly served: ServedRecord;
      /** Absolute; modules that come over the admin API lie beneath it. Absent: the admin API has no desired state. */
      readonly modulesDirectory?: string;
    };

export interface OpenSource {
  readonly store: StateStore;
  readonly served?: ServedRecord;
  readonly toSource?: (definition: ApplicationDefinition) => VersionSource;
  readonly maxStarts?: number;
  /** The node is of no use without all of it: what cannot be started ends it. */
  readonly isWhole: boolean;
}

/** Every source is a desired state; that of one application is kept in memory. */
export async function openSource(source: NodeSource): Promise<OpenSource> {
  if (source.kind === "state") return { store: source.store, served: source.served, isWhole: false };
  const store = new MemoryStateStore();
  const definition = definitionOf(source);
  await store.compareAndSet(0, [{ ...definition, history: [] }]);
  return { store, toSource: ownNames, maxStarts: 1, isWhole: true };
}

/** What it is called is for its module to say. */
const ownNames = ({ module, args, deployments }: ApplicationDefinition): VersionSource => ({
  module,
  args,
  deployments,
});

function definitionOf(source: Exclude<NodeSource, { kind: "state" }>): ApplicationDefinition {
  const module = source.kind === "module" ? source.path : "the application";
  return { name: "application", module, args: {}, traffic: DEFAULT_TRAFFIC, deployments: {} };
}
