import type { OutgoingStreamCall, PendingStream, RequestScope } from "../api/call-port.ts";
import type { HttpReply, HttpStreamHead } from "../api/http-call.ts";
import type { TuttiError } from "../errors/tutti-error.ts";
import type {
  EdgeAnswer,
  EdgeStream,
  EdgeStreamEnd,
  EdgeStreamSink,
  PendingAnswer,
} from "../ingress/ingress-target.ts";
import { TakenCredit } from "../policy/stream-credit.ts";
import type { Router } from "../router/router.ts";
import type { CallOutcome, CallStats } from "../wire/messages.ts";
import { toAnswer, toHead } from "./edge-answer.ts";
import { waitedMsOf } from "./waited.ts";

/** The call itself, as the router is given it. */
export interface CallFields extends RequestScope {
  readonly deployment: string;
  readonly method: string;
  readonly args: readonly unknown[];
}

/**
 * A request whose answer may be a stream: its head is the first chunk, and its bytes go to the client as they come. What
 * the client has not taken is not asked for: at most the stream's window is held here (S1).
 */
export class StreamedCall implements PendingAnswer, EdgeStream {
  readonly answer: Promise<EdgeAnswer>;
  waitedMs: number | undefined;
  readonly #resolve: (answer: EdgeAnswer) => void;
  readonly #reject: (error: TuttiError) => void;
  readonly #pending: PendingStream;
  readonly #startedAtMs: number;
  readonly #now: () => number;
  readonly #taken = new TakenCredit();
  #head: HttpStreamHead | undefined;
  #sink: EdgeStreamSink | undefined;
  /** What came before the edge was ready for it: the rest of the first frame. */
  #early: Uint8Array[] = [];
  #end: EdgeStreamEnd | undefined;

  constructor(router: Router, fields: CallFields) {
    const { promise, resolve, reject } = Promise.withResolvers<EdgeAnswer>();
    this.answer = promise;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#now = () => router.clock.now();
    this.#startedAtMs = this.#now();
    const call: OutgoingStreamCall = {
      ...fields,
      hedge: false,
      onChunk: (value, bytes) => this.#onChunk(value, bytes),
      onEnd: (outcome, stats) => this.#onEnd(outcome, stats),
    };
    this.#pending = router.dispatchStream(call);
  }

  get format(): HttpStreamHead["format"] {
    return this.#head?.format ?? "bytes";
  }

  cancel(): void {
    this.#pending.cancel();
  }

  start(sink: EdgeStreamSink): void {
    this.#sink = sink;
    for (const bytes of this.#early) sink.onChunk(bytes);
    this.#early = [];
    if (this.#end !== undefined) sink.onEnd(this.#end);
  }

  taken(bytes: number): void {
    const credit = this.#taken.take(bytes);
    if (credit !== undefined) this.#pending.grant(credit);
  }

  #onChunk(value: unknown, bytes: number): void {
    if (this.#head === undefined) {
      // What the executor sends first, to whoever takes a stream of a routed method, is the head.
      this.#head = value as HttpStreamHead;
      this.taken(bytes);
      this.#resolve({ ...toHead(this.#head, this.#now() - this.#startedAtMs), body: this });
    } else if (this.#sink === undefined) this.#early.push(value as Uint8Array);
    else this.#sink.onChunk(value as Uint8Array);
  }

  #onEnd(outcome: CallOutcome, stats: CallStats): void {
    this.waitedMs = waitedMsOf(stats);
    if (this.#head !== undefined) {
      const degraded = this.#head.degraded || stats.degraded === true;
      this.#end = { error: outcome.ok ? undefined : outcome.error, degraded };
      this.#sink?.onEnd(this.#end);
    } else if (outcome.ok) this.#resolve(toAnswer(outcome.value as HttpReply, stats.runUs / 1000));
    else this.#reject(outcome.error);
  }
}
