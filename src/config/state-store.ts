import type { DesiredApplication, DesiredState } from "../policy/desired-state.ts";

/**
 * Where the desired state is kept: a file, a cluster's store, or memory in tests. One conformance suite,
 * `src/controller/state-store.conformance.ts`.
 *
 * - **ST1** A change is there whole or not at all, whatever ends the process meanwhile.
 * - **ST2** Of two writers that have read one revision, one succeeds; the other one is told what is there now.
 * - **ST3** A change that could not be stored changes nothing: what is there goes on being read. (Only of a change that
 *   is there and may not outlast the machine is it said too that it failed: who is told so reads.)
 * - **ST4** `watch` is a hint: who is told reads. It may be told too often, and after a fault not at all.
 */
export interface StateStore {
  /** @throws TuttiError `StoreFailed`, `StoreDamaged` or `StoreFull`. */
  read(): Promise<DesiredState>;
  /**
   * Stores the applications if the revision is still the expected one.
   *
   * @throws TuttiError `StoreFailed`, `StoreDamaged` or `StoreFull`; nothing has changed then.
   */
  compareAndSet(
    expectedRevision: number,
    applications: readonly DesiredApplication[],
  ): Promise<CompareAndSetResult>;
  /** @returns ends it. */
  watch(listener: () => void): () => void;
  /** Idempotent. */
  close(): Promise<void>;
}

/** A conflict is an expected ending: who gets it reads again, and decides again. */
export type CompareAndSetResult =
  | { readonly kind: "stored"; readonly state: DesiredState }
  | { readonly kind: "conflict"; readonly state: DesiredState };
