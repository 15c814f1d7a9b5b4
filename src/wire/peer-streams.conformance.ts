import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { turns } from "../../test/wire/recorder.ts";
import { TappedTransport } from "../../test/wire/tapped-transport.ts";
import { echo, makeCall, TestService } from "../../test/wire/test-service.ts";
import { TestReader, TestSource } from "../../test/wire/test-stream.ts";
import type { TransportPair } from "../../test/wire/transport-pairs.ts";
import { TuttiError } from "../errors/tutti-error.ts";
import { STREAM_WINDOW } from "../policy/stream-credit.ts";
import { decodeFrame } from "./decode-frame.ts";
import { encodeChunks, encodeCredit } from "./encode-frame.ts";
import { NO_STATS } from "./messages.ts";
import type { StreamRequest } from "./outstanding-stream.ts";
import { Peer, type PeerOptions } from "./peer.ts";
import { DEFAULT_WIRE_LIMITS } from "./protocol.ts";
import { Tensor } from "./tensor.ts";
import { encodeValue } from "./value-codec.ts";

const { chunks: WINDOW_CHUNKS, bytes: WINDOW_BYTES } = STREAM_WINDOW;
const many = (count: number) => Array.from({ length: count }, (_, i) => i);
function* endless(value: unknown): Generator<unknown> {
  for (;;) yield value;
}

/**
 * What two peers promise of a call that is answered by a stream, over any transport: D1, D2, D4, D6 and S1.
 *
 * @param open gives two connected transports that are not started.
 */
export function describePeerStreams(name: string, open: () => Promise<TransportPair>): void {
  describe(`a stream between Peers over ${name}`, () => {
    let pair: TransportPair;
    let near: TappedTransport;
    let far: TappedTransport;
    let service: TestService;
    let caller: Peer;
    let server: Peer;
    let closed: PromiseWithResolvers<TuttiError>;
    beforeEach(async () => {
      pair = await open();
      near = new TappedTransport(pair.near);
      far = new TappedTransport(pair.far);
      service = new TestService();
    });
    afterEach(() => pair.close());

    const connect = async (ofServer: Partial<PeerOptions> = {}) => {
      closed = Promise.withResolvers<TuttiError>();
      caller = new Peer(near, { hello: { name: "caller", token: "" }, onClose: closed.resolve });
      server = new Peer(far, { hello: { name: "server", token: "" }, service, ...ofServer });
      await Promise.all([caller.opened, server.opened]);
    };
    /** A call that the other side has begun to answer by a stream. */
    const openStream = async (request: Partial<StreamRequest> = {}) => {
      const before = service.calls.length;
      const reader = new TestReader(caller, request);
      await service.untilCalls(before + 1);
      return { reader, source: new TestSource(server, service.calls[before]!) };
    };
    const finish = ({ reader, source }: { reader: TestReader; source: TestSource }, value?: unknown) => {
      source.writer.end();
      server.reply(reader.id, { ok: true, value }, NO_STATS);
    };
    const chunksOf = (frame: Buffer) => {
      const message = decodeFrame(frame, DEFAULT_WIRE_LIMITS, 0);
      return message.type === "chunks" ? message.chunks.length : 0;
    };

    it("gives its chunks in their order, and then its end with what was returned (D1)", async () => {
      await connect();
      const stream = await openStream();
      const tensor = new Tensor("float32", new Float32Array([1, 2]), [2]);
      stream.source.writeAll(["a", { b: 1 }, undefined, tensor, Buffer.from("bytes")]);
      finish(stream, "the end");
      expect(await stream.reader.untilEnd()).toEqual({ ok: true, value: "the end" });
      const [text, object, nothing, received, bytes] = stream.reader.chunks;
      expect([text, object, nothing]).toEqual(["a", { b: 1 }, undefined]);
      expect((received as Tensor).data).toEqual(tensor.data);
      expect(Buffer.from(bytes as Uint8Array).toString()).toBe("bytes");
      expect(stream.reader.ends).toHaveLength(1);
      expect([caller.outstandingCalls, server.outstandingCalls]).toEqual([0, 0]);
    });

    it("is what the other side says: a call that takes a stream may get a plain answer", async () => {
      await connect();
      service.answer = echo;
      const reader = new TestReader(caller, { args: ["plain"] });
      expect(await reader.untilEnd()).toEqual({ ok: true, value: "plain" });
      expect(service.calls[0]).toMatchObject({ takesStream: true });
      expect(reader.chunks).toEqual([]);
    });

    it("shares a frame with the other streams of its tick, ahead of the ends (D6)", async () => {
      await connect();
      const [one, two] = [await openStream(), await openStream()];
      await turns();
      far.sent.length = 0;
      one.source.writeAll([1, 2]);
      two.source.writeAll([3]);
      finish(one);
      one.source.writer.end();
      two.source.writeAll([4]);
      await one.reader.untilEnd();
      await two.reader.untilChunks(2);
      expect(far.sentOf("chunks").map(chunksOf)).toEqual([4]);
      expect(far.sent.map((frame) => frame[4])).toEqual([7, 3]);
      expect([one.reader.chunks, two.reader.chunks]).toEqual([
        [1, 2],
        [3, 4],
      ]);
    });

    it("keeps what a chunk was when it was written, though its memory is used again", async () => {
      await connect();
      const { reader, source } = await openStream();
      const buffer = new Uint8Array(4);
      for (const value of [1, 2, 3]) {
        buffer.fill(value);
        source.writer.write(buffer);
        source.writer.write(new Tensor("uint8", buffer, [4]));
      }
      await reader.untilChunks(6);
      const firsts = reader.chunks.map((chunk) =>
        chunk instanceof Tensor ? chunk.data[0] : (chunk as Uint8Array)[0],
      );
      expect(firsts).toEqual([1, 1, 2, 2, 3, 3]);
    });

    it("cuts the chunks of one tick into frames within maxFrameBytes", async () => {
      const limits = { ...DEFAULT_WIRE_LIMITS, maxFrameBytes: 1 << 14 };
      await connect({ limits });
      const { reader, source } = await openStream();
      source.writeAll(many(20).map(() => new Uint8Array(3_000)));
      await reader.untilChunks(20);
      const frames = far.sentOf("chunks");
      expect(frames.length).toBeGreaterThan(5);
      expect(Math.max(...frames.map(({ length }) => length))).toBeLessThanOrEqual(1 << 14);
    });

    describe("its credit (S1)", () => {
      it("is a window of chunks, and then what the reader grants", async () => {
        await connect();
        const { reader, source } = await openStream();
        expect(source.writeAll(endless(0))).toBe(WINDOW_CHUNKS);
        await reader.untilChunks(WINDOW_CHUNKS);
        await turns();
        expect([source.writable, source.writer.isWritable]).toEqual([0, false]);
        caller.grant(reader.id, { chunks: 5, bytes: 5 * reader.sizes[0]! });
        await source.until(() => source.writable === 1);
        expect(source.writeAll(endless(0))).toBe(5);
        await reader.untilChunks(WINDOW_CHUNKS + 5);
      });

      it("is a window of bytes, beyond which one chunk may go that was begun within", async () => {
        await connect();
        const { reader, source } = await openStream();
        expect(source.writeAll(endless(new Uint8Array(WINDOW_BYTES / 4 - 1)))).toBe(5);
        await reader.untilChunks(5);
        caller.grant(reader.id, { chunks: 4, bytes: WINDOW_BYTES / 4 - 5 });
        await source.until(() => source.writable === 1);
        expect(source.writer.isWritable).toBe(false);
        caller.grant(reader.id, { chunks: 1, bytes: 1 });
        await source.until(() => source.writable === 2);
        expect(source.writeAll(endless(0))).toBe(1);
      });

      it("is of each stream by itself: one that is not read does not hold up another", async () => {
        await connect();
        const [stuck, read] = [await openStream(), await openStream()];
        stuck.source.writeAll(endless(0));
        for (let round = 0; round < 10; round++) {
          expect(read.source.writeAll(endless(round))).toBe(WINDOW_CHUNKS);
          await read.reader.untilChunks(WINDOW_CHUNKS * (round + 1));
          caller.grant(read.reader.id, { chunks: WINDOW_CHUNKS, bytes: WINDOW_CHUNKS });
          await read.source.until(() => read.source.writable === round + 1);
        }
        expect(stuck.reader.chunks).toHaveLength(WINDOW_CHUNKS);
      });

      it("shares a frame with that of other streams (D6)", async () => {
        await connect();
        const streams = [await openStream(), await openStream()];
        for (const { source } of streams) source.writeAll([1, 2]);
        await Promise.all(streams.map(({ reader }) => reader.untilChunks(2)));
        for (const { reader } of streams) caller.grant(reader.id, { chunks: 2, bytes: 2 });
        await Promise.all(streams.map(({ source }) => source.until(() => source.writable === 1)));
        expect(near.sentOf("credit")).toHaveLength(1);
      });

      it("is not given while the transport holds too much, and is told when it has given it on (D4)", async () => {
        await connect({ maxBufferedBytes: 4_000 });
        const { source } = await openStream();
        far.pretendedBytes = 1_001;
        expect(source.writer.isWritable).toBe(false);
        far.pretendedBytes = 1_000;
        expect([source.writable, source.writer.isWritable]).toEqual([0, true]);
        far.pretendedBytes = 1_001;
        expect(source.writer.isWritable).toBe(false);
        far.pretendedBytes = 0;
        far.drain();
        expect(source.writable).toBe(1);
      });

      it("granted for what has ended, or never was, changes nothing", async () => {
        await connect();
        const stream = await openStream();
        stream.source.writeAll([1]);
        finish(stream);
        await stream.reader.untilEnd();
        caller.grant(stream.reader.id, { chunks: 1, bytes: 1 });
        caller.grant(12345, { chunks: 1, bytes: 1 });
        near.send(encodeCredit([{ id: stream.reader.id, chunks: 1, bytes: 1 }]));
        await turns();
        expect(near.sentOf("credit")).toHaveLength(1);
        service.answer = echo;
        expect(await makeCall(caller, ["serving"]).ended).toEqual({ ok: true, value: "serving" });
      });
    });

    describe("its end (D1)", () => {
      it("is the error that it ended with, after what came before", async () => {
        await connect();
        const { reader, source } = await openStream();
        source.writeAll([1]);
        source.writer.end();
        server.reply(reader.id, { ok: false, error: new TuttiError("ApplicationError", "a bug") }, NO_STATS);
        expect(await reader.untilEnd()).toMatchObject({ ok: false, error: { code: "ApplicationError" } });
        expect(reader.chunks).toEqual([1]);
      });

      it("says started yes once a chunk has come, whatever ended it, and else what it is (D3)", async () => {
        await connect();
        const [begun, fresh] = [await openStream(), await openStream()];
        begun.source.writeAll([1]);
        await begun.reader.untilChunks(1);
        pair.far.destroy(new Error("killed"));
        expect(await begun.reader.untilEnd()).toMatchObject({
          error: { code: "PeerClosed", started: "yes" },
        });
        expect(await fresh.reader.untilEnd()).toMatchObject({
          error: { code: "PeerClosed", started: "maybe" },
        });
      });

      it("is PeerClosed on both sides when the connection ends, and nothing is written after it", async () => {
        await connect();
        const { reader, source } = await openStream();
        source.writeAll([1]);
        await reader.untilChunks(1);
        near.destroy(new Error("cut"));
        await source.until(() => source.broken.length > 0);
        expect(source.broken).toMatchObject([{ code: "PeerClosed" }]);
        source.writeAll([2]);
        source.writer.end();
        await turns();
        expect(reader.chunks).toEqual([1]);
        expect(reader.ends).toHaveLength(1);
      });

      it("is told to a source whose connection had ended before it began", async () => {
        await connect();
        new TestReader(caller);
        await service.untilCalls(1);
        near.destroy(new Error("cut"));
        await turns();
        const source = new TestSource(server, service.calls[0]!);
        await source.until(() => source.broken.length > 0);
        expect(source.broken).toHaveLength(1);
      });

      it("is Cancelled at once when the reader cancels; what is on its way is dropped, and the connection serves on", async () => {
        await connect();
        const { reader, source } = await openStream();
        source.writeAll([1, 2]);
        await reader.untilChunks(2);
        caller.cancel(reader.id);
        expect(await reader.untilEnd()).toMatchObject({ error: { code: "Cancelled", started: "yes" } });
        source.writeAll(many(10));
        await service.until(() => service.cancelled.length > 0);
        expect(service.cancelled).toEqual([reader.id]);
        // It is over for its caller, but not for the connection: the other side has not ended it.
        expect(caller.outstandingCalls).toBe(1);
        source.writeAll(many(10));
        source.writer.end();
        server.reply(reader.id, { ok: false, error: new TuttiError("Cancelled", "as asked") }, NO_STATS);
        await turns();
        expect(caller.outstandingCalls).toBe(0);
        expect([reader.chunks.length, reader.ends.length]).toEqual([2, 1]);
        caller.cancel(reader.id);
        service.answer = echo;
        expect(await makeCall(caller, ["serving"]).ended).toEqual({ ok: true, value: "serving" });
      });

      it("never leaves when it is cancelled in the tick of its call", async () => {
        await connect();
        const reader = new TestReader(caller);
        caller.cancel(reader.id);
        expect(reader.ends).toMatchObject([{ error: { code: "Cancelled", started: "no" } }]);
        await turns();
        expect(service.calls).toEqual([]);
        expect(caller.outstandingCalls).toBe(0);
      });

      it("is DeadlineExceeded at its deadline, though chunks come all the time (D2)", async () => {
        await connect();
        const stream = await openStream({ deadlineAtMs: performance.now() + 60 });
        const { reader, source } = stream;
        source.writeAll([0]);
        const outcome = await reader.until(() => {
          if (reader.ends.length === 0) caller.grant(reader.id, { chunks: 1, bytes: 1 });
          return reader.ends.length > 0;
        });
        expect(outcome).toBeUndefined();
        expect(reader.ends).toMatchObject([{ error: { code: "DeadlineExceeded", started: "yes" } }]);
        await service.until(() => service.cancelled.length > 0);
        finish(stream);
        await turns();
        expect([reader.ends.length, caller.outstandingCalls]).toEqual([1, 0]);
      });
    });

    describe("an item that cannot travel", () => {
      it("is refused when it is written, and nothing of it is sent", async () => {
        await connect();
        const { reader, source } = await openStream();
        expect(() => source.writer.write(() => {})).toThrow(
          expect.objectContaining({ code: "NotSerialisable" }),
        );
        source.writeAll(["next"]);
        await reader.untilChunks(1);
        expect(reader.chunks).toEqual(["next"]);
      });

      it("is PayloadTooLarge beyond half a frame", async () => {
        await connect({ limits: { ...DEFAULT_WIRE_LIMITS, maxFrameBytes: 1 << 12 } });
        const { source } = await openStream();
        expect(() => source.writer.write(new Uint8Array((1 << 11) + 1))).toThrow(
          expect.objectContaining({ code: "PayloadTooLarge", status: 500 }),
        );
      });
    });

    describe("a peer that does not keep to it ends the connection", () => {
      const chunksFor = (id: number, count: number) =>
        encodeChunks(new Array(count).fill(id), new Array(count).fill(encodeValue(0)));

      it.each<[string, RegExp, (reader: TestReader) => Buffer]>([
        ["chunks beyond the credit", /beyond its credit/, ({ id }) => chunksFor(id, WINDOW_CHUNKS + 1)],
        [
          "bytes beyond the credit",
          /beyond its credit/,
          ({ id }) => encodeChunks([id, id], [encodeValue(new Uint8Array(WINDOW_BYTES)), encodeValue(0)]),
        ],
        ["a chunk of no call", /no stream that is open/, () => chunksFor(99, 1)],
      ])("by %s", async (_, message, frame) => {
        await connect();
        const { reader } = await openStream();
        far.send(frame(reader));
        expect(await closed.promise).toMatchObject({ code: "ProtocolError" });
        expect((await closed.promise).message).toMatch(message);
        expect(reader.ends).toHaveLength(1);
      });

      it("by a chunk after the end", async () => {
        await connect();
        const stream = await openStream();
        finish(stream);
        await stream.reader.untilEnd();
        far.send(chunksFor(stream.reader.id, 1));
        expect((await closed.promise).message).toMatch(/no stream that is open/);
      });

      it("by chunks beyond the credit of a stream that was cancelled", async () => {
        await connect();
        const { reader } = await openStream();
        caller.cancel(reader.id);
        await service.until(() => service.cancelled.length > 0);
        far.send(chunksFor(reader.id, WINDOW_CHUNKS + 1));
        expect((await closed.promise).message).toMatch(/beyond its credit/);
      });

      it("by a stream in answer to a call that takes none", async () => {
        await connect();
        const call = makeCall(caller, []);
        await service.untilCalls(1);
        far.send(chunksFor(call.id, 1));
        expect((await closed.promise).message).toMatch(/takes no stream/);
        expect(await call.ended).toMatchObject({ ok: false });
      });

      it.each([
        ["chunks", { chunks: 1, bytes: 0 }],
        ["bytes", { chunks: 1, bytes: 2 }],
        ["all that a number can say", { chunks: 0xffff_ffff, bytes: 0xffff_ffff }],
      ])("by granting more than was used: %s", async (what, credit) => {
        const end = Promise.withResolvers<TuttiError>();
        await connect({ onClose: end.resolve });
        const { reader, source } = await openStream();
        if (what === "bytes") source.writer.write(0);
        near.send(encodeCredit([{ id: reader.id, ...credit }]));
        expect(await end.promise).toMatchObject({ code: "ProtocolError" });
        expect((await end.promise).message).toMatch(/granted more/);
        expect(source.broken).toHaveLength(1);
      });

      it("but not by opening a stream twice, which fails that call alone", async () => {
        await connect();
        const { source } = await openStream();
        expect(() => new TestSource(server, service.calls[0]!)).toThrow(
          expect.objectContaining({ code: "ProtocolError" }),
        );
        expect(source.writer.isWritable).toBe(true);
      });
    });
  });
}
