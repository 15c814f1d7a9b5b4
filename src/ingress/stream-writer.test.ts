import { IncomingMessage, ServerResponse } from "node:http";
import { Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { ManualClock } from "../clock/manual-clock.ts";
import { DeadlineWheel } from "./deadline-wheel.ts";
import type { EdgeStream } from "./ingress-target.ts";
import { StreamWriter } from "./stream-writer.ts";

/** A client's socket that takes what is written, or does not. */
class ClientSocket extends Socket {
  received = "";
  reads = true;
  #taken: (() => void) | undefined;

  override _write(bytes: Uint8Array, _: BufferEncoding, done: () => void): void {
    this.received += Buffer.from(bytes).toString();
    if (this.reads) done();
    else this.#taken = done;
  }

  override _writev(parts: readonly { chunk: Uint8Array }[], done: () => void): void {
    this._write(Buffer.concat(parts.map(({ chunk }) => Buffer.from(chunk))), "utf8", done);
  }

  readOn(): void {
    this.reads = true;
    this.#taken?.();
  }
}

const wheels: DeadlineWheel[] = [];
afterEach(() => {
  for (const wheel of wheels.splice(0)) wheel.close();
});

function begun({
  format = "events",
  heartbeatMs = 100,
}: {
  format?: EdgeStream["format"];
  heartbeatMs?: number;
} = {}) {
  const clock = new ManualClock();
  const wheel = new DeadlineWheel(4, clock);
  wheels.push(wheel);
  const socket = new ClientSocket();
  const response = new ServerResponse(new IncomingMessage(socket));
  response.assignSocket(socket);
  const stream: EdgeStream = { format, start: () => {}, taken: () => {} };
  const writer = new StreamWriter({
    response,
    stream,
    clock,
    wheel,
    heartbeatMs,
    takesTrailers: false,
    onEnd: () => {},
  });
  writer.begin(200, []);
  const write = (text: string) => writer.onChunk(Buffer.from(text));
  const heartbeats = () => socket.received.split(": heartbeat\n\n").length - 1;
  return { clock, wheel, socket, writer, write, heartbeats };
}

describe("a stream of events", () => {
  it("that is silent gets a comment each time so much time has passed", async () => {
    const { clock, heartbeats } = begun();
    await clock.advance(95);
    expect(heartbeats()).toBe(0);
    await clock.advance(13);
    expect(heartbeats()).toBe(1);
    await clock.advance(312);
    expect(heartbeats()).toBe(4);
  });

  it("gets none while events come", async () => {
    const { clock, write, heartbeats } = begun();
    for (let i = 0; i < 20; i++) {
      write("data: 1\n\n");
      await clock.advance(60);
    }
    expect(heartbeats()).toBe(0);
    await clock.advance(60);
    expect(heartbeats()).toBe(1);
  });

  it.each([
    ["half of it", "data: {"],
    ["its line, not its end", 'data: "x"\n'],
  ])("gets none in the midst of an event: %s", async (_, part) => {
    const { clock, write, heartbeats } = begun();
    write(part);
    await clock.advance(500);
    expect(heartbeats()).toBe(0);
    write(part.endsWith("\n") ? "\n" : "}\n\n");
    await clock.advance(120);
    expect(heartbeats()).toBe(1);
  });

  it("gets none while its client does not read, so that nothing gathers", async () => {
    const { clock, socket, write, heartbeats } = begun();
    socket.reads = false;
    write("data: 1\n\n");
    await clock.advance(1_000);
    expect(heartbeats()).toBe(0);
    socket.readOn();
    await clock.advance(120);
    expect(heartbeats()).toBe(1);
  });

  it("leaves nothing behind when it is left", async () => {
    const { clock, wheel, writer, heartbeats } = begun();
    await clock.advance(150);
    expect(wheel.size).toBe(1);
    writer.leave();
    expect(wheel.size).toBe(0);
    await clock.advance(500);
    expect([heartbeats(), clock.pending]).toEqual([1, 0]);
  });
});

describe("no heartbeat", () => {
  it.each([
    ["is where it is turned off", { heartbeatMs: 0 }],
    ["is in lines", { format: "lines" }],
    ["is in bytes that mean what they mean", { format: "bytes" }],
  ] as const)("%s", async (_, options) => {
    const { clock, wheel, heartbeats } = begun(options);
    await clock.advance(1_000);
    expect([heartbeats(), wheel.size]).toEqual([0, 0]);
  });
});
