import type { ServerResponse } from "node:http";
import { type Clock, everyInBackground, systemClock } from "../clock/clock.ts";
import type { LoggedEvent } from "../observe/event-log.ts";
import type { AdminSource } from "./admin-source.ts";

export const EVENTS_TYPE = "text/event-stream";

const MAX_READERS = 16;
/** A reader that has left more than this unread is let go: it may come back, and say what it knows. */
const MAX_UNREAD_BYTES = 64 * 1024;
/** Less than a connection may be silent. */
const ALIVE_EVERY_MS = 5_000;

/** Server-sent events for a bounded number of readers, each with a bounded number of bytes on its way. */
export class EventStreams {
  readonly #source: Pick<AdminSource, "readEvents">;
  readonly #clock: Clock;
  #readers = 0;

  constructor(source: Pick<AdminSource, "readEvents">, clock: Clock = systemClock) {
    this.#source = source;
    this.#clock = clock;
  }

  get isFull(): boolean {
    return this.#readers >= MAX_READERS;
  }

  /** @param response whose head was written; it is written to until its reader goes or is too slow. */
  open(response: ServerResponse, lastEventId: string | undefined): void {
    this.#readers += 1;
    const write = (text: string) => {
      if (response.writableLength > MAX_UNREAD_BYTES) response.destroy();
      else response.write(text);
    };
    const cancelAlive = everyInBackground(this.#clock, ALIVE_EVERY_MS, () => write(":\n\n"));
    write(":\n\n");
    const end = this.#source.readEvents(idOf(lastEventId), (logged) => write(textOf(logged)));
    response.once("close", () => {
      this.#readers -= 1;
      cancelAlive();
      end();
    });
  }
}

function textOf({ id, atEpochMs, event: { type, ...facts } }: LoggedEvent): string {
  const data = JSON.stringify({ at: new Date(atEpochMs).toISOString(), ...facts });
  return `id: ${id}\nevent: ${type}\ndata: ${data}\n\n`;
}

/** What is no id of ours says nothing. */
const idOf = (text: string | undefined): number | undefined =>
  text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
