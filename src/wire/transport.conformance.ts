import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Recorder, turns } from "../../test/wire/recorder.ts";
import type { RawPair, TransportPair } from "../../test/wire/transport-pairs.ts";
import { FRAME_HEADER_BYTES } from "./protocol.ts";

/** A frame whose every byte depends on its number and place, so that no mix-up goes unseen. */
export function numberedFrame(number: number, bytes: number): Buffer {
  const frame = Buffer.allocUnsafe(bytes);
  for (let i = FRAME_HEADER_BYTES; i < bytes; i++) frame[i] = (i * 31 + number * 17) & 0xff;
  frame.writeUInt32LE(bytes, 0);
  frame.writeUInt32LE(number, 4);
  return frame;
}

const SIZES = [8, 16, 24, 1_000, 4_096, 65_528, 65_536, 65_544, 1 << 20, 5 << 20];

/**
 * What every `Transport` promises (T1 to T4).
 *
 * @param open gives two connected ends that are not started.
 */
export function describeTransport(name: string, open: () => Promise<TransportPair>): void {
  describe(`${name} as a Transport`, () => {
    let pair: TransportPair;
    let near: Recorder;
    let far: Recorder;
    beforeEach(async () => {
      pair = await open();
      near = new Recorder();
      far = new Recorder();
    });
    afterEach(() => pair.close());

    const start = () => {
      pair.near.start(near);
      pair.far.start(far);
    };

    it("delivers frames of 8 bytes to 5 MB whole, unchanged and in order (T1)", async () => {
      start();
      const sent = SIZES.map((bytes, i) => numberedFrame(i, bytes));
      for (const frame of sent) pair.near.send(frame);
      await far.untilFrames(sent.length);
      for (const [i, frame] of far.frames.entries()) expect(frame.equals(sent[i]!)).toBe(true);
    });

    it("delivers in both directions at once (T1)", async () => {
      start();
      for (let i = 0; i < 200; i++) {
        pair.near.send(numberedFrame(i, 1_000 * 8));
        pair.far.send(numberedFrame(1_000 + i, 100 * 8));
      }
      await Promise.all([near.untilFrames(200), far.untilFrames(200)]);
      expect(far.frames.map((frame) => frame.readUInt32LE(4))).toEqual(
        Array.from({ length: 200 }, (_, i) => i),
      );
      expect(near.frames.map((frame) => frame.readUInt32LE(4))).toEqual(
        Array.from({ length: 200 }, (_, i) => 1_000 + i),
      );
    });

    it("starts every delivered frame on a multiple of 8 in memory, whatever was sent before it", async () => {
      start();
      const sizes = [8, 24, 65_544, 16, 200_008, 40, 8, 8, 1 << 20, 16];
      for (let round = 0; round < 5; round++) {
        for (const bytes of sizes) pair.near.send(numberedFrame(round, bytes));
      }
      await far.untilFrames(5 * sizes.length);
      expect(far.frames.map((frame) => frame.byteOffset % 8).filter((offset) => offset !== 0)).toEqual([]);
    });

    it("starts a frame on a multiple of 8 even when the sender's did not", async () => {
      start();
      const memory = Buffer.alloc(67);
      const frame = memory.subarray(3);
      numberedFrame(7, 64).copy(frame);
      pair.near.send(frame);
      await far.untilFrames(1);
      expect(far.frames[0]!.byteOffset % 8).toBe(0);
      expect(far.frames[0]!.equals(numberedFrame(7, 64))).toBe(true);
    });

    it("leaves a delivered frame as it is while later ones arrive, so that views may be kept (T1)", async () => {
      start();
      pair.near.send(numberedFrame(0, 4_096));
      await far.untilFrames(1);
      for (let i = 1; i < 300; i++) pair.near.send(numberedFrame(i, 4_096));
      await far.untilFrames(300);
      for (const [i, frame] of far.frames.entries()) expect(frame.equals(numberedFrame(i, 4_096))).toBe(true);
    });

    it("delivers frames that were sent before the receiver started", async () => {
      pair.near.start(near);
      for (let i = 0; i < 3; i++) pair.near.send(numberedFrame(i, 64));
      await turns();
      expect(far.frames).toEqual([]);
      pair.far.start(far);
      await far.untilFrames(3);
      expect(far.frames.map((frame) => frame.readUInt32LE(4))).toEqual([0, 1, 2]);
    });

    it("never delivers a frame from inside the call that sends it", async () => {
      start();
      pair.near.send(numberedFrame(0, 64));
      expect(far.frames).toEqual([]);
      await far.untilFrames(1);
    });

    it("delivers what was sent before a close, then ends both sides once and without a reason (T2, T4)", async () => {
      start();
      for (let i = 0; i < 20; i++) pair.near.send(numberedFrame(i, 100_000));
      pair.near.close();
      await Promise.all([near.untilClosed(), far.untilClosed()]);
      expect(far.frames).toHaveLength(20);
      expect(far.frames.every((frame, i) => frame.equals(numberedFrame(i, 100_000)))).toBe(true);
      await turns();
      expect([near.closes, far.closes]).toEqual([[undefined], [undefined]]);
      expect(far.events.at(-1)).toBe("close");
    });

    it("ends once when both sides close, twice each", async () => {
      start();
      pair.near.close();
      pair.far.close();
      pair.near.close();
      pair.far.close();
      await Promise.all([near.untilClosed(), far.untilClosed()]);
      await turns();
      expect([near.closes, far.closes]).toEqual([[undefined], [undefined]]);
    });

    it("tells its own side the reason of a destroy, and the other side the end (T2)", async () => {
      start();
      pair.near.send(numberedFrame(0, 64));
      await far.untilFrames(1);
      const reason = new Error("for a reason");
      pair.near.destroy(reason);
      pair.near.destroy(new Error("a later one"));
      await Promise.all([near.untilClosed(), far.untilClosed()]);
      await turns();
      expect(near.closes).toEqual([reason]);
      expect(far.closes).toHaveLength(1);
    });

    it("delivers nothing after a destroy, not even what has arrived already (T2)", async () => {
      const stopping = new Recorder();
      pair.near.start(near);
      pair.far.start({
        onFrame: (frame) => {
          stopping.onFrame(frame);
          pair.far.destroy(new Error("enough"));
        },
        onClose: (reason) => stopping.onClose(reason),
      });
      for (let i = 0; i < 10; i++) pair.near.send(numberedFrame(i, 64));
      await Promise.all([near.untilClosed(), stopping.untilClosed()]);
      await turns();
      expect(stopping.events).toEqual(["frame", "close"]);
    });

    it("ends once when it is closed from inside a delivery, with the frames before it (T2)", async () => {
      pair.near.start(near);
      pair.far.start({
        onFrame: (frame) => {
          far.onFrame(frame);
          pair.far.close();
        },
        onClose: (reason) => far.onClose(reason),
      });
      pair.near.send(numberedFrame(0, 64));
      await Promise.all([near.untilClosed(), far.untilClosed()]);
      await turns();
      expect(far.events).toEqual(["frame", "close"]);
      expect(near.events).toEqual(["close"]);
    });

    it("ignores what is sent after the end, on both sides, without throwing (T3)", async () => {
      start();
      pair.near.close();
      pair.near.send(numberedFrame(0, 64));
      await Promise.all([near.untilClosed(), far.untilClosed()]);
      for (const side of [pair.near, pair.far]) {
        side.send(numberedFrame(1, 64));
        side.close();
        side.destroy(new Error("too late"));
      }
      await turns();
      expect([near.events, far.events]).toEqual([["close"], ["close"]]);
    });

    it("reports the end once to a side that starts after it (T2)", async () => {
      pair.near.start(near);
      pair.near.destroy(new Error("before the other side started"));
      await near.untilClosed();
      await turns();
      pair.far.start(far);
      await far.untilClosed();
      await turns();
      expect(far.events).toEqual(["close"]);
    });

    it("reports its reason once to a side that was destroyed before it started (T2)", async () => {
      const reason = new Error("before it started");
      pair.near.destroy(reason);
      pair.near.start(near);
      pair.far.start(far);
      await Promise.all([near.untilClosed(), far.untilClosed()]);
      await turns();
      expect(near.closes).toEqual([reason]);
      expect(far.closes).toHaveLength(1);
    });

    it("counts the bytes that the other side has not taken, and none once it has", async () => {
      pair.near.start(near);
      expect(pair.near.bufferedBytes).toBe(0);
      // More than any socket's own buffers hold.
      for (let i = 0; i < 8; i++) pair.near.send(numberedFrame(i, 1 << 20));
      await turns();
      expect(pair.near.bufferedBytes).toBeGreaterThan(1 << 20);
      pair.far.start(far);
      await far.untilFrames(8);
      await turns();
      expect(pair.near.bufferedBytes).toBe(0);
    });
  });
}

/**
 * What every transport over a stream of bytes promises in addition: the stream may be cut anywhere.
 *
 * @param open gives a transport, not started, whose other end is a bare socket.
 */
export function describeByteStreamTransport(name: string, open: () => Promise<RawPair>): void {
  describe(`${name} over a stream of bytes`, () => {
    let pair: RawPair;
    let events: Recorder;
    beforeEach(async () => {
      pair = await open();
      events = new Recorder();
      pair.transport.start(events);
    });
    afterEach(() => pair.close());

    const write = (bytes: Uint8Array) =>
      new Promise<void>((resolve, reject) => {
        pair.raw.write(bytes, (error) => (error ? reject(error) : resolve()));
      });

    it("puts a frame together that is split at any byte boundary (T1)", async () => {
      const frame = numberedFrame(3, 72);
      for (let cut = 1; cut < frame.length; cut++) {
        await write(frame.subarray(0, cut));
        await write(frame.subarray(cut));
        await events.untilFrames(cut);
      }
      expect(events.frames.every((received) => received.equals(frame))).toBe(true);
      expect(events.frames.every((received) => received.byteOffset % 8 === 0)).toBe(true);
    });

    it("puts frames together that arrive one byte at a time (T1)", async () => {
      const frames = [numberedFrame(0, 8), numberedFrame(1, 40), numberedFrame(2, 16)];
      for (const byte of Buffer.concat(frames)) await write(Uint8Array.of(byte));
      await events.untilFrames(3);
      expect(Buffer.concat(events.frames).equals(Buffer.concat(frames))).toBe(true);
    });

    it("delivers each of many frames that arrive in one chunk (T1)", async () => {
      const frames = Array.from({ length: 500 }, (_, i) => numberedFrame(i, 8 + (i % 7) * 8));
      await write(Buffer.concat(frames));
      await events.untilFrames(500);
      expect(events.frames.every((frame, i) => frame.equals(frames[i]!))).toBe(true);
    });

    it("drops a frame that its sender did not live to finish, and ends once (T1, T2)", async () => {
      const frame = numberedFrame(1, 1 << 16);
      await write(Buffer.concat([numberedFrame(0, 64), frame.subarray(0, frame.length - 8)]));
      pair.raw.destroy();
      await events.untilClosed();
      await turns();
      expect(events.events).toEqual(["frame", "close"]);
    });

    it.each([
      ["of no bytes", 0],
      ["shorter than its header", 4],
      ["that is no multiple of 8", 12],
      ["beyond the limit", 0xffff_fff8],
    ])("ends with a ProtocolError on a length %s", async (_, length) => {
      const header = Buffer.alloc(8);
      header.writeUInt32LE(length, 0);
      await write(header);
      await events.untilClosed();
      expect(events.closes).toMatchObject([{ code: "ProtocolError" }]);
      expect(events.frames).toEqual([]);
    });

    it("ends when its receiver throws, rather than in an unhandled error", async () => {
      await pair.close();
      pair = await open();
      events = new Recorder();
      pair.transport.start({
        onFrame: () => {
          throw new Error("a defect in the receiver");
        },
        onClose: (reason) => events.onClose(reason),
      });
      await write(numberedFrame(0, 64));
      await events.untilClosed();
      expect(events.closes).toMatchObject([{ code: "ProtocolError", message: "a defect in the receiver" }]);
    });
  });
}
