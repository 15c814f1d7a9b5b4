/** D3 for calls that are answered by streams. */
import { describe, expect, it } from "vitest";
import { TuttiError } from "../errors/tutti-error.ts";
import type { CallOutcome } from "../wire/messages.ts";
import { FakeLink } from "./link.fake.ts";
import { Router } from "./router.ts";
import type { DeploymentRoute } from "./snapshot.ts";

const route: DeploymentRoute = {
  name: "teller",
  idempotent: true,
  waits: false,
  maxOngoing: 2,
  replicas: [
    { target: 1, executor: "x1" },
    { target: 2, executor: "x2" },
  ],
};

function open(deployment: DeploymentRoute = route) {
  const links = new Map<string, FakeLink>();
  const router: Router = new Router({
    connect: ({ id }) => {
      links.set(id, new FakeLink());
      router.laneOpened(id, links.get(id)!);
    },
    disconnect: () => {},
    random: () => 0,
  });
  const executors = deployment.replicas.map(({ executor }) => ({ id: executor, socketPath: "" }));
  router.apply({ version: 1, executors, deployments: [deployment] });
  const chunks: unknown[] = [];
  const outcomes: CallOutcome[] = [];
  const ended = Promise.withResolvers<CallOutcome>();
  const pending = router.dispatchStream({
    deployment: "teller",
    method: "tell",
    args: [1],
    requestId: "r-1",
    deadlineAtMs: performance.now() + 60_000,
    priority: 1,
    lean: false,
    hedge: false,
    onChunk: (value) => void chunks.push(value),
    onEnd: (outcome) => {
      outcomes.push(outcome);
      ended.resolve(outcome);
    },
  });
  /** Where the stream is now: its link and what was sent there. */
  const place = () => {
    for (const link of links.values()) for (const sent of link.open) return { link, sent };
    throw new Error("it is nowhere");
  };
  return { router, pending, chunks, outcomes, ended: ended.promise, place };
}

const ok = { ok: true, value: undefined } as const;
const dead = (started: "no" | "maybe" | "yes"): CallOutcome => ({
  ok: false,
  error: new TuttiError("PeerClosed", "the connection ended", { started }),
});

describe("a call that is answered by a stream", () => {
  it("hands on its chunks, and counts among the calls under way until its end", async () => {
    const { router, chunks, ended, place } = open();
    const { link, sent } = place();
    link.chunk(sent, "a");
    link.chunk(sent, "b");
    expect([chunks, router.outstandingCalls]).toEqual([["a", "b"], 1]);
    sent.end(ok);
    expect(await ended).toEqual(ok);
    expect(router.outstandingCalls).toBe(0);
  });

  it("grants credit where it is, and nowhere else after it moved", () => {
    const { pending, place } = open();
    const first = place();
    first.sent.end(dead("no"));
    const second = place();
    expect(second.link).not.toBe(first.link);
    pending.grant({ chunks: 3, bytes: 30 });
    expect(first.link.granted).toEqual([]);
    expect(second.link.granted).toEqual([{ id: second.sent.id, chunks: 3, bytes: 30 }]);
  });

  it("is repeated elsewhere before its first chunk, where any call is (D3)", async () => {
    const { chunks, ended, place } = open();
    place().sent.end(dead("maybe"));
    const { link, sent } = place();
    link.chunk(sent, "again");
    sent.end(ok);
    expect([await ended, chunks]).toEqual([ok, ["again"]]);
  });

  it("is not repeated once it has begun, though it is idempotent (D3)", async () => {
    const { chunks, ended, outcomes, place } = open();
    const { link, sent } = place();
    link.chunk(sent, "a");
    sent.end(dead("yes"));
    expect(await ended).toMatchObject({ ok: false, error: { code: "PeerClosed", started: "yes" } });
    expect([chunks, outcomes.length]).toEqual([["a"], 1]);
    expect(() => place()).toThrow("nowhere");
  });

  it("ends once when it is cancelled", async () => {
    const { router, pending, ended, outcomes } = open();
    pending.cancel();
    pending.cancel();
    pending.grant({ chunks: 1, bytes: 1 });
    expect(await ended).toMatchObject({ ok: false, error: { code: "Cancelled" } });
    expect([outcomes.length, router.outstandingCalls]).toEqual([1, 0]);
  });

  it("is refused at once where the deployment has all that it takes (R4)", async () => {
    const { ended } = open({ ...route, maxOngoing: 0 });
    expect(await ended).toMatchObject({ ok: false, error: { code: "Overloaded", started: "no" } });
  });
});
