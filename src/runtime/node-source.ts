import type { Application } from "../api/application.ts";
import type { StateStore } from "../config/state-store.ts";
import { MemoryStateStore } from "../controller/memory-state-store.ts";
import type { ServedRecord } from "../controller/served-record.ts";
import type { VersionSource } from "../controller/version-runner.ts";
import { type ApplicationDefinition, INSTANT_TRAFFIC } from "../policy/desired-state.ts";

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
  /** Makes another version of the same module, whose code has changed. */
  reload(): Promise<void>;
}

/** Every source is a desired state; that of one application is kept in memory. */
export async function openSource(source: NodeSource): Promise<OpenSource> {
  if (source.kind === "state") {
    const { store, served } = source;
    return { store, served, isWhole: false, reload: noReload };
  }
  const store = new MemoryStateStore();
  const definition = definitionOf(source);
  await store.compareAndSet(0, [{ ...definition, history: [] }]);
  let reloads = 0;
  const reload = async () => {
    const { revision } = await store.read();
    reloads += 1;
    // Only for telling versions apart: what people see is the module's own.
    await store.compareAndSet(revision, [{ ...definition, version: `reload ${reloads}`, history: [] }]);
  };
  const isModule = source.kind === "module";
  return { store, toSource: ownNames, maxStarts: 1, isWhole: true, reload: isModule ? reload : noReload };
}

/** Other code comes by being deployed, or not at all where it runs in this process. */
async function noReload(): Promise<void> {}

/** What it is called is for its module to say. Another version of it is there because somebody has changed something, and looks. */
const ownNames = ({ module, args, deployments }: ApplicationDefinition): VersionSource => ({
  module,
  args,
  deployments,
  isUrgent: true,
});

function definitionOf(source: Exclude<NodeSource, { kind: "state" }>): ApplicationDefinition {
  const module = source.kind === "module" ? source.path : "the application";
  // Whoever has changed the module waits for it, and is alone.
  return { name: "application", module, args: {}, traffic: INSTANT_TRAFFIC, deployments: {} };
}
