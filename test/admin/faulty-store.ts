import type { CompareAndSetResult } from "../../src/config/state-store.ts";
import { MemoryStateStore } from "../../src/controller/memory-state-store.ts";
import type { TuttiError } from "../../src/errors/tutti-error.ts";
import type { DesiredApplication, DesiredState } from "../../src/policy/desired-state.ts";

/** A store that can be told to fail, and what to do before it writes. */
export class FaultyStore extends MemoryStateStore {
  readFailure: TuttiError | undefined;
  writeFailure: TuttiError | undefined;
  beforeWrite: (() => Promise<unknown>) | undefined;
  writes = 0;

  override async read(): Promise<DesiredState> {
    if (this.readFailure !== undefined) throw this.readFailure;
    return super.read();
  }

  override async compareAndSet(
    expectedRevision: number,
    applications: readonly DesiredApplication[],
  ): Promise<CompareAndSetResult> {
    const before = this.beforeWrite;
    this.beforeWrite = undefined;
    await before?.();
    if (this.writeFailure !== undefined) throw this.writeFailure;
    this.writes += 1;
    return super.compareAndSet(expectedRevision, applications);
  }
}
