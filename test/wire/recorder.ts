import type { TransportEvents } from "../../src/wire/transport.ts";

/** Keeps what a transport delivers, in order, and tells who waits. */
export class Recorder implements TransportEvents {
  readonly frames: Buffer[] = [];
  /** One entry for each `onClose`: its reason. */
  readonly closes: (Error | undefined)[] = [];
  readonly events: ("frame" | "close")[] = [];
  #waiting: (() => void)[] = [];

  onFrame(frame: Buffer): void {
    this.frames.push(frame);
    this.events.push("frame");
    this.#tell();
  }

  onClose(reason: Error | undefined): void {
    this.closes.push(reason);
    this.events.push("close");
    this.#tell();
  }

  async until(holds: () => boolean): Promise<void> {
    while (!holds()) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  untilFrames(count: number): Promise<void> {
    return this.until(() => this.frames.length >= count);
  }

  untilClosed(): Promise<void> {
    return this.until(() => this.closes.length > 0);
  }

  #tell(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}

/** Some turns of the event loop: what could still happen by itself has then happened. */
export async function turns(count = 10): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
}
