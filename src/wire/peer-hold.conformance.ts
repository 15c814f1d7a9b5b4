import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { turns } from "../../test/wire/recorder.ts";
import { TappedTransport } from "../../test/wire/tapped-transport.ts";
import { echo, makeCall, TestService } from "../../test/wire/test-service.ts";
import type { TransportPair } from "../../test/wire/transport-pairs.ts";
import { type Clock, systemClock } from "../clock/clock.ts";
import { Peer } from "./peer.ts";
import { Tensor } from "./tensor.ts";

/** What the other side says of a call: how long it waited there. */
const WAITED = { queueUs: 45_000, runUs: 1000, batchItems: 1 };
const WAITED_BELOW = { queueUs: 0, runUs: 46_000, batchItems: 1, waitedUs: 45_000 };

/** The system's clock, but for timers, which fire when the test says so. */
class HeldTimers implements Clock {
  readonly now = systemClock.now;
  readonly onNextTurn = systemClock.onNextTurn;
  readonly afterInBackground = systemClock.afterInBackground;
  readonly delaysMs: number[] = [];
  #due: (() => void)[] = [];

  after(delayMs: number, callback: () => void): () => void {
    this.delaysMs.push(delayMs);
    this.#due.push(callback);
    return () => {
      this.#due = this.#due.filter((other) => other !== callback);
    };
  }

  get count(): number {
    return this.#due.length;
  }

  fire(): void {
    for (const callback of this.#due.splice(0)) callback();
  }
}

/** What a peer promises of calls that it holds for company, over any transport: H1, D1, D6. */
export function describeHeldCalls(name: string, open: () => Promise<TransportPair>): void {
  describe(`calls that a Peer over ${name} holds`, () => {
    let pair: TransportPair;
    let near: TappedTransport;
    let service: TestService;
    let timers: HeldTimers;
    let caller: Peer;
    let server: Peer;
    beforeEach(async () => {
      pair = await open();
      near = new TappedTransport(pair.near);
      service = new TestService();
      timers = new HeldTimers();
      caller = new Peer(near, { hello: { name: "caller", token: "" }, clock: timers });
      server = new Peer(pair.far, { hello: { name: "server", token: "" }, service });
      await Promise.all([caller.opened, server.opened]);
    });
    afterEach(() => pair.close());

    const framesSent = () => near.sentOf("calls").length;
    /** So many calls are answered, each after having waited. */
    const learn = async (stats = WAITED, count = 20) => {
      service.answer = (call, from) => from.reply(call.id, { ok: true, value: 1 }, stats);
      for (let i = 0; i < count; i++) await makeCall(caller, [i]).ended;
      service.answer = undefined;
    };
    /** Many that stay under way; the last of them. */
    const occupy = async (count = 50) => {
      const before = service.calls.length;
      const calls = Array.from({ length: count }, () => makeCall(caller, ["occupies"]));
      await service.untilCalls(before + count);
      return calls.at(-1)!;
    };
    const argsSince = (count: number) => service.calls.slice(count).map(({ args }) => args);

    it.each([
      ["there", WAITED],
      ["for calls of their own", WAITED_BELOW],
    ])("share a frame with those of later turns, where calls wait %s", async (_, stats) => {
      await learn(stats);
      await occupy();
      const [sent, arrived] = [framesSent(), service.calls.length];
      makeCall(caller, ["a"]);
      await turns(3);
      makeCall(caller, ["b"]);
      await turns(3);
      expect(framesSent()).toBe(sent);
      expect(timers.delaysMs).toEqual([4]);
      timers.fire();
      await service.untilCalls(arrived + 2);
      expect(framesSent()).toBe(sent + 1);
      expect(argsSince(arrived)).toEqual([["a"], ["b"]]);
    });

    it("are none while little is under way (H1)", async () => {
      await learn();
      await occupy(19);
      await occupy(1);
      expect(timers.delaysMs).toEqual([]);
    });

    it("are none where calls do not wait any more (H1)", async () => {
      await learn();
      await learn({ queueUs: 500, runUs: 1000, batchItems: 1 });
      await occupy();
      await occupy(1);
      expect(timers.delaysMs).toEqual([]);
    });

    it("leave with the next thing that leaves", async () => {
      await learn();
      const first = await occupy();
      const arrived = service.calls.length;
      makeCall(caller, ["held"]);
      caller.cancel(first.id);
      await service.untilCalls(arrived + 1);
      expect(timers.count).toBe(0);
    });

    it("carry what their arguments held in their own turn, of whatever kind they are", async () => {
      await learn();
      await occupy();
      const arrived = service.calls.length;
      const [list, bytes, data] = [[0], Buffer.alloc(1), Float32Array.of(0)];
      const [ofBytes, ofTensor] = [[bytes], [new Tensor("float32", data, [1])]];
      for (const value of [1, 2]) {
        list[0] = value;
        bytes[0] = value;
        data[0] = value;
        for (const args of [list, ofBytes, ofTensor]) makeCall(caller, args);
        await turns(2);
      }
      data[0] = 3;
      timers.fire();
      await service.untilCalls(arrived + 6);
      const plain = (value: unknown) => (value instanceof Tensor ? value.data[0] : Number(value));
      const values = argsSince(arrived).map(([value]) =>
        value instanceof Uint8Array ? value[0] : plain(value),
      );
      expect(values).toEqual([1, 1, 1, 2, 2, 2]);
    });

    it("end as NotSerialisable when their memory was given away, and no other with them", async () => {
      await learn();
      await occupy();
      const arrived = service.calls.length;
      const data = Float32Array.of(1);
      const tensor = new Tensor("float32", data, [1]);
      structuredClone(data, { transfer: [data.buffer] });
      const kept = makeCall(caller, ["kept"]);
      const lost = makeCall(caller, [tensor]);
      expect(await lost.ended).toMatchObject({
        ok: false,
        error: { code: "NotSerialisable", started: "no" },
      });
      service.answer = echo;
      timers.fire();
      expect(await kept.ended).toEqual({ ok: true, value: "kept" });
      expect(argsSince(arrived)).toEqual([["kept"]]);
    });

    it("are none with much in them, which would be copied", async () => {
      await learn();
      await occupy();
      const sent = framesSent();
      makeCall(caller, ["held"]);
      makeCall(caller, [Buffer.alloc(5000)]);
      await turns(3);
      expect(framesSent()).toBe(sent + 1);
    });

    it("never leave when they were cancelled, and end once", async () => {
      await learn();
      await occupy();
      const arrived = service.calls.length;
      const [kept, given] = [makeCall(caller, ["kept"]), makeCall(caller, ["given up"])];
      caller.cancel(given.id);
      expect(await given.ended).toMatchObject({ ok: false, error: { code: "Cancelled", started: "no" } });
      service.answer = echo;
      timers.fire();
      expect(await kept.ended).toEqual({ ok: true, value: "kept" });
      expect(argsSince(arrived)).toEqual([["kept"]]);
      expect(given.ends).toHaveLength(1);
    });

    it("leave before this side closes, and have not started when the other does", async () => {
      await learn();
      await occupy();
      const arrived = service.calls.length;
      makeCall(caller, ["last"]);
      caller.close();
      await service.untilCalls(arrived + 1);
      expect(timers.count).toBe(0);
    });

    it("end as not started when the other side closes", async () => {
      await learn();
      await occupy();
      const held = makeCall(caller, ["held"]);
      server.close();
      expect(await held.ended).toMatchObject({ ok: false, error: { code: "PeerClosed", started: "no" } });
      expect(timers.count).toBe(0);
    });
  });
}
