import type { ApplicationDefinition } from "../policy/desired-state.ts";

/** Which definitions had all their traffic last: what a node that is started again begins with. */
export interface ServedRecord {
  read(): Promise<readonly ApplicationDefinition[]>;
  write(served: readonly ApplicationDefinition[]): Promise<void>;
}
