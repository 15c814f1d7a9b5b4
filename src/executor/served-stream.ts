import type { TuttiError } from "../errors/tutti-error.ts";
import type { ChunkSource, ChunkWriter } from "../wire/outgoing-streams.ts";

/**
 * What a method yields on its way to who called it.
 *
 * - **S2** The next item is asked for only when there is credit for it: a reader that stops stops the generator.
 * - **S3** However it ends, the generator is given its end once (`return`), so that its `finally` runs.
 */
export class ServedStream implements ChunkSource {
  readonly #items: AsyncIterator<unknown>;
  #reason: TuttiError | undefined;
  #wake: (() => void) | undefined;

  constructor(items: AsyncIterable<unknown>) {
    this.#items = items[Symbol.asyncIterator]();
  }

  /**
   * Writes what there is, as fast as it is taken.
   *
   * @returns what the generator returned.
   * @throws what the generator threw, why it was stopped, or why an item could not travel.
   */
  async writeTo(writer: ChunkWriter): Promise<unknown> {
    let isOver = false;
    try {
      while (this.#reason === undefined) {
        if (!writer.isWritable) {
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
          continue;
        }
        // A generator that throws has ended by it.
        isOver = true;
        const item = await this.#items.next();
        if (item.done === true) return item.value;
        isOver = false;
        if (this.#reason === undefined) writer.write(item.value);
      }
      throw this.#reason;
    } finally {
      writer.end();
      if (!isOver) await this.#items.return?.();
    }
  }

  onWritable(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }

  onBroken(error: TuttiError): void {
    this.stop(error);
  }

  /** Nobody wants more of it. A generator that is at work may go on to its next `yield`, and ends there. */
  stop(reason: TuttiError): void {
    this.#reason ??= reason;
    this.onWritable();
  }
}

export function isAsyncIterable(value: unknown): value is AsyncIterable<unknown> {
  return typeof value === "object" && value !== null && Symbol.asyncIterator in value;
}
