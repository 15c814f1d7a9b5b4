import type { CompareAndSetResult, StateStore } from "../config/state-store.ts";
import { type DesiredApplication, type DesiredState, EMPTY_STATE } from "../policy/desired-state.ts";

/** Forgets everything when the process ends. For `run`, embedding and tests. */
export class MemoryStateStore implements StateStore {
  readonly #listeners = new Set<() => void>();
  #state: DesiredState = EMPTY_STATE;

  async read(): Promise<DesiredState> {
    return structuredClone(this.#state);
  }

  async compareAndSet(
    expectedRevision: number,
    applications: readonly DesiredApplication[],
  ): Promise<CompareAndSetResult> {
    if (expectedRevision !== this.#state.revision) return { kind: "conflict", state: await this.read() };
    this.#state = structuredClone({ revision: expectedRevision + 1, applications });
    const stored = await this.read();
    for (const listener of this.#listeners) listener();
    return { kind: "stored", state: stored };
  }

  watch(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  async close(): Promise<void> {
    this.#listeners.clear();
  }
}
