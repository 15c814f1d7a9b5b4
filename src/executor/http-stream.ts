import type { HttpHead, HttpStreamHead } from "../api/http-call.ts";
import { TuttiError } from "../errors/tutti-error.ts";

/** Larger pieces of a body are cut: the credit of a stream is counted in its chunks. */
const MAX_PIECE_BYTES = 64 * 1024;

const CONTENT_TYPES = {
  events: "text/event-stream; charset=utf-8",
  lines: "application/x-ndjson; charset=utf-8",
} as const;

/** What a client asks for that a method answers by items: events if it takes them, else lines of JSON. */
export function itemsFormat(accept: string | undefined): keyof typeof CONTENT_TYPES {
  return accept !== undefined && /\btext\/event-stream\b(?!\s*;\s*q=0(?:\.0*)?\s*(?:,|$))/i.test(accept)
    ? "events"
    : "lines";
}

export function itemsHead(
  format: keyof typeof CONTENT_TYPES,
  labels: Pick<HttpHead, "degraded" | "stages">,
): HttpStreamHead {
  return {
    status: 200,
    contentType: CONTENT_TYPES[format],
    headers: { "cache-control": "no-store" },
    setCookies: [],
    ...labels,
    format,
  };
}

/**
 * Events are numbered from 1, or from what the client had last on: it names that (`Last-Event-ID`) when it connects again
 * after a stream was cut, so that a method may go on there. 0 when it names nothing, or what is none of ours.
 */
export const lastEventId = (header: string | undefined): number =>
  header !== undefined && /^\d{1,15}$/.test(header) ? Number(header) : 0;

/**
 * What a method yields as the body of an answer. The head comes with the first item, so that a method that fails before
 * it answers with an error's status.
 *
 * @param head made when the first item is there, and again at the end, for what is known only then.
 * @param lastId the number before that of the first event.
 */
export async function* streamItems(
  items: AsyncIterable<unknown>,
  name: string,
  head: () => HttpStreamHead,
  lastId: number,
): AsyncGenerator<HttpStreamHead | Uint8Array, void> {
  const iterator = items[Symbol.asyncIterator]();
  let isOver = true;
  try {
    let item = await iterator.next();
    isOver = item.done === true;
    const first = head();
    yield first;
    for (let id = lastId + 1; item.done !== true; id++) {
      const text = json(item.value, name);
      yield* pieces(Buffer.from(first.format === "events" ? `id: ${id}\ndata: ${text}\n\n` : `${text}\n`));
      isOver = true;
      item = await iterator.next();
      isOver = item.done === true;
    }
    if (first.format === "events") {
      const end = `{"value":${json(item.value, name)},"degraded":${head().degraded}}`;
      yield* pieces(Buffer.from(`event: end\ndata: ${end}\n\n`));
    }
  } finally {
    if (!isOver) await iterator.return?.();
  }
}

function json(value: unknown, name: string): string {
  const text = JSON.stringify(value === undefined ? null : value);
  if (text === undefined) throw new TuttiError("ApplicationError", `${name}() yielded what is not JSON`);
  return text;
}

function* pieces(bytes: Uint8Array): Generator<Uint8Array, void> {
  for (let at = 0; at < bytes.length; at += MAX_PIECE_BYTES) yield bytes.subarray(at, at + MAX_PIECE_BYTES);
}

/** What one read of a `Response`'s body gave. */
export type BodyRead = Awaited<ReturnType<ReadableStreamDefaultReader<Uint8Array>["read"]>>;

/** The body of a `Response` that is longer, or takes longer, than to be answered whole. */
export class BodyStream implements AsyncIterableIterator<HttpStreamHead | Uint8Array> {
  readonly #head: HttpStreamHead;
  readonly #source: ReadableStreamDefaultReader<Uint8Array>;
  #reading: Promise<BodyRead> | undefined;
  #isHeadSent = false;
  #ready: Iterator<Uint8Array, void>;

  /**
   * @param ahead what has been read of it already.
   * @param reading a read that is under way.
   */
  constructor(
    head: HttpStreamHead,
    source: ReadableStreamDefaultReader<Uint8Array>,
    ahead: Uint8Array,
    reading: Promise<BodyRead> | undefined,
  ) {
    this.#head = head;
    this.#source = source;
    this.#ready = pieces(ahead);
    this.#reading = reading;
    // Whoever reads on hears of its failure; if nobody does, nobody has to.
    reading?.catch(() => {});
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<HttpStreamHead | Uint8Array, void>> {
    if (!this.#isHeadSent) {
      this.#isHeadSent = true;
      return { done: false, value: this.#head };
    }
    for (;;) {
      const piece = this.#ready.next();
      if (piece.done !== true) return piece;
      const reading = this.#reading ?? this.#source.read();
      this.#reading = undefined;
      const { done, value } = await reading;
      if (done) return { done: true, value: undefined };
      this.#ready = pieces(bodyBytes(value));
    }
  }

  /** Tells the application's own stream that nobody reads on. */
  async return(): Promise<IteratorResult<HttpStreamHead | Uint8Array, void>> {
    await this.#source.cancel(new TuttiError("Cancelled", "nobody reads the answer any more"));
    return { done: true, value: undefined };
  }
}

export function bodyBytes(chunk: unknown): Uint8Array {
  if (chunk instanceof Uint8Array) return chunk;
  throw new TuttiError("ApplicationError", "fetch() answered with a body that is not made of bytes");
}
