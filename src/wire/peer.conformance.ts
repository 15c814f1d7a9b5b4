import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Recorder, turns } from "../../test/wire/recorder.ts";
import { repliesOf } from "../../test/wire/replies-of.ts";
import { TappedTransport } from "../../test/wire/tapped-transport.ts";
import { echo, type MadeCall, makeCall, TestService } from "../../test/wire/test-service.ts";
import type { TransportPair } from "../../test/wire/transport-pairs.ts";
import { HttpError, TuttiError } from "../errors/tutti-error.ts";
import { decodeFrame } from "./decode-frame.ts";
import { encodeCalls, encodeHello, encodeReplies } from "./encode-frame.ts";
import {
  type CallOutcome,
  type CallStats,
  type IncomingCall,
  type LoadReport,
  NO_STATS,
  type RowsOfResult,
} from "./messages.ts";
import type { FanoutRequest } from "./outstanding.ts";
import { NO_LOAD, Peer, type PeerOptions } from "./peer.ts";
import { DEFAULT_WIRE_LIMITS, PROTOCOL_VERSION } from "./protocol.ts";
import { Tensor } from "./tensor.ts";
import { encodeValue } from "./value-codec.ts";

const SMALL_LIMITS = { ...DEFAULT_WIRE_LIMITS, maxFrameBytes: 1 << 16 };

/** Eight bytes that nothing else in a frame holds. */
const MARK = Buffer.from("d0a1b2c3e4f59687", "hex");
const markedTensor = () => new Tensor("float64", new Float64Array(new Uint8Array(MARK).buffer), [1]);

const countOf = (frames: readonly Buffer[], bytes: Buffer): number => {
  let count = 0;
  for (const frame of frames) {
    for (let at = frame.indexOf(bytes); at >= 0; at = frame.indexOf(bytes, at + 1)) count += 1;
  }
  return count;
};

const nested = (depth: number): unknown => {
  let value: unknown = 1;
  for (let i = 0; i < depth; i++) value = [value];
  return value;
};

/**
 * What two peers promise each other over any transport: D1, D2, D4 and D6, and that a bad value fails alone.
 *
 * @param open gives two connected transports that are not started.
 */
export function describePeer(name: string, open: () => Promise<TransportPair>): void {
  describe(`a Peer over ${name}`, () => {
    let pair: TransportPair;
    let near: TappedTransport;
    let far: TappedTransport;
    let service: TestService;
    let caller: Peer;
    let server: Peer;
    beforeEach(async () => {
      pair = await open();
      near = new TappedTransport(pair.near);
      far = new TappedTransport(pair.far);
      service = new TestService();
    });
    afterEach(() => pair.close());

    const openCaller = (options: Partial<PeerOptions> = {}) => {
      caller = new Peer(near, { hello: { name: "caller", token: "secret" }, ...options });
      return caller;
    };
    const openServer = (options: Partial<PeerOptions> = {}) => {
      server = new Peer(far, { hello: { name: "server", token: "" }, service, ...options });
      return server;
    };
    const connect = async (ofCaller: Partial<PeerOptions> = {}, ofServer: Partial<PeerOptions> = {}) => {
      openCaller(ofCaller);
      openServer(ofServer);
      await Promise.all([caller.opened, server.opened]);
    };
    /** Proves that a connection still serves. */
    const expectServing = async () => {
      service.answer = echo;
      expect(await makeCall(caller, ["still there?"]).ended).toEqual({ ok: true, value: "still there?" });
    };

    describe("greeting", () => {
      it("tells each side the other's name", async () => {
        await connect();
        expect([(await caller.opened).name, (await server.opened).name]).toEqual(["server", "caller"]);
      });

      it("takes calls that are made before the greeting", async () => {
        service.answer = echo;
        openCaller();
        const call = makeCall(caller, [7]);
        openServer();
        expect(await call.ended).toEqual({ ok: true, value: 7 });
      });

      it("refuses another protocol version with a VersionMismatch that names both", async () => {
        const events = new Recorder();
        near.start(events);
        near.send(encodeHello({ name: "from-the-future", token: "secret" }, PROTOCOL_VERSION + 41));
        const closed = Promise.withResolvers<TuttiError>();
        openServer({ onClose: closed.resolve });
        await expect(server.opened).rejects.toMatchObject({
          code: "VersionMismatch",
          message: `from-the-future speaks protocol version ${PROTOCOL_VERSION + 41}, this end ${PROTOCOL_VERSION}: run one version of tutti`,
        });
        expect((await closed.promise).code).toBe("VersionMismatch");
        await events.untilClosed();
      });

      it("takes the right token and refuses a wrong one, naming who showed it", async () => {
        await connect({}, { expectedToken: "secret" });
        await expectServing();
        await pair.close();
        pair = await open();
        near = new TappedTransport(pair.near);
        far = new TappedTransport(pair.far);
        openServer({ expectedToken: "secret2" });
        openCaller();
        await expect(server.opened).rejects.toMatchObject({
          code: "ProtocolError",
          message: "caller does not belong to this node",
        });
      });

      it("starts no call of one who shows a wrong token (D1: they end as PeerClosed)", async () => {
        openServer({ expectedToken: "another" });
        openCaller();
        const call = makeCall(caller, [1]);
        expect(await call.ended).toMatchObject({ ok: false, error: { code: "PeerClosed" } });
        expect(service.calls).toEqual([]);
        expect(call.ends).toHaveLength(1);
      });

      it("refuses a frame before the hello without reading it", async () => {
        const events = new Recorder();
        near.start(events);
        // Not a valid frame of calls: were it decoded, the message would say so.
        const frame = Buffer.alloc(16);
        frame.writeUInt32LE(16, 0);
        frame[4] = 2;
        near.send(frame);
        openServer();
        await expect(server.opened).rejects.toMatchObject({
          code: "ProtocolError",
          message: "a frame came before the hello",
        });
        await events.untilClosed();
      });

      it("refuses a second hello", async () => {
        near.start(new Recorder());
        near.send(encodeHello({ name: "twice", token: "" }));
        near.send(encodeHello({ name: "twice", token: "" }));
        const closed = Promise.withResolvers<TuttiError>();
        openServer({ onClose: closed.resolve });
        expect(await closed.promise).toMatchObject({ code: "ProtocolError", message: "a second hello" });
      });
    });

    describe("the end of a call (D1)", () => {
      it("is its value, with how the work went", async () => {
        await connect();
        const stats = {
          queueUs: 120,
          runUs: 3_400,
          batchItems: 5,
          waitedUs: 900,
          laneUs: 80,
          degraded: true,
        };
        service.answer = (call, from) =>
          from.reply(call.id, { ok: true, value: { offer: call.args } }, stats);
        const call = makeCall(caller, ["p1", { game: "tower" }]);
        expect(await call.ended).toEqual({ ok: true, value: { offer: ["p1", { game: "tower" }] } });
        expect(call.ends).toEqual([stats]);
      });

      it("is the error, with its code, status, path and details", async () => {
        await connect();
        const error = new HttpError(409, "sold-out", "no offer is left", "body.offerId");
        service.answer = (call, from) => from.reply(call.id, { ok: false, error }, NO_STATS);
        const outcome = await makeCall(caller, []).ended;
        expect(outcome).toMatchObject({
          ok: false,
          error: {
            code: "HttpError",
            status: 409,
            publicCode: "sold-out",
            path: "body.offerId",
            message: "no offer is left",
            started: "yes",
          },
        });
      });

      it("carries every field of the request to the service", async () => {
        await connect();
        makeCall(caller, [1], {
          target: 77,
          method: "häufig",
          requestId: "r-✓",
          priority: 9,
          lean: true,
          idempotent: true,
        });
        makeCall(caller, [], { target: 78, requestId: "" });
        await service.untilCalls(2);
        expect(service.calls).toMatchObject([
          {
            target: 77,
            method: "häufig",
            requestId: "r-✓",
            priority: 9,
            lean: true,
            idempotent: true,
            args: [1],
          },
          { target: 78, method: "run", requestId: "", priority: 0, lean: false, idempotent: false, args: [] },
        ]);
        expect(service.calls[0]!.deadlineAtMs).toBe(Number.POSITIVE_INFINITY);
      });

      it("is Cancelled with started no when it is cancelled before it was sent, and it never leaves", async () => {
        await connect();
        const call = makeCall(caller, ["never"]);
        caller.cancel(call.id);
        expect(await call.ended).toMatchObject({ ok: false, error: { code: "Cancelled", started: "no" } });
        await turns();
        expect(near.sentOf("calls")).toEqual([]);
        expect(near.sentOf("cancel")).toEqual([]);
        await expectServing();
        expect(service.calls).toHaveLength(1);
      });

      it("is Cancelled with started maybe after it was sent, and the service learns of it", async () => {
        await connect();
        const call = makeCall(caller, []);
        await service.untilCalls(1);
        caller.cancel(call.id);
        expect(await call.ended).toMatchObject({ ok: false, error: { code: "Cancelled", started: "maybe" } });
        await service.until(() => service.cancelled.length > 0);
        expect(service.cancelled).toEqual([call.id]);
      });

      it("stays outstanding when it is withdrawn, and ends as the other side says", async () => {
        await connect();
        const calls = [makeCall(caller, [1]), makeCall(caller, [2])];
        await service.untilCalls(2);
        const [dropped, goesOn] = calls.map(({ id }) => ({ id, target: 1, part: 0, abort: id % 2 === 0 }));
        caller.withdraw(dropped!);
        caller.withdraw(goesOn!);
        caller.withdraw({ ...goesOn!, id: 123_456 });
        await service.until(() => service.withdrawals.length > 0);
        expect(service.withdrawals).toEqual([[dropped, goesOn]]);
        expect(caller.outstandingCalls).toBe(2);
        const error = new TuttiError("Cancelled", "it waited", { started: "no" });
        server.reply(dropped!.id, { ok: false, error }, NO_STATS);
        echo(service.calls[1]!, server);
        expect(await calls[0]!.ended).toMatchObject({ error: { code: "Cancelled", started: "no" } });
        expect(await calls[1]!.ended).toEqual({ ok: true, value: 2 });
        caller.withdraw(goesOn!);
        await expectServing();
        expect(service.withdrawals).toHaveLength(1);
      });

      it("reaches the other side before its withdrawal does, also of one tick", async () => {
        await connect();
        const order: string[] = [];
        service.answer = () => order.push("call");
        const { id } = makeCall(caller, []);
        caller.withdraw({ id, target: 1, part: 0, abort: false });
        await service.until(() => service.withdrawals.length > 0);
        expect(order).toEqual(["call"]);
      });

      it("stays what it was when a reply comes late, or twice, or for a call that never was", async () => {
        await connect();
        const call = makeCall(caller, []);
        await service.untilCalls(1);
        caller.cancel(call.id);
        await service.until(() => service.cancelled.length > 0);
        server.reply(call.id, { ok: true, value: "too late" }, NO_STATS);
        server.reply(call.id, { ok: true, value: "again" }, NO_STATS);
        server.reply(123_456, { ok: true, value: "whose?" }, NO_STATS);
        caller.cancel(call.id);
        caller.cancel(999);
        await expectServing();
        expect(call.ends).toHaveLength(1);
        expect(caller.outstandingCalls).toBe(0);
      });

      it("is PeerClosed with started maybe for what was sent when the peer dies, and no for what comes after", async () => {
        const closed = Promise.withResolvers<TuttiError>();
        await connect({ onClose: closed.resolve });
        const sent = [makeCall(caller, [1]), makeCall(caller, [2])];
        await service.untilCalls(2);
        far.destroy(new Error("killed"));
        for (const call of sent) {
          expect(await call.ended).toMatchObject({
            ok: false,
            error: { code: "PeerClosed", started: "maybe" },
          });
        }
        const after = makeCall(caller, [3]);
        expect(await after.ended).toMatchObject({ ok: false, error: { started: "no" } });
        expect((await closed.promise).code).toBe("PeerClosed");
        expect(caller.isClosed).toBe(true);
        expect([...sent, after].map((call) => call.ends.length)).toEqual([1, 1, 1]);
      });

      it("is started no for a call of the very tick in which the connection ends", async () => {
        const held = new HeldTransport();
        const lonely = new Peer(held, { hello: { name: "caller", token: "" } });
        const sent = makeCall(lonely, [1]);
        await turns();
        const unsent = makeCall(lonely, [2]);
        held.end(new Error("reset"));
        expect(await sent.ended).toMatchObject({ error: { code: "PeerClosed", started: "maybe" } });
        expect(await unsent.ended).toMatchObject({ error: { code: "PeerClosed", started: "no" } });
        await turns();
        expect([sent.ends.length, unsent.ends.length]).toEqual([1, 1]);
      });

      it("is told after that of the connection, so that a call that is made anew goes elsewhere", async () => {
        const told: string[] = [];
        const held = new HeldTransport();
        const onClose = () => told.push("connection");
        const lonely = new Peer(held, { hello: { name: "caller", token: "" }, onClose });
        lonely.call({
          target: 1,
          method: "run",
          args: [1],
          requestId: "r-1",
          deadlineAtMs: Number.POSITIVE_INFINITY,
          priority: 0,
          lean: false,
          idempotent: true,
          onEnd: () => told.push("call"),
        });
        await turns();
        held.end(new Error("reset"));
        await turns();
        expect(told).toEqual(["connection", "call"]);
      });

      it("is once for each of a thousand calls that are answered, cancelled, expire or lose their peer", async () => {
        await connect();
        let seed = 42;
        const random = () => {
          seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
          return seed / 2 ** 32;
        };
        service.answer = (call, from) => {
          const fate = random();
          if (fate < 0.3) echo(call, from);
          else if (fate < 0.4) from.reply(call.id, { ok: true, value: () => {} }, NO_STATS);
          else if (fate < 0.7) setImmediate(() => echo(call, from));
        };
        const calls: MadeCall[] = [];
        for (let round = 0; round < 50; round++) {
          for (let i = 0; i < 20; i++) {
            const deadlineAtMs = random() < 0.2 ? performance.now() + random() * 5 : Number.POSITIVE_INFINITY;
            calls.push(makeCall(caller, [random() < 0.05 ? Symbol("bad") : i], { deadlineAtMs }));
            if (random() < 0.2) caller.cancel(calls[Math.floor(random() * calls.length)]!.id);
          }
          await turns(1);
        }
        far.destroy(new Error("killed"));
        const codes = (await Promise.all(calls.map((call) => call.ended))).map((o) =>
          o.ok ? "ok" : o.error.code,
        );
        await turns();
        expect(calls.filter((call) => call.ends.length !== 1)).toEqual([]);
        for (const kind of ["ok", "NotSerialisable", "Cancelled", "PeerClosed"])
          expect(codes).toContain(kind);
        expect(caller.outstandingCalls).toBe(0);
      });

      it("is not repeated when its own caller cancels it, or makes another call, from within onEnd", async () => {
        await connect({ maxOutstanding: 1 });
        service.answer = echo;
        const outcomes: CallOutcome[] = [];
        const next = Promise.withResolvers<CallOutcome>();
        const first = caller.call({
          target: 1,
          method: "run",
          args: [1],
          requestId: "",
          deadlineAtMs: Number.POSITIVE_INFINITY,
          priority: 0,
          lean: false,
          idempotent: false,
          onEnd: (outcome) => {
            outcomes.push(outcome);
            caller.cancel(first);
            makeCall(caller, [2]).ended.then(next.resolve);
          },
        });
        expect(await next.promise).toEqual({ ok: true, value: 2 });
        expect(outcomes).toEqual([{ ok: true, value: 1 }]);
      });

      it("is NotFound with started no where the other side takes no calls", async () => {
        openCaller();
        new Peer(far, { hello: { name: "server", token: "" } });
        expect(await makeCall(caller, []).ended).toMatchObject({
          ok: false,
          error: { code: "NotFound", started: "no" },
        });
      });

      it("never comes from inside call, not even for a refusal", async () => {
        await connect({ maxOutstanding: 0 });
        // makeCall throws if it does.
        expect(await makeCall(caller, []).ended).toMatchObject({ error: { code: "Overloaded" } });
      });
    });

    describe("the deadline (D2)", () => {
      it("ends a call at the caller when the other side never answers, and tells the other side", async () => {
        await connect();
        const call = makeCall(caller, [], { deadlineAtMs: performance.now() + 20 });
        expect(await call.ended).toMatchObject({
          ok: false,
          error: { code: "DeadlineExceeded", started: "maybe" },
        });
        await service.until(() => service.cancelled.length > 0);
        expect(service.cancelled).toEqual([call.id]);
        await expectServing();
        expect(call.ends).toHaveLength(1);
      });

      it("ends the earlier of two calls first, in whatever order they were made", async () => {
        await connect();
        const order: string[] = [];
        const now = performance.now();
        const late = makeCall(caller, [], { deadlineAtMs: now + 40 });
        const early = makeCall(caller, [], { deadlineAtMs: now + 15 });
        late.ended.then(() => order.push("late"));
        early.ended.then(() => order.push("early"));
        await Promise.all([late.ended, early.ended]);
        expect(order).toEqual(["early", "late"]);
        expect(performance.now()).toBeGreaterThanOrEqual(now + 40);
      });

      it("refuses a call whose deadline has passed with started no, and sends nothing", async () => {
        await connect();
        const call = makeCall(caller, [], { deadlineAtMs: performance.now() - 1 });
        expect(await call.ended).toMatchObject({ error: { code: "DeadlineExceeded", started: "no" } });
        await turns();
        expect(near.sentOf("calls")).toEqual([]);
      });

      it("travels as what is left of it, put back on the receiver's own clock", async () => {
        await connect();
        const deadlineAtMs = performance.now() + 60_000;
        makeCall(caller, [], { deadlineAtMs });
        await service.untilCalls(1);
        const received = service.calls[0]!.deadlineAtMs;
        // One clock in this test: later by the time under way, and by no more.
        expect(received).toBeGreaterThanOrEqual(deadlineAtMs - 0.01);
        expect(received).toBeLessThan(deadlineAtMs + 5_000);
        const frame = near.sentOf("calls")[0]!;
        const elsewhere = decodeFrame(frame, DEFAULT_WIRE_LIMITS, 1_000_000);
        expect(elsewhere.type === "calls" && elsewhere.calls[0]!.deadlineAtMs).toBeGreaterThan(1_050_000);
        expect(elsewhere.type === "calls" && elsewhere.calls[0]!.deadlineAtMs).toBeLessThanOrEqual(1_060_000);
      });
    });

    describe("the bounds (D4)", () => {
      it("refuse the call beyond maxOutstanding as Overloaded with started no, and take the next when one has ended", async () => {
        await connect({ maxOutstanding: 2 });
        const [first, second, third] = [makeCall(caller, [1]), makeCall(caller, [2]), makeCall(caller, [3])];
        expect(await third.ended).toMatchObject({ error: { code: "Overloaded", started: "no" } });
        await service.untilCalls(2);
        echo(service.calls[0]!, server);
        await first.ended;
        const fourth = makeCall(caller, [4]);
        await service.untilCalls(3);
        for (const call of service.calls.slice(1)) echo(call, server);
        expect(await second.ended).toEqual({ ok: true, value: 2 });
        expect(await fourth.ended).toEqual({ ok: true, value: 4 });
      });

      it("refuse calls as Overloaded while more than maxBufferedBytes wait to be read", async () => {
        await connect({ maxBufferedBytes: 1_000 });
        near.pretendedBytes = 1_001;
        const refused = makeCall(caller, [1]);
        expect(await refused.ended).toMatchObject({ error: { code: "Overloaded", started: "no" } });
        near.pretendedBytes = 0;
        await expectServing();
        expect(service.calls).toHaveLength(1);
      });

      it("close the connection of one who does not read its replies", async () => {
        const closed = Promise.withResolvers<TuttiError>();
        await connect({}, { maxBufferedBytes: 1_000, onClose: closed.resolve });
        service.answer = echo;
        far.pretendedBytes = 1_001;
        const call = makeCall(caller, [1]);
        expect((await closed.promise).message).toBe("the other side does not read its replies");
        expect(await call.ended).toSatisfy((outcome: { ok: boolean }) => outcome.ok || "error" in outcome);
        expect(call.ends).toHaveLength(1);
      });

      it("refuse arguments beyond half a frame as PayloadTooLarge with started no, and take those just below", async () => {
        await connect({ limits: SMALL_LIMITS }, { limits: SMALL_LIMITS });
        service.answer = echo;
        const half = SMALL_LIMITS.maxFrameBytes / 2;
        const refused = makeCall(caller, [new Uint8Array(half + 1)]);
        expect(await refused.ended).toMatchObject({ error: { code: "PayloadTooLarge", started: "no" } });
        const taken = await makeCall(caller, [new Uint8Array(half)]).ended;
        expect(taken).toMatchObject({ ok: true });
      });

      it("turn a result beyond half a frame into a PayloadTooLarge with status 500", async () => {
        await connect({ limits: SMALL_LIMITS }, { limits: SMALL_LIMITS });
        const half = SMALL_LIMITS.maxFrameBytes / 2;
        service.answer = (call, from) =>
          from.reply(call.id, { ok: true, value: new Uint8Array(half + 1) }, NO_STATS);
        expect(await makeCall(caller, []).ended).toMatchObject({
          ok: false,
          error: { code: "PayloadTooLarge", status: 500, started: "yes" },
        });
        const rows = new Tensor("uint8", new Uint8Array(half + 1), [half + 1, 1]);
        service.answer = (call, from) => from.replyRows(call.id, { rows }, 0, 1, NO_STATS);
        expect(await makeCall(caller, []).ended).toMatchObject({ error: { code: "PayloadTooLarge" } });
      });

      it("cut the calls and replies of one tick into frames within maxFrameBytes", async () => {
        await connect({ limits: SMALL_LIMITS }, { limits: SMALL_LIMITS });
        service.answer = echo;
        // Small arguments, so that what the calls themselves take is what counts.
        const small = Array.from({ length: 4_000 }, (_, i) =>
          makeCall(caller, [i], { requestId: `request-${i}` }),
        );
        const large = Array.from({ length: 20 }, (_, i) => makeCall(caller, [Buffer.alloc(10_000, i)]));
        const outcomes = await Promise.all([...small, ...large].map((call) => call.ended));
        expect(outcomes.every((outcome) => outcome.ok)).toBe(true);
        const frames = [...near.sentOf("calls"), ...far.sentOf("replies")];
        expect(Math.max(...frames.map((frame) => frame.length))).toBeLessThanOrEqual(
          SMALL_LIMITS.maxFrameBytes,
        );
      });

      it("send more calls of one tick than a frame can count strings, each with a request id of its own", async () => {
        await connect();
        service.answer = (call, from) => from.reply(call.id, { ok: true, value: call.requestId }, NO_STATS);
        const calls = Array.from({ length: 65_536 }, (_, i) => makeCall(caller, [], { requestId: `r${i}` }));
        const outcomes = await Promise.all(calls.map((call) => call.ended));
        expect(outcomes.filter((outcome, i) => !outcome.ok || outcome.value !== `r${i}`)).toEqual([]);
      });

      it("send the cancellations of 65,536 calls", async () => {
        await connect({ maxOutstanding: 100_000 });
        const calls = Array.from({ length: 65_536 }, () => makeCall(caller, []));
        await service.untilCalls(65_536);
        for (const { id } of calls) caller.cancel(id);
        await service.until(() => service.cancelled.length === 65_536);
        expect(new Set(service.cancelled).size).toBe(65_536);
      });

      it("refuse a method or a request id that no frame can hold, with started no", async () => {
        await connect();
        const long = "é".repeat(32_768);
        const fits = "é".repeat(32_767);
        expect(await makeCall(caller, [], { requestId: long }).ended).toMatchObject({
          error: { code: "InvalidArgument", started: "no" },
        });
        expect(await makeCall(caller, [], { method: long }).ended).toMatchObject({
          error: { code: "InvalidArgument", started: "no" },
        });
        service.answer = (call, from) => from.reply(call.id, { ok: true, value: call.requestId }, NO_STATS);
        expect(await makeCall(caller, [], { requestId: fits, method: fits }).ended).toEqual({
          ok: true,
          value: fits,
        });
      });
    });

    describe("frames (D6)", () => {
      it("carry the calls of one tick together, and the replies of one tick", async () => {
        await connect();
        service.answer = echo;
        const calls = Array.from({ length: 100 }, (_, i) => makeCall(caller, [i]));
        const outcomes = await Promise.all(calls.map((call) => call.ended));
        expect(outcomes).toEqual(calls.map((_, value) => ({ ok: true, value })));
        expect(near.sentOf("calls")).toHaveLength(1);
        expect(far.sentOf("replies")).toHaveLength(1);
        expect(service.frames.map((frame) => frame.length)).toEqual([100]);
      });

      it("carry a tensor that is given to many calls of a tick once, and decode it once", async () => {
        await connect();
        const tensor = markedTensor();
        for (let target = 0; target < 15; target++) makeCall(caller, [tensor], { target });
        await service.untilCalls(15);
        expect(countOf(near.sent, MARK)).toBe(1);
        expect(new Set(service.calls.map((call) => call.args[0])).size).toBe(1);
        expect((service.calls[14]!.args[0] as Tensor).data).toEqual(tensor.data);
      });

      it("carry a list of arguments that is given to many calls of a tick once", async () => {
        await connect();
        const args = [{ player: "p1" }, markedTensor()];
        for (let target = 0; target < 15; target++) makeCall(caller, args, { target });
        await service.untilCalls(15);
        expect(countOf(near.sent, MARK)).toBe(1);
        expect(service.calls[14]!.args).toEqual(args);
      });

      it("carry what one list held at each tick, not at the first", async () => {
        await connect();
        const args = [1];
        makeCall(caller, args);
        await service.untilCalls(1);
        args[0] = 2;
        makeCall(caller, args);
        await service.untilCalls(2);
        expect(service.calls.map((call) => call.args)).toEqual([[1], [2]]);
      });

      it("carry the result of a batch once for all the replies that take their rows from it", async () => {
        await connect();
        const score = new Tensor(
          "float32",
          Float32Array.from({ length: 8 }, (_, i) => i),
          [4, 2],
        );
        const label = new Tensor("string", ["a", "b", "c", "d"], [4]);
        const mark = new Tensor(
          "uint8",
          new Uint8Array([...MARK, ...MARK.toReversed(), ...MARK, ...MARK]),
          [4, 8],
        );
        const outputs = { score, label, mark };
        const calls = Array.from({ length: 3 }, (_, i) => makeCall(caller, [i]));
        await service.untilCalls(3);
        const rows = [
          [0, 1],
          [1, 2],
          [3, 1],
        ] as const;
        for (const [i, call] of service.calls.entries()) {
          server.replyRows(call.id, outputs, rows[i]![0], rows[i]![1], NO_STATS);
        }
        const outcomes = await Promise.all(calls.map((call) => call.ended));
        expect(far.sentOf("replies")).toHaveLength(1);
        expect(countOf(far.sent, MARK)).toBe(3); // as often as in the result itself
        expect(outcomes).toMatchObject([
          { value: { score: { dims: [1, 2] }, label: { data: ["a"], dims: [1] } } },
          { value: { score: { dims: [2, 2] }, label: { data: ["b", "c"], dims: [2] } } },
          { value: { score: { dims: [1, 2] }, label: { data: ["d"], dims: [1] } } },
        ]);
        const values = outcomes.map((o) => (o.ok ? [...(o.value as typeof outputs).score.data] : []));
        expect(values).toEqual([
          [0, 1],
          [2, 3, 4, 5],
          [6, 7],
        ]);
      });

      it("carry the cancellations of one tick together", async () => {
        await connect();
        const calls = Array.from({ length: 10 }, () => makeCall(caller, []));
        await service.untilCalls(10);
        for (const { id } of calls) caller.cancel(id);
        await service.until(() => service.cancelled.length === 10);
        expect(near.sentOf("cancel")).toHaveLength(1);
      });

      it("carry replies that wait for others after a moment, though the others never come", async () => {
        await connect();
        service.hasMoreSoon = true;
        await expectServing();
      });

      it("carry replies that wait for others at once when something else leaves", async () => {
        await connect();
        service.hasMoreSoon = true;
        const call = makeCall(caller, [1]);
        await service.untilCalls(1);
        echo(service.calls[0]!, server);
        server.close();
        expect(await call.ended).toEqual({ ok: true, value: 1 });
      });

      it("carry the load of the side that replies", async () => {
        const loads: LoadReport[] = [];
        await connect({ onLoad: (load) => loads.push(load) });
        service.load = {
          backlogUs: 12_345,
          queuedItems: 7,
          busyFraction: 0.25,
          costs: [{ target: 3, fixedUs: 80.5, itemUs: 2.25 }],
        };
        await expectServing();
        expect(loads).toEqual([service.load]);
      });

      it("carry the load when it is asked for, though there is nothing to reply, and also while more is soon", async () => {
        const loads: LoadReport[] = [];
        await connect({ onLoad: (load) => loads.push(load) });
        service.hasMoreSoon = true;
        service.load = { backlogUs: 9, queuedItems: 1, busyFraction: 0.5, costs: [] };
        caller.askForLoad();
        caller.askForLoad();
        await service.until(() => service.withdrawals.length > 0);
        await expect.poll(() => loads.length, { interval: 1, timeout: 10_000 }).toBe(1);
        expect(loads).toEqual([service.load]);
        expect(service.withdrawals).toEqual([[]]);
      });

      it("leave before the connection closes, replies and calls alike", async () => {
        await connect();
        const call = makeCall(caller, ["last"]);
        await service.untilCalls(1);
        echo(service.calls[0]!, server);
        server.close();
        expect(await call.ended).toEqual({ ok: true, value: "last" });
      });
    });

    describe("a call that fans out", () => {
      /** Every end of every part, in order. */
      const fanOut = (
        targets: readonly number[],
        args: readonly unknown[],
        request: Partial<FanoutRequest> = {},
      ) => {
        const ends: { part: number; outcome: CallOutcome | RowsOfResult; stats: CallStats }[] = [];
        const waiting: (() => void)[] = [];
        const add = (part: number, outcome: CallOutcome | RowsOfResult, stats: CallStats) => {
          ends.push({ part, outcome, stats });
          for (const resolve of waiting.splice(0)) resolve();
        };
        const id = caller.callMany({
          targets,
          args,
          method: "run",
          requestId: "r-1",
          deadlineAtMs: Number.POSITIVE_INFINITY,
          priority: 0,
          lean: false,
          idempotent: true,
          onPart: add,
          onRows: add,
          ...request,
        });
        const untilEnds = async (count: number) => {
          while (ends.length < count) await new Promise<void>((resolve) => waiting.push(resolve));
        };
        return { id, ends, untilEnds };
      };
      const answerParts = (call: IncomingCall, from: Peer) => {
        for (const [part, target] of call.targets!.entries()) {
          from.reply(call.id, { ok: true, value: target }, NO_STATS, part);
        }
      };

      it("is one entry of one frame with its arguments once, and ends each part once (D1, D6)", async () => {
        await connect();
        service.answer = answerParts;
        const targets = Array.from({ length: 30 }, (_, i) => 100 + i);
        const call = fanOut(targets, [markedTensor()]);
        await call.untilEnds(30);
        await turns();
        expect(call.ends.map(({ part, outcome }) => [part, outcome])).toEqual(
          targets.map((value, part) => [part, { ok: true, value }]),
        );
        expect(countOf(near.sent, MARK)).toBe(1);
        expect(service.calls).toMatchObject([{ targets, idempotent: true }]);
        expect([near.sentOf("calls").length, far.sentOf("replies").length]).toEqual([1, 1]);
        expect(caller.outstandingCalls).toBe(0);
      });

      it("shares its frame with other calls and other fan-outs of the tick, each with its own targets", async () => {
        await connect();
        makeCall(caller, [1], { target: 5 });
        fanOut([7, 8], [2]);
        fanOut([9], [3]);
        makeCall(caller, [4], { target: 6 });
        await service.untilCalls(4);
        expect(service.calls).toMatchObject([
          { target: 5, targets: undefined, args: [1] },
          { targets: [7, 8], args: [2] },
          { targets: [9], args: [3] },
          { target: 6, targets: undefined, args: [4] },
        ]);
        expect(service.frames).toHaveLength(1);
      });

      it("hands on the rows of a shared result without cutting them out", async () => {
        await connect();
        const outputs = { score: new Tensor("float32", Float32Array.of(1, 2, 3), [3, 1]) };
        service.answer = (call, from) => {
          from.replyRows(call.id, outputs, 0, 1, NO_STATS, 0);
          from.replyRows(call.id, outputs, 1, 2, NO_STATS, 1);
        };
        const call = fanOut([1, 2], []);
        await call.untilEnds(2);
        expect(call.ends).toMatchObject([
          { part: 0, outcome: { firstRow: 0, rows: 1, tensors: outputs } },
          { part: 1, outcome: { firstRow: 1, rows: 2, tensors: outputs } },
        ]);
      });

      it("ends a part once when replies to it repeat, and none for parts there never were (D1)", async () => {
        await connect();
        service.answer = (call, from) => {
          for (const part of [1, 1, 2, 31, 32, 33, 255, 1])
            from.reply(call.id, { ok: true, value: part }, NO_STATS, part);
          from.reply(call.id, { ok: true, value: 0 }, NO_STATS, 0);
        };
        const call = fanOut([1, 2], []);
        await call.untilEnds(2);
        await turns();
        expect(call.ends.map(({ part }) => part)).toEqual([1, 0]);
        expect(caller.outstandingCalls).toBe(0);
      });

      it.each([
        ["cancelled", "Cancelled", (id: number) => caller.cancel(id)],
        ["left by its peer", "PeerClosed", () => far.destroy(new Error("killed"))],
      ])("ends the parts still open, with started maybe, when it is %s (D1)", async (_, code, act) => {
        await connect();
        const call = fanOut([1, 2, 3], []);
        await service.untilCalls(1);
        server.reply(call.id, { ok: true, value: "in time" }, NO_STATS, 1);
        await call.untilEnds(1);
        act(call.id);
        await call.untilEnds(3);
        await turns();
        expect(call.ends).toMatchObject([
          { part: 1, outcome: { ok: true } },
          { part: 0, outcome: { error: { code, started: "maybe" } } },
          { part: 2, outcome: { error: { code, started: "maybe" } } },
        ]);
      });

      it("ends the parts still open at its deadline (D2)", async () => {
        await connect();
        const call = fanOut([1, 2], [], { deadlineAtMs: performance.now() + 20 });
        await service.untilCalls(1);
        server.reply(call.id, { ok: true, value: 1 }, NO_STATS, 0);
        await call.untilEnds(2);
        expect(call.ends[1]).toMatchObject({ part: 1, outcome: { error: { code: "DeadlineExceeded" } } });
      });

      it("ends every part with started no when it cannot be sent", async () => {
        await connect();
        const call = fanOut([1, 2], [Symbol("bad")]);
        expect(call.ends).toEqual([]);
        await call.untilEnds(2);
        expect(call.ends).toMatchObject([
          { outcome: { error: { code: "NotSerialisable", started: "no" } } },
          { outcome: { error: { code: "NotSerialisable", started: "no" } } },
        ]);
      });

      it("is NotFound in each part where the other side takes no calls", async () => {
        openCaller();
        new Peer(far, { hello: { name: "server", token: "" } });
        const call = fanOut([1, 2], []);
        await call.untilEnds(2);
        expect(call.ends).toMatchObject([
          { part: 0, outcome: { error: { code: "NotFound" } } },
          { part: 1, outcome: { error: { code: "NotFound" } } },
        ]);
      });

      it("ends each part once when it is cancelled from within the end of one (D1)", async () => {
        await connect();
        service.answer = answerParts;
        const seen: number[] = [];
        const call = fanOut([1, 2, 3], [], {
          onPart: (part) => {
            seen.push(part);
            caller.cancel(call.id);
          },
        });
        await service.untilCalls(1);
        await expectServing();
        expect(seen.toSorted()).toEqual([0, 1, 2]);
      });

      it("throws for no targets and for more than a frame can tell", async () => {
        await connect();
        expect(() => fanOut([], [])).toThrow("a call fans out to 1 to 30 targets, not to 0");
        expect(() => fanOut(new Array(31).fill(1), [])).toThrow("not to 31");
      });
    });

    describe("a value that cannot travel", () => {
      const unserialisable: [string, unknown][] = [
        ["a symbol", { inside: Symbol("s") }],
        ["a function", { inside: () => 1 }],
        ["an integer beyond 64 bits", 2n ** 64n],
        ["a value that contains itself", nestedInItself()],
        [
          "a getter that throws",
          {
            get inside() {
              throw new Error("no");
            },
          },
        ],
        ["nesting beyond maxDepth", nested(DEFAULT_WIRE_LIMITS.maxDepth + 1)],
        ["a tensor of rank 17", new Tensor("float32", new Float32Array(1), new Array(17).fill(1))],
        ["a dimension beyond 32 bits", new Tensor("float32", new Float32Array(0), [0, 2 ** 32])],
        ["a tensor of a type unknown here", new Tensor("bfloat16" as "uint16", new Uint16Array(1), [1])],
        ["a tensor's name beyond 64 KiB", { ["x".repeat(65_536)]: markedTensor() }],
        [
          "a tensor named __proto__",
          JSON.parse('{"__proto__":0}', (key, value) => (key === "__proto__" ? markedTensor() : value)),
        ],
      ];

      it.each(unserialisable)("ends its call as NotSerialisable with started no: %s", async (_, value) => {
        await connect();
        const bystander = makeCall(caller, ["beside it"]);
        const call = makeCall(caller, [value]);
        expect(await call.ended).toMatchObject({
          ok: false,
          error: { code: "NotSerialisable", started: "no" },
        });
        expect(call.ends).toHaveLength(1);
        await service.untilCalls(1);
        echo(service.calls[0]!, server);
        expect(await bystander.ended).toEqual({ ok: true, value: "beside it" });
      });

      it.each(unserialisable)("becomes an error reply NotSerialisable: %s", async (_, value) => {
        await connect();
        service.answer = (call, from) =>
          call.args[0] === "good" ? echo(call, from) : from.reply(call.id, { ok: true, value }, NO_STATS);
        const [call, bystander] = [makeCall(caller, ["bad"]), makeCall(caller, ["good"])];
        expect(await call.ended).toMatchObject({
          ok: false,
          error: { code: "NotSerialisable", started: "yes" },
        });
        expect(await bystander.ended).toEqual({ ok: true, value: "good" });
      });

      it("takes nesting up to maxDepth in both directions", async () => {
        await connect();
        service.answer = echo;
        const value = nested(DEFAULT_WIRE_LIMITS.maxDepth);
        expect(await makeCall(caller, [value]).ended).toEqual({ ok: true, value });
      });

      it("ends the calls of its tick when an argument's memory is transferred away before the frame is made", async () => {
        await connect();
        const bytes = new Uint8Array(64);
        const call = makeCall(caller, [bytes]);
        structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
        expect(await call.ended).toMatchObject({ error: { code: "NotSerialisable", started: "no" } });
        await expectServing();
        expect(call.ends).toHaveLength(1);
      });

      it("fails the replies of its tick when a result's memory is transferred away before the frame is made", async () => {
        await connect();
        service.answer = (call, from) => {
          const tensor = new Tensor("float32", new Float32Array(8), [8]);
          from.reply(call.id, { ok: true, value: tensor }, NO_STATS);
          structuredClone(tensor.data.buffer, { transfer: [tensor.data.buffer as ArrayBuffer] });
        };
        expect(await makeCall(caller, []).ended).toMatchObject({ error: { code: "NotSerialisable" } });
        await expectServing();
      });

      it("leaves an error its code and message when its details cannot travel", async () => {
        await connect();
        const error = new TuttiError("Overloaded", "full", { started: "no", details: { bad: Symbol("s") } });
        service.answer = (call, from) => from.reply(call.id, { ok: false, error }, NO_STATS);
        expect(await makeCall(caller, []).ended).toMatchObject({
          error: { code: "Overloaded", message: "full", started: "no", details: undefined },
        });
      });

      it("leaves an error its code and the start of its message when it is larger than a frame", async () => {
        await connect({ limits: SMALL_LIMITS }, { limits: SMALL_LIMITS });
        const details = { dump: "x".repeat(SMALL_LIMITS.maxFrameBytes) };
        const error = new TuttiError("ApplicationError", `it broke: ${"y".repeat(200_000)}`, { details });
        service.answer = (call, from) => from.reply(call.id, { ok: false, error }, NO_STATS);
        expect(await makeCall(caller, []).ended).toMatchObject({
          error: { code: "ApplicationError", message: expect.stringMatching(/^it broke: y{1014}$/) },
        });
        expect(far.sentOf("replies")[0]!.length).toBeLessThan(SMALL_LIMITS.maxFrameBytes);
      });
    });

    describe("a peer that sends what is not a frame", () => {
      it.each([
        ["an unknown type", frameOf(99)],
        ["chunks that are truncated", frameOf(7, 1)],
        ["credit that is truncated", frameOf(8, 0, 1)],
        ["calls that are truncated", frameOf(2)],
        ["replies that are truncated", frameOf(3)],
        ["rows beyond the result", rowsBeyondTheResult()],
        ["arguments that are no list", argumentsThatAreNoList()],
      ])("is closed with a ProtocolError, and its calls end: %s", async (_, frame) => {
        const closed = Promise.withResolvers<TuttiError>();
        await connect({}, { onClose: closed.resolve });
        const call = makeCall(server, []);
        await turns();
        near.send(frame);
        expect((await closed.promise).code).toBe("ProtocolError");
        expect(await call.ended).toMatchObject({ ok: false });
        expect(call.ends).toHaveLength(1);
        expect(await makeCall(server, []).ended).toMatchObject({ error: { started: "no" } });
      });
    });
  });
}

/** Takes everything and delivers nothing but its end. */
class HeldTransport extends TappedTransport {
  #onClose: ((reason: Error | undefined) => void) | undefined;
  constructor() {
    super({ start: () => {}, send: () => {}, bufferedBytes: 0, close: () => {}, destroy: () => {} });
  }
  override start(events: { onClose(reason: Error | undefined): void }): void {
    this.#onClose = (reason) => events.onClose(reason);
  }
  end(reason: Error): void {
    this.#onClose?.(reason);
  }
}

function frameOf(type: number, entries = 0, count = 0): Buffer {
  const frame = Buffer.alloc(16);
  frame.writeUInt32LE(16, 0);
  frame[4] = type;
  frame.writeUInt16LE(count, 6);
  frame.writeUInt32LE(entries, 8);
  return frame;
}

function rowsBeyondTheResult(): Buffer {
  const reply = { id: 1, part: 0, status: 2, stats: NO_STATS, payload: 0, firstRow: 1, rows: 1 } as const;
  return encodeReplies(repliesOf([reply]), [encodeValue({ out: markedTensor() })], NO_LOAD);
}

function argumentsThatAreNoList(): Buffer {
  const call = {
    id: 1,
    target: 1,
    method: "run",
    requestId: "",
    deadlineAtMs: Number.POSITIVE_INFINITY,
    priority: 0,
    lean: false,
    idempotent: false,
    payload: 0,
  };
  return encodeCalls([call], [encodeValue({ not: "a list" })], 0);
}

function nestedInItself(): unknown {
  const value: Record<string, unknown> = {};
  value["self"] = value;
  return value;
}
