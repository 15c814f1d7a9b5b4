import { CreditAccount, type StreamCredit } from "../policy/stream-credit.ts";
import type { ChunkSource, ChunkWriter } from "../wire/outgoing-streams.ts";
import { Tensor } from "../wire/tensor.ts";

/** Where the chunks of a stream go that stays in its executor. */
export interface LocalReader {
  write(value: unknown, bytes: number): void;
  end(): void;
}

/** A stream within one executor: no frame and no copy, but the credit of any stream (S1). */
export class LocalStream implements ChunkWriter {
  readonly #source: ChunkSource;
  readonly #reader: LocalReader;
  readonly #credit = new CreditAccount();

  constructor(source: ChunkSource, reader: LocalReader) {
    this.#source = source;
    this.#reader = reader;
  }

  get isWritable(): boolean {
    return this.#credit.isOpen;
  }

  write(value: unknown): void {
    const bytes = bytesOf(value);
    this.#credit.use(bytes);
    this.#reader.write(value, bytes);
  }

  grant(credit: StreamCredit): void {
    this.#credit.grant(credit);
    this.#source.onWritable();
  }

  end(): void {
    this.#reader.end();
  }
}

/** What is cheap to know of a value that is not encoded; what is not is bounded by the number of chunks alone. */
function bytesOf(value: unknown): number {
  if (typeof value === "string") return value.length;
  const data = value instanceof Tensor ? value.data : value;
  return ArrayBuffer.isView(data) ? data.byteLength : 0;
}
