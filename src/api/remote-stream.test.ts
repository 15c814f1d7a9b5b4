import { describe, expect, it } from "vitest";
import { systemClock } from "../clock/clock.ts";
import { TuttiError } from "../errors/tutti-error.ts";
import { STREAM_WINDOW, type StreamCredit } from "../policy/stream-credit.ts";
import { NO_STATS } from "../wire/messages.ts";
import type { CallPort, OutgoingStreamCall } from "./call-port.ts";
import { deployment } from "./deployment.ts";
import { createHandle } from "./handle-proxy.ts";

/** A port whose one stream the test makes. */
class StreamPort implements CallPort {
  readonly clock = systemClock;
  call: OutgoingStreamCall | undefined;
  calls = 0;
  cancels = 0;
  readonly granted: StreamCredit[] = [];

  dispatch(): never {
    throw new Error("a plain call was made");
  }
  dispatchMany(): never {
    throw new Error("a fan-out was made");
  }
  dispatchStream(call: OutgoingStreamCall) {
    this.call = call;
    this.calls += 1;
    return {
      grant: (credit: StreamCredit) => void this.granted.push(credit),
      cancel: () => {
        this.cancels += 1;
        this.fail(new TuttiError("Cancelled", "the call was cancelled by its caller"));
      },
    };
  }
  chunks(...values: unknown[]) {
    for (const value of values) this.call?.onChunk(value, 8);
  }
  end() {
    this.call?.onEnd({ ok: true, value: "returned" }, NO_STATS);
  }
  fail(error: TuttiError) {
    this.call?.onEnd({ ok: false, error }, NO_STATS);
  }
}

class Counter {
  async *count(_from: number): AsyncGenerator<number> {}
}

function openStream(options: { signal?: AbortSignal; deadlineMs?: number } = {}) {
  const port = new StreamPort();
  const handle = createHandle<Counter>({ deployment: "Counter", port, options, streams: new Set(["count"]) });
  const stream = handle.count(7);
  // The iterator of a stream is itself, but taking it is what may be done once.
  return { port, stream, iterator: stream as unknown as AsyncIterator<number> };
}

const failure = () => new TuttiError("ApplicationError", "a bug");
const DONE = { done: true, value: undefined };

describe("a stream method of a handle", () => {
  it("gives what can be iterated at once, and makes its call when it is first read", async () => {
    const { port, iterator } = openStream();
    expect(port.calls).toBe(0);
    const first = iterator.next();
    expect(port.call).toMatchObject({ deployment: "Counter", method: "count", args: [7], hedge: false });
    port.chunks(1);
    expect(await first).toEqual({ done: false, value: 1 });
    expect(port.calls).toBe(1);
  });

  it("gives its items in order, whether they are asked for before or after they come, and then its end", async () => {
    const { port, iterator } = openStream();
    const early = [iterator.next(), iterator.next()];
    port.chunks(1, 2, 3);
    port.end();
    expect(await Promise.all(early)).toEqual([
      { done: false, value: 1 },
      { done: false, value: 2 },
    ]);
    expect(await iterator.next()).toEqual({ done: false, value: 3 });
    expect(await iterator.next()).toEqual(DONE);
    expect(await iterator.next()).toEqual(DONE);
  });

  it("ends all who wait when it ends, the first of them by its error", async () => {
    const { port, iterator } = openStream();
    const waiting = [iterator.next(), iterator.next()];
    port.fail(failure());
    await expect(waiting[0]).rejects.toMatchObject({ code: "ApplicationError" });
    expect(await waiting[1]).toEqual(DONE);
    expect(await iterator.next()).toEqual(DONE);
  });

  it("gives what had come before it failed, then the error once", async () => {
    const { port, iterator } = openStream();
    const first = iterator.next();
    port.chunks(1, 2);
    port.fail(failure());
    expect((await first).value).toBe(1);
    expect((await iterator.next()).value).toBe(2);
    await expect(iterator.next()).rejects.toMatchObject({ code: "ApplicationError" });
    expect(await iterator.next()).toEqual(DONE);
  });

  it.each(["DeadlineExceeded", "Cancelled"] as const)(
    "drops what was not read when it ends by %s",
    async (code) => {
      const { port, iterator } = openStream();
      const first = iterator.next();
      port.chunks(1, 2, 3);
      port.fail(new TuttiError(code, "given up"));
      await first;
      await expect(iterator.next()).rejects.toMatchObject({ code });
    },
  );

  it("gives back credit for what was taken, not for what has come (S1)", async () => {
    const { port, iterator } = openStream();
    const first = iterator.next();
    const half = STREAM_WINDOW.chunks / 2;
    port.chunks(...new Array(half + 5).fill(0));
    await first;
    expect(port.granted).toEqual([]);
    for (let i = 1; i < half; i++) await iterator.next();
    expect(port.granted).toEqual([{ chunks: half, bytes: half * 8 }]);
    for (let i = 0; i < 5; i++) await iterator.next();
    expect(port.granted).toHaveLength(1);
  });

  it("is cancelled once by a reader that leaves its loop", async () => {
    const { port, stream } = openStream();
    const seen: unknown[] = [];
    const reading = (async () => {
      for await (const item of stream) {
        seen.push(item);
        if (item === 2) break;
      }
    })();
    await Promise.resolve();
    port.chunks(1, 2, 3);
    await reading;
    expect([seen, port.cancels]).toEqual([[1, 2], 1]);
  });

  it("is not called, nor cancelled, when it is left before it was read", async () => {
    const { port, iterator } = openStream();
    expect(await iterator.return?.()).toEqual(DONE);
    expect(await iterator.next()).toEqual(DONE);
    expect([port.calls, port.cancels]).toEqual([0, 0]);
  });

  it("is read once", () => {
    const { stream } = openStream();
    stream[Symbol.asyncIterator]();
    expect(() => stream[Symbol.asyncIterator]()).toThrow(/Counter\.count\(\) is read once/);
  });

  it("is cancelled by the signal of its handle, and not called when that was aborted before", async () => {
    const controller = new AbortController();
    const { port, iterator } = openStream({ signal: controller.signal });
    const first = iterator.next();
    controller.abort();
    await expect(first).rejects.toMatchObject({ code: "Cancelled" });
    expect(port.cancels).toBe(1);
    const late = openStream({ signal: controller.signal });
    await expect(late.iterator.next()).rejects.toMatchObject({ code: "Cancelled", started: "no" });
    expect(late.port.calls).toBe(0);
  });

  it("has the deadline of the moment it was asked for", () => {
    const before = performance.now();
    const { port, iterator } = openStream({ deadlineMs: 100 });
    void iterator.next();
    expect(port.call!.deadlineAtMs).toBeGreaterThanOrEqual(before + 100);
    expect(port.call!.deadlineAtMs).toBeLessThanOrEqual(performance.now() + 100);
  });

  it("of a deployment that is not running yet rejects when it is read", async () => {
    const counter = deployment(Counter).bind();
    const iterator = counter.count(1)[Symbol.asyncIterator]();
    await expect(iterator.next()).rejects.toMatchObject({ code: "NotRunning" });
  });
});
