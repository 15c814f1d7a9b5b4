import { TuttiError } from "../errors/tutti-error.ts";
import type { CallGroup } from "../observe/call-group.ts";
import type { PendingCall } from "./call-port.ts";
import type { TracedContext } from "./context.ts";

/** The context of a request that is told to be given up by `abort`. */
export class FakeContext implements TracedContext {
  requestId = "r-1";
  deadlineAtMs = Number.POSITIVE_INFINITY;
  priority = 1;
  lean = false;
  replica = "Caller#0";
  application = "app";
  applicationVersion = "1";
  degraded = false;
  abortReason: TuttiError | undefined;
  readonly groups: CallGroup[] = [];
  /** Calls that would be cancelled now. */
  readonly adopted = new Set<PendingCall>();
  readonly #controller = new AbortController();

  constructor(fields: Partial<Pick<TracedContext, "requestId" | "deadlineAtMs" | "priority" | "lean">> = {}) {
    Object.assign(this, fields);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  recordStage(): void {}

  noteCalls(group: CallGroup): void {
    this.groups.push(group);
  }

  adopt(call: PendingCall): void {
    this.adopted.add(call);
  }

  release(call: PendingCall): void {
    this.adopted.delete(call);
  }

  abort(reason = new TuttiError("Cancelled", "the caller gave the call up")): void {
    this.abortReason = reason;
    this.#controller.abort(reason);
    for (const call of [...this.adopted]) call.cancel();
  }
}
