import { TuttiError } from "../errors/tutti-error.ts";
import { TakenCredit } from "../policy/stream-credit.ts";
import type { CallPort, OutgoingStreamCall, PendingStream } from "./call-port.ts";
import type { TracedContext } from "./context.ts";

export interface StreamOptions {
  readonly port: CallPort;
  readonly call: Omit<OutgoingStreamCall, "onChunk" | "onEnd">;
  readonly signal: AbortSignal | undefined;
  /** The request that the stream is read for, with which it ends. */
  readonly served: TracedContext | undefined;
  /** Called when the call is made; what it returns hears of its end. */
  readonly begin: () => OutgoingStreamCall["onEnd"] | undefined;
}

interface WaitingChunk {
  readonly value: unknown;
  readonly bytes: number;
}

interface WaitingReader {
  resolve(result: IteratorResult<unknown, undefined>): void;
  reject(error: TuttiError): void;
}

type State =
  | { readonly kind: "new" }
  | { readonly kind: "open"; readonly pending: PendingStream; readonly letGo: () => void }
  /** `error` is thrown once, after what has come before it. */
  | { readonly kind: "ended"; error: TuttiError | undefined };

const DONE = { done: true, value: undefined } as const;

/**
 * What a stream method of a handle gives: read once, from its first item on. The call is made when it is first read.
 * Holds at most the stream's window of what was not read yet (S1): credit is given back as items are taken.
 */
export class RemoteStream implements AsyncIterableIterator<unknown, undefined> {
  readonly #options: StreamOptions;
  #state: State = { kind: "new" };
  #isIterated = false;
  #chunks: WaitingChunk[] = [];
  #readers: WaitingReader[] = [];
  readonly #taken = new TakenCredit();

  constructor(options: StreamOptions) {
    this.#options = options;
  }

  [Symbol.asyncIterator](): this {
    if (this.#isIterated) {
      const { deployment, method } = this.#options.call;
      throw new TuttiError(
        "InvalidArgument",
        `the stream of ${deployment}.${method}() is read once; call it again`,
      );
    }
    this.#isIterated = true;
    return this;
  }

  next(): Promise<IteratorResult<unknown, undefined>> {
    if (this.#state.kind === "new") this.#open();
    const chunk = this.#chunks.shift();
    if (chunk !== undefined) {
      this.#give(chunk.bytes);
      return Promise.resolve({ done: false, value: chunk.value });
    }
    if (this.#state.kind === "ended") {
      const { error } = this.#state;
      this.#state.error = undefined;
      return error === undefined ? Promise.resolve(DONE) : Promise.reject(error);
    }
    return new Promise((resolve, reject) => this.#readers.push({ resolve, reject }));
  }

  /** The reader wants no more, as at a `break`: what makes the stream is cancelled. */
  return(): Promise<IteratorResult<unknown, undefined>> {
    const state = this.#state;
    this.#end(undefined);
    this.#chunks = [];
    if (state.kind === "open") state.pending.cancel();
    return Promise.resolve(DONE);
  }

  #open(): void {
    const { port, call, signal, served, begin } = this.#options;
    if (signal?.aborted) {
      return this.#end(new TuttiError("Cancelled", "the signal was aborted", { started: "no" }));
    }
    if (served?.abortReason !== undefined) {
      const { code, message } = served.abortReason;
      return this.#end(new TuttiError(code, message, { started: "no" }));
    }
    const note = begin();
    const pending = port.dispatchStream({
      ...call,
      onChunk: (value, bytes) => this.#onChunk(value, bytes),
      onEnd: (outcome, stats, place) => {
        note?.(outcome, stats, place);
        if (this.#state.kind === "open") this.#end(outcome.ok ? undefined : outcome.error);
      },
    });
    const onAbort = () => pending.cancel();
    signal?.addEventListener("abort", onAbort, { once: true });
    served?.adopt(pending);
    const letGo = () => {
      signal?.removeEventListener("abort", onAbort);
      served?.release(pending);
    };
    this.#state = { kind: "open", pending, letGo };
  }

  #onChunk(value: unknown, bytes: number): void {
    if (this.#state.kind !== "open") return;
    const reader = this.#readers.shift();
    if (reader === undefined) {
      this.#chunks.push({ value, bytes });
      return;
    }
    reader.resolve({ done: false, value });
    this.#give(bytes);
  }

  #give(bytes: number): void {
    const credit = this.#taken.take(bytes);
    if (credit !== undefined && this.#state.kind === "open") this.#state.pending.grant(credit);
  }

  #end(error: TuttiError | undefined): void {
    const state = this.#state;
    if (state.kind === "ended") return;
    if (state.kind === "open") state.letGo();
    // One that nobody reads must not go on holding what came; what came before a failure of the stream is still read.
    if (error !== undefined && isGivenUp(error)) this.#chunks = [];
    const readers = this.#readers;
    this.#readers = [];
    const [first, ...others] = readers;
    if (error !== undefined) first?.reject(error);
    else first?.resolve(DONE);
    for (const reader of others) reader.resolve(DONE);
    this.#state = { kind: "ended", error: first === undefined ? error : undefined };
  }
}

function isGivenUp({ code }: TuttiError): boolean {
  return code === "DeadlineExceeded" || code === "Cancelled";
}
