/** S2, S3 and D1 for what a class yields to who calls it. */
import { describe, expect, it } from "vitest";
import { context } from "../api/context.ts";
import { CODE_DEFAULTS, resolveDeploymentOptions } from "../config/deployment-options.ts";
import { TuttiError } from "../errors/tutti-error.ts";
import { CodeReplica } from "./code-replica.ts";
import { incoming, RecordingSink } from "./reply-sink.fake.ts";

const POLL = { interval: 1, timeout: 10_000 };

class Teller {
  pulled = 0;
  closed = 0;
  reasons: unknown[] = [];
  gate = Promise.withResolvers<void>();

  async *endless() {
    const { signal, requestId } = context();
    try {
      for (;;) {
        this.pulled += 1;
        // In its own request's context at every item.
        yield `${requestId === context().requestId} ${this.pulled}`;
      }
    } finally {
      this.closed += 1;
      this.reasons.push(signal.aborted ? (signal.reason as TuttiError).code : "none");
    }
  }
  async *two() {
    yield 1;
    yield 2;
    return "returned";
  }
  async *blocked() {
    try {
      yield 1;
      await this.gate.promise;
      yield 2;
    } finally {
      this.closed += 1;
    }
  }
  async *unsendable() {
    try {
      yield 1;
      yield () => {};
    } finally {
      this.closed += 1;
    }
  }
  async *fails() {
    yield 1;
    throw new Error("a bug");
  }
}

async function tell(method: string) {
  const teller = new Teller();
  const replica = new CodeReplica({
    target: 1,
    deployment: "Teller",
    options: resolveDeploymentOptions("Teller", {}, CODE_DEFAULTS),
    instance: teller,
    routes: undefined,
    servedBy: { replica: "Teller#0", application: "app", applicationVersion: "1" },
  });
  const sink = new RecordingSink();
  replica.accept(incoming(1, { method, takesStream: true }), sink, 0);
  await expect.poll(() => sink.streams.get(1), POLL).toBeDefined();
  const stream = sink.streams.get(1)!;
  return { teller, replica, sink, stream };
}

describe("a method that yields", () => {
  it("is asked for an item only when there is credit for it (S2)", async () => {
    const { teller, replica, stream } = await tell("endless");
    await expect.poll(() => stream.chunks, POLL).toEqual(["true 1", "true 2"]);
    expect(teller.pulled).toBe(2);
    stream.grant(3);
    await expect.poll(() => stream.chunks.length, POLL).toBe(5);
    expect([teller.pulled, replica.ongoing]).toEqual([5, 1]);
  });

  it("ends in one reply with what it returned, after its last item (D1)", async () => {
    const { replica, sink, stream } = await tell("two");
    await expect.poll(() => stream.chunks, POLL).toEqual([1, 2]);
    // That there is no third is known by asking for it, which is done when there is credit (S2).
    expect(replica.ongoing).toBe(1);
    stream.grant(1);
    expect(await sink.valueOf(1)).toBe("returned");
    expect([stream.chunks, stream.hasEnded, replica.ongoing]).toEqual([[1, 2], true, 0]);
  });

  it("ends in its error, as one that began (D3)", async () => {
    const { sink, stream } = await tell("fails");
    expect(await sink.errorOf(1)).toMatchObject({
      code: "ApplicationError",
      message: "a bug",
      started: "yes",
    });
    expect(stream.chunks).toEqual([1]);
  });

  it("runs its finally when its caller cancels, with the signal aborted, and then has its reply (S3)", async () => {
    const { teller, replica, sink } = await tell("endless");
    await expect.poll(() => teller.pulled, POLL).toBe(2);
    replica.cancel(1, sink);
    expect((await sink.errorOf(1)).code).toBe("Cancelled");
    expect([teller.closed, teller.reasons, replica.ongoing]).toEqual([1, ["Cancelled"], 0]);
  });

  it("runs its finally when the connection of its caller ends (S3)", async () => {
    const { teller, sink, stream } = await tell("endless");
    await expect.poll(() => teller.pulled, POLL).toBe(2);
    stream.source.onBroken(new TuttiError("PeerClosed", "the connection ended"));
    expect((await sink.errorOf(1)).code).toBe("PeerClosed");
    expect(teller.closed).toBe(1);
  });

  it("that is at work when it is cancelled goes on to its next yield, of which nothing is sent (S3)", async () => {
    const { teller, replica, sink, stream } = await tell("blocked");
    await expect.poll(() => stream.chunks, POLL).toEqual([1]);
    replica.cancel(1, sink);
    expect(teller.closed).toBe(0);
    teller.gate.resolve();
    expect((await sink.errorOf(1)).code).toBe("Cancelled");
    expect([teller.closed, stream.chunks]).toEqual([1, [1]]);
  });

  it("ends with Draining, its finally run, when its replica closes (S3)", async () => {
    const { teller, replica, sink } = await tell("endless");
    await expect.poll(() => teller.pulled, POLL).toBe(2);
    await replica.close();
    expect((await sink.errorOf(1)).code).toBe("Draining");
    expect([teller.closed, teller.reasons]).toEqual([1, ["Draining"]]);
  });

  it("ends when what it yields cannot travel, its finally run (S3)", async () => {
    const { teller, sink, stream } = await tell("unsendable");
    expect((await sink.errorOf(1)).code).toBe("NotSerialisable");
    expect([teller.closed, stream.chunks]).toEqual([1, [1]]);
  });
});
