import { describe, expect, it } from "vitest";
import { TuttiError } from "../errors/tutti-error.ts";
import { NO_STATS } from "../wire/messages.ts";
import { FakeCallPort } from "./call-port.fake.ts";
import type { CallPort, RequestScope } from "./call-port.ts";
import { runInContext } from "./context.ts";
import type { CallOptions } from "./handle.ts";
import { createHandle, handleTarget } from "./handle-proxy.ts";
import { FakeContext } from "./traced-context.fake.ts";

interface Echo {
  echo(value: unknown): Promise<unknown>;
  slow(): Promise<unknown>;
}

const echoing = () => new FakeCallPort(({ method, args }) => (method === "echo" ? { value: args[0] } : {}));
const handleTo = (port: CallPort) => createHandle<Echo>({ deployment: "Echo", port, options: {} });

const contextOf = (scope: Partial<RequestScope>) => new FakeContext(scope);

describe("a handle", () => {
  it("calls a method by name with the arguments as they are", async () => {
    const port = echoing();
    const value = { nested: [1, 2] };
    expect(await handleTo(port).echo(value)).toBe(value);
    expect(port.calls[0]).toMatchObject({ deployment: "Echo", method: "echo" });
    expect(port.calls[0]?.args[0]).toBe(value);
  });

  it("rejects with the error that the call ended with", async () => {
    const error = new TuttiError("Overloaded", "full");
    const port = new FakeCallPort(() => ({ error }));
    await expect(handleTo(port).echo(1)).rejects.toBe(error);
  });

  it.each([true, false])(
    "makes the call that it serves as degraded as its answer is (%s)",
    async (degraded) => {
      const port = new FakeCallPort(() => ({ value: 1, stats: { ...NO_STATS, degraded } }));
      const served = contextOf({});
      await runInContext(served, () => handleTo(port).echo(1));
      expect(served.degraded).toBe(degraded);
    },
  );

  it("of which a call failed leaves it to who catches that what comes of it", async () => {
    const error = new TuttiError("ApplicationError", "");
    const port = new FakeCallPort(() => ({ error, stats: { ...NO_STATS, degraded: true } }));
    const served = contextOf({});
    await runInContext(served, () =>
      handleTo(port)
        .echo(1)
        .catch(() => {}),
    );
    expect(served.degraded).toBe(false);
  });

  it("is no promise: awaiting it gives it back and calls nothing", async () => {
    const port = echoing();
    const handle = handleTo(port);
    expect(await handle).toBe(handle);
    expect(await Promise.resolve(handle)).toBe(handle);
    expect((handle as { then?: unknown }).then).toBeUndefined();
    expect(port.calls).toHaveLength(0);
  });

  it("answers to no symbol, so that printing and iterating do not call anything", () => {
    const port = echoing();
    const handle = handleTo(port) as unknown as Record<symbol, unknown>;
    expect(handle[Symbol.iterator]).toBeUndefined();
    expect(handle[Symbol.toPrimitive]).toBeUndefined();
    expect(port.calls).toHaveLength(0);
  });

  it("gives the same function for a method each time", () => {
    const handle = handleTo(echoing());
    expect(handle.echo).toBe(handle.echo);
  });

  it.each(["constructor", "reconfigure", "checkHealth"])(
    "refuses %s, which the runtime alone calls",
    (name) => {
      const handle = handleTo(echoing()) as unknown as Record<string, () => void>;
      expect(() => handle[name]!()).toThrow(`${name} is called by the runtime, not through a handle`);
    },
  );

  it("can be looked at by what prints and compares objects", () => {
    const handle = handleTo(echoing()) as { constructor?: unknown };
    expect(() => handle.constructor).not.toThrow();
  });

  it("cannot be changed", () => {
    const handle = handleTo(echoing()) as unknown as Record<string, unknown>;
    expect(() => {
      handle["echo"] = () => {};
    }).toThrow("a handle cannot be changed: echo");
  });

  it("is known to the ensemble by its target, and nothing else is", () => {
    const port = echoing();
    expect(handleTarget(handleTo(port))).toMatchObject({ deployment: "Echo", port });
    for (const other of [{}, null, undefined, "Echo", () => {}]) expect(handleTarget(other)).toBeUndefined();
  });
});

describe("the scope of a call", () => {
  it("is the request's inside of one: its id, deadline and priority travel on", async () => {
    const port = echoing();
    const deadlineAtMs = performance.now() + 5000;
    await runInContext(contextOf({ requestId: "r-7", deadlineAtMs, priority: 0 }), () =>
      handleTo(port).echo(1),
    );
    expect(port.calls[0]).toMatchObject({ requestId: "r-7", deadlineAtMs, priority: 0 });
  });

  it("has an id of its own and a deadline of 30 s outside of a request", async () => {
    const port = echoing();
    const before = performance.now();
    await handleTo(port).echo(1);
    await handleTo(port).echo(2);
    const [first, second] = port.calls;
    expect(first!.deadlineAtMs).toBeGreaterThanOrEqual(before + 30_000);
    expect(first!.deadlineAtMs).toBeLessThanOrEqual(performance.now() + 30_000);
    expect(first!.requestId).not.toBe(second!.requestId);
    expect(first!.priority).toBe(1);
  });

  it("is narrowed by deadlineMs, never extended (D2)", async () => {
    const port = echoing();
    const deadlineAtMs = performance.now() + 1000;
    await runInContext(contextOf({ deadlineAtMs }), async () => {
      await handleTo(port).with({ deadlineMs: 60_000 }).echo(1);
      await handleTo(port).with({ deadlineMs: 10 }).echo(1);
    });
    expect(port.calls[0]?.deadlineAtMs).toBe(deadlineAtMs);
    expect(port.calls[1]!.deadlineAtMs).toBeLessThan(deadlineAtMs);
  });

  it("ends the call at the deadline of the handle", async () => {
    await expect(handleTo(echoing()).with({ deadlineMs: 5 }).slow()).rejects.toMatchObject({
      code: "DeadlineExceeded",
    });
  });
});

describe("handle.with", () => {
  it("is a copy: the handle itself keeps its own options", async () => {
    const port = echoing();
    const handle = handleTo(port);
    const urgent = handle.with({ priority: 0 });
    expect(urgent).not.toBe(handle);
    await urgent.echo(1);
    await handle.echo(2);
    expect(port.calls.map(({ priority }) => priority)).toEqual([0, 1]);
  });

  it("adds to the options that the copy was made with, the later ones winning", async () => {
    const port = echoing();
    const copy = handleTo(port).with({ priority: 3, deadlineMs: 60_000 }).with({ deadlineMs: 20 });
    const before = performance.now();
    await copy.echo(1);
    expect(port.calls[0]?.priority).toBe(3);
    expect(port.calls[0]!.deadlineAtMs).toBeLessThan(before + 1000);
  });

  it.each([
    [{ timeout: 5 }, "with: unknown option timeout; known: deadlineMs, hedge, priority, signal"],
    [{ deadlineMs: 0 }, "with: deadlineMs must be above 0, got 0"],
    [{ deadlineMs: Number.NaN }, "with: deadlineMs must be above 0, got NaN"],
    [{ priority: 256 }, "with: priority must be 0 to 255, got 256"],
    [{ priority: 0.5 }, "with: priority must be 0 to 255, got 0.5"],
    [{ priority: -1 }, "with: priority must be 0 to 255, got -1"],
  ])("refuses %j by name", (options, message) => {
    expect(() => handleTo(echoing()).with(options as CallOptions)).toThrow(message);
  });
});

describe("a signal given to a handle", () => {
  it("cancels the calls that are under way when it aborts", async () => {
    const port = echoing();
    const controller = new AbortController();
    const call = handleTo(port).with({ signal: controller.signal }).slow();
    controller.abort();
    await expect(call).rejects.toMatchObject({ code: "Cancelled" });
    expect(port.cancelled).toEqual(["Echo"]);
  });

  it("keeps a call from being sent when it has aborted before", async () => {
    const port = echoing();
    const call = handleTo(port).with({ signal: AbortSignal.abort() }).echo(1);
    await expect(call).rejects.toMatchObject({ code: "Cancelled", started: "no" });
    expect(port.calls).toHaveLength(0);
  });

  it("does nothing to a call that has ended", async () => {
    const port = echoing();
    const controller = new AbortController();
    expect(await handleTo(port).with({ signal: controller.signal }).echo(1)).toBe(1);
    controller.abort();
    expect(port.cancelled).toEqual([]);
  });
});

describe("a call made for a request", () => {
  const during = <R>(context: FakeContext, run: () => R) => runInContext(context, run);

  it("is cancelled when the request is given up", async () => {
    const context = new FakeContext();
    const port = echoing();
    const call = during(context, () => handleTo(port).slow());
    context.abort();
    await expect(call).rejects.toMatchObject({ code: "Cancelled" });
    expect(port.cancelled).toEqual(["Echo"]);
  });

  it("is not made when the request has been given up, and says why", async () => {
    const context = new FakeContext();
    context.abort(new TuttiError("DeadlineExceeded", "the deadline passed"));
    const port = echoing();
    await expect(during(context, () => handleTo(port).echo(1))).rejects.toMatchObject({
      code: "DeadlineExceeded",
      started: "no",
    });
    expect(port.calls).toEqual([]);
  });

  it("is let go of when it ends", async () => {
    const context = new FakeContext();
    await during(context, () => handleTo(echoing()).echo(1));
    expect(context.adopted.size).toBe(0);
    context.abort();
    expect(context.groups).toHaveLength(1);
  });
});
