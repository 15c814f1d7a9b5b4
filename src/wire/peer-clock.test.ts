import { describe, expect, it } from "vitest";
import { ManualClock } from "../clock/manual-clock.ts";
import { inlineTransports } from "./inline-transport.ts";
import type { CallOutcome, IncomingCall } from "./messages.ts";
import { NO_STATS } from "./messages.ts";
import { NO_LOAD, Peer } from "./peer.ts";

/** Two peers whose time stands still until a test moves it. */
function connect(hasMoreSoon: () => boolean = () => false) {
  const clock = new ManualClock();
  const [left, right] = inlineTransports(clock);
  const arrived: { call: IncomingCall; from: Peer }[] = [];
  const server = new Peer(right, {
    hello: { name: "server", token: "" },
    clock,
    service: {
      onCalls: (calls, from) => arrived.push(...calls.map((call) => ({ call, from }))),
      onCancel: () => {},
      onWithdraw: () => {},
      loadReport: () => NO_LOAD,
      get hasMoreSoon() {
        return hasMoreSoon();
      },
    },
  });
  const client = new Peer(left, { hello: { name: "client", token: "" }, clock });
  const ends: CallOutcome[] = [];
  const call = (deadlineAtMs: number) =>
    client.call({
      target: 1,
      method: "get",
      args: [],
      requestId: "r",
      deadlineAtMs,
      priority: 1,
      idempotent: false,
      lean: false,
      onEnd: (outcome) => ends.push(outcome),
    });
  return { clock, client, server, arrived, ends, call };
}

describe("a peer on a clock of its own", () => {
  it("sends nothing before the turn ends, and hears of it a turn later", async () => {
    const { clock, arrived, call } = connect();
    await clock.turn();
    call(Number.POSITIVE_INFINITY);
    expect(arrived).toHaveLength(0);
    await clock.turn();
    await clock.turn();
    expect(arrived).toHaveLength(1);
  });

  it("ends a call at its deadline, not before (D2)", async () => {
    const { clock, ends, arrived, call } = connect();
    call(clock.now() + 100);
    await clock.turn();
    await clock.advance(99);
    expect(arrived).toHaveLength(1);
    expect(ends).toHaveLength(0);
    await clock.advance(1);
    expect(ends).toMatchObject([{ ok: false, error: { code: "DeadlineExceeded", started: "maybe" } }]);
  });

  it("holds a reply while more are coming, for 3 ms at most", async () => {
    const { clock, ends, arrived, call } = connect(() => true);
    call(Number.POSITIVE_INFINITY);
    await clock.turn();
    await clock.turn();
    arrived[0]!.from.reply(arrived[0]!.call.id, { ok: true, value: 7 }, NO_STATS);
    for (let turn = 0; turn < 10; turn++) await clock.turn();
    expect(ends).toHaveLength(0);
    await clock.advance(3);
    await clock.turn();
    await clock.turn();
    expect(ends).toEqual([{ ok: true, value: 7 }]);
  });

  it("is closed when no greeting comes within half a minute", async () => {
    const clock = new ManualClock();
    const [left, silent] = inlineTransports(clock);
    silent.start({ onFrame: () => {}, onClose: () => {} });
    const peer = new Peer(left, { hello: { name: "client", token: "" }, clock });
    await clock.advance(29_999);
    await clock.turn();
    expect(peer.isClosed).toBe(false);
    await clock.advance(1);
    await clock.turn();
    expect(peer.isClosed).toBe(true);
    await expect(peer.opened).rejects.toMatchObject({ code: "ProtocolError" });
    expect(clock.pending).toBe(0);
  });
});
