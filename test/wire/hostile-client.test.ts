import net from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { TuttiError } from "../../src/errors/tutti-error.ts";
import { seededRandom } from "../../src/policy/seeded-random.ts";
import { encodeCalls, encodeChunks, encodeHello } from "../../src/wire/encode-frame.ts";
import { Peer } from "../../src/wire/peer.ts";
import { DEFAULT_WIRE_LIMITS, PROTOCOL_VERSION } from "../../src/wire/protocol.ts";
import { connectUnix, listenUnix, type UnixListener } from "../../src/wire/socket-transport.ts";
import { encodeArguments, encodeValue } from "../../src/wire/value-codec.ts";
import { mutate, validFrames } from "./frame-mutations.ts";
import { echo, makeCall, TestService } from "./test-service.ts";
import { openUnixRawPair, socketPath } from "./transport-pairs.ts";

const TOKEN = "the right token";
const LIMITS = DEFAULT_WIRE_LIMITS;
const MAX_BUFFERED_BYTES = 4 << 20;

const goodHello = () => encodeHello({ name: "mallory", token: TOKEN });

function callFrame(id: number, args: readonly unknown[]): Buffer {
  const call = {
    id,
    target: 1,
    method: "run",
    requestId: "",
    deadlineAtMs: Number.POSITIVE_INFINITY,
    priority: 0,
    lean: false,
    idempotent: false,
    payload: 0,
  };
  return encodeCalls([call], [encodeArguments(args)], 0);
}

function lengthOnly(bytes: number): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt32LE(bytes, 0);
  header[4] = 2;
  return header;
}

/** A flaw of a frame, not of a connection: the length stays what it is. */
function withLength(frame: Buffer): Buffer {
  const padded = Buffer.concat([
    frame,
    Buffer.alloc((8 - (frame.length % 8)) % 8 || (frame.length === 0 ? 8 : 0)),
  ]);
  padded.writeUInt32LE(padded.length, 0);
  return padded;
}

describe("a peer that listens on a unix socket", () => {
  let path: string;
  let remove: () => void;
  let listener: UnixListener;
  let good: Peer;
  let reasons: TuttiError[];
  let waiting: (() => void)[];
  const raws: net.Socket[] = [];

  beforeEach(async () => {
    ({ path, remove } = socketPath());
    // Its own, so that what an earlier test's connections still report is not this one's.
    const own: TuttiError[] = [];
    reasons = own;
    waiting = [];
    const service = new TestService();
    service.answer = echo;
    listener = await listenUnix(path, LIMITS, (transport) => {
      new Peer(transport, {
        hello: { name: "server", token: "" },
        expectedToken: TOKEN,
        service,
        maxBufferedBytes: MAX_BUFFERED_BYTES,
        onClose: (reason) => {
          own.push(reason);
          for (const resolve of waiting.splice(0)) resolve();
        },
      });
    });
    good = new Peer(await connectUnix(path, LIMITS, 5_000), { hello: { name: "good", token: TOKEN } });
    await good.opened;
  });
  afterEach(async () => {
    for (const raw of raws.splice(0)) raw.destroy();
    good.close();
    await listener.close();
    remove();
  });

  const connect = async (): Promise<net.Socket> => {
    const raw = net.connect({ path });
    raws.push(raw);
    raw.on("error", () => {});
    await new Promise((resolve) => raw.once("connect", resolve));
    return raw;
  };
  const untilClosed = async (count: number) => {
    while (reasons.length < count) await new Promise<void>((resolve) => waiting.push(resolve));
  };
  const expectUndisturbed = async () => {
    expect(await makeCall(good, ["as before"]).ended).toEqual({ ok: true, value: "as before" });
  };

  it.each<[string, Buffer[], string, RegExp]>([
    [
      "text of another protocol",
      [Buffer.from("GET / HTTP/1.1\r\nhost: x\r\n\r\n")],
      "ProtocolError",
      /^frame: /,
    ],
    ["zeros", [Buffer.alloc(4_096)], "ProtocolError", /^frame: length 0$/],
    [
      "a length beyond the limit",
      [lengthOnly(LIMITS.maxFrameBytes + 8)],
      "ProtocolError",
      /above the limit of 67108864/,
    ],
    ["a length that is no multiple of 8", [lengthOnly(1_001)], "ProtocolError", /^frame: length 1001$/],
    ["calls before a hello", [callFrame(1, [1])], "ProtocolError", /^a frame came before the hello$/],
    [
      "a wrong token",
      [encodeHello({ name: "mallory", token: "a guess" })],
      "ProtocolError",
      /^mallory does not belong/,
    ],
    [
      "an empty token",
      [encodeHello({ name: "mallory", token: "" })],
      "ProtocolError",
      /^mallory does not belong/,
    ],
    [
      "another version",
      [encodeHello({ name: "mallory", token: TOKEN }, 9)],
      "VersionMismatch",
      new RegExp(`version 9, this end ${PROTOCOL_VERSION}`),
    ],
    [
      "a hello without its magic number",
      [withLength(Buffer.from([0, 0, 0, 0, 1, 0, 1, 0, 1, 2, 3, 4, 0, 0, 0, 0]))],
      "ProtocolError",
      /magic/,
    ],
    [
      "chunks of a stream that it was not asked for",
      [goodHello(), encodeChunks([1], [encodeValue("unasked")])],
      "ProtocolError",
      /no stream that is open/,
    ],
    [
      "a frame of an unknown type",
      [goodHello(), withLength(Buffer.from([0, 0, 0, 0, 77, 0, 0, 0]))],
      "ProtocolError",
      /type 77/,
    ],
    [
      "calls that are not there",
      [goodHello(), withLength(Buffer.from([0, 0, 0, 0, 2, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0]))],
      "ProtocolError",
      /truncated/,
    ],
  ])("closes one that sends %s, by name, and serves the others", async (_, bytes, code, message) => {
    const raw = await connect();
    const closed = new Promise((resolve) => raw.once("close", resolve));
    raw.resume();
    raw.write(Buffer.concat(bytes));
    await untilClosed(1);
    await closed;
    expect(reasons).toMatchObject([{ code, message: expect.stringMatching(message) }]);
    await expectUndisturbed();
  });

  it("closes, as PeerClosed, one that leaves in the middle of a frame", async () => {
    const raw = await connect();
    raw.write(Buffer.concat([goodHello(), callFrame(1, ["x".repeat(10_000)]).subarray(0, 5_000)]));
    raw.end();
    await untilClosed(1);
    expect(reasons).toMatchObject([{ code: "PeerClosed" }]);
    await expectUndisturbed();
  });

  it("goes on serving while others announce 64 MiB each and send nothing more", async () => {
    const before = process.memoryUsage();
    const announced = await Promise.all(Array.from({ length: 50 }, () => connect()));
    for (const raw of announced)
      raw.write(Buffer.concat([goodHello(), lengthOnly(LIMITS.maxFrameBytes), Buffer.alloc(64)]));
    for (let i = 0; i < 20; i++) await expectUndisturbed();
    const after = process.memoryUsage();
    expect(after.arrayBuffers - before.arrayBuffers).toBeLessThan(32 << 20);
    expect(reasons).toEqual([]);
  });

  it("survives 300 connections that send mutated frames, closing each that is not decoded", async () => {
    const random = seededRandom(20_261_122);
    const corpus = validFrames().filter((frame) => frame[4] !== 1);
    for (let i = 0; i < 300; i++) {
      const raw = await connect();
      raw.resume();
      const { frame } = mutate(corpus[i % corpus.length]!, random);
      // Half of them with an honest length, so that the decoder sees them.
      raw.write(Buffer.concat([goodHello(), i % 2 === 0 ? withLength(frame) : frame]));
      raw.end();
      await untilClosed(i + 1);
    }
    const codes = new Set(reasons.map((reason) => reason.code));
    expect([...codes].toSorted()).toEqual(["PeerClosed", "ProtocolError"]);
    await expectUndisturbed();
  });

  it("survives 100 connections that end at once, unread", async () => {
    const many = await Promise.all(Array.from({ length: 100 }, () => connect()));
    for (const raw of many) {
      raw.write(goodHello());
      raw.destroy();
    }
    await untilClosed(100);
    await expectUndisturbed();
  });

  it("closes one that asks and never reads the answers, before they fill the memory (D4)", async () => {
    const raw = await connect();
    raw.pause();
    raw.write(goodHello());
    const argument = Buffer.alloc(1 << 20);
    for (let id = 1; id <= 32; id++) raw.write(callFrame(id, [argument]));
    await untilClosed(1);
    expect(reasons).toMatchObject([
      { code: "ProtocolError", message: "the other side does not read its replies" },
    ]);
    await expectUndisturbed();
  });

  it(`names both versions to one of the future (this end speaks ${PROTOCOL_VERSION})`, async () => {
    const raw = await connect();
    raw.resume();
    raw.write(encodeHello({ name: "from-the-future", token: TOKEN }, PROTOCOL_VERSION + 1));
    await untilClosed(1);
    expect(reasons[0]!.message).toBe(
      `from-the-future speaks protocol version ${PROTOCOL_VERSION + 1}, this end ${PROTOCOL_VERSION}: run one version of tutti`,
    );
  });
});

describe("a peer that calls one which does not read", () => {
  it("is refused as Overloaded once maxBufferedBytes wait, and loses no call when the other dies (D1, D4)", async () => {
    const { transport, raw, close } = await openUnixRawPair();
    raw.pause();
    const caller = new Peer(transport, { hello: { name: "caller", token: "" }, maxBufferedBytes: 2 << 20 });
    const argument = Buffer.alloc(1 << 20);
    const calls = [];
    let refused = 0;
    while (refused === 0) {
      const call = makeCall(caller, [argument]);
      calls.push(call);
      const early = await Promise.race([
        call.ended,
        new Promise((resolve) => setImmediate(() => setImmediate(resolve))),
      ]);
      if (early !== undefined) {
        expect(early).toMatchObject({ ok: false, error: { code: "Overloaded", started: "no" } });
        refused += 1;
      }
      expect(calls.length).toBeLessThan(50);
    }
    raw.destroy();
    const outcomes = await Promise.all(calls.map((call) => call.ended));
    expect(outcomes.filter((outcome) => outcome.ok)).toEqual([]);
    expect(calls.filter((call) => call.ends.length !== 1)).toEqual([]);
    expect(outcomes[0]).toMatchObject({ error: { code: "PeerClosed", started: "maybe" } });
    await close();
  });
});
