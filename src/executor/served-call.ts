import type { CallContext } from "../api/context.ts";
import { TuttiError } from "../errors/tutti-error.ts";
import type { IncomingCall } from "../wire/messages.ts";

export interface ServedBy {
  readonly replica: string;
  readonly application: string;
  readonly applicationVersion: string;
}

/** The context of one call in a code executor. Its signal is made only when somebody asks for it. */
export class ServedCall implements CallContext {
  readonly requestId: string;
  readonly deadlineAtMs: number;
  readonly priority: number;
  readonly stages: (readonly [name: string, ms: number])[] = [];
  degraded = false;
  readonly #servedBy: ServedBy;
  #controller: AbortController | undefined;
  #abortReason: TuttiError | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(call: IncomingCall, servedBy: ServedBy) {
    this.requestId = call.requestId;
    this.deadlineAtMs = call.deadlineAtMs;
    this.priority = call.priority;
    this.#servedBy = servedBy;
  }

  get replica(): string {
    return this.#servedBy.replica;
  }
  get application(): string {
    return this.#servedBy.application;
  }
  get applicationVersion(): string {
    return this.#servedBy.applicationVersion;
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#abortReason !== undefined) this.#controller.abort(this.#abortReason);
      else if (Number.isFinite(this.deadlineAtMs)) {
        // Node's timers hold at most 2^31 - 1 ms; longer ones would fire at once.
        const leftMs = Math.min(2 ** 31 - 1, Math.max(0, this.deadlineAtMs - performance.now()));
        this.#timer = setTimeout(
          () => this.abort(new TuttiError("DeadlineExceeded", "the deadline passed")),
          leftMs,
        );
        this.#timer.unref();
      }
    }
    return this.#controller.signal;
  }

  recordStage(name: string, ms: number): void {
    if (this.stages.length < 32) this.stages.push([name, ms]);
  }

  /** Why nobody wants the answer any more; undefined while somebody does. */
  get abortReason(): TuttiError | undefined {
    return this.#abortReason;
  }

  abort(reason: TuttiError): void {
    if (this.#abortReason !== undefined) return;
    this.#abortReason = reason;
    clearTimeout(this.#timer);
    this.#controller?.abort(reason);
  }

  /** The call has its reply: nothing of it may go off later. */
  end(): void {
    clearTimeout(this.#timer);
  }
}
