/** E3 and D2 over everything that carries a member's call: the router, a connection, this very process. */
import { describe, expect, it } from "vitest";
import { vote } from "../api/combiners.ts";
import { runInContext } from "../api/context.ts";
import { type Ensemble, ensemble } from "../api/ensemble.ts";
import type { EnsembleOptions } from "../api/ensemble-options.ts";
import type { EnsembleResult, MemberReport } from "../api/ensemble-result.ts";
import type { Handle } from "../api/handle.ts";
import { createHandle } from "../api/handle-proxy.ts";
import { FakeContext } from "../api/traced-context.fake.ts";
import { TuttiError } from "../errors/tutti-error.ts";
import { column } from "./model-session.fake.ts";
import { TwoProcesses } from "./two-processes.fake.ts";

interface Scorer {
  score(): Promise<number>;
  predict(input: unknown): Promise<number>;
}

const DEADLINE_MS = 50;

type Options = Partial<EnsembleOptions<number, number | string, number | string>>;

async function ensembleOf(deployments: readonly string[], options: Options = {}) {
  const processes = new TwoProcesses();
  await processes.settle();
  const members: Handle<Scorer>[] = deployments.map((deployment) =>
    createHandle<Scorer>({ deployment, port: processes.router, options: {} }),
  );
  const all = ensemble<Scorer, number | string, number | string>(members, {
    combine: vote,
    quorum: 1,
    deadlineMs: DEADLINE_MS,
    ...options,
  });
  return { processes, all };
}

interface Watched {
  /** When it ended, on the processes' clock. */
  endedAtMs: number | undefined;
  result: EnsembleResult<number | string> | undefined;
  error: TuttiError | undefined;
}

function watch(
  { clock }: TwoProcesses,
  all: Ensemble<Scorer, number | string>,
  method: "score" | "predict",
  context = new FakeContext({ deadlineAtMs: clock.now() + 1000 }),
): Watched {
  const watched: Watched = { endedAtMs: undefined, result: undefined, error: undefined };
  const call = runInContext(context, () => (method === "score" ? all.score() : all.predict(column(1))));
  call.then(
    (result) => Object.assign(watched, { endedAtMs: clock.now(), result }),
    (thrown) => Object.assign(watched, { endedAtMs: clock.now(), error: TuttiError.from(thrown) }),
  );
  return watched;
}

const statuses = (members: readonly MemberReport[] = []) => members.map(({ name, status }) => [name, status]);

describe("a member that never resolves", () => {
  it.each([
    ["in another process", "Remote"],
    ["in this process", "Local"],
    ["without a replica", "Lost"],
  ])("%s ends by the ensemble's deadline as late, and the others are the answer (E3)", async (_, silent) => {
    const other = silent === "Local" ? "Remote" : "Local";
    const { processes, all } = await ensembleOf([silent, other]);
    (silent === "Local" ? processes.local : processes.remote).hangs = true;
    const startedAtMs = processes.clock.now();
    const watched = watch(processes, all, "score");
    await processes.settle();
    await processes.clock.advance(DEADLINE_MS - 1);
    expect(watched.endedAtMs).toBeUndefined();
    await processes.clock.advance(1000);
    expect(watched.endedAtMs).toBe(startedAtMs + DEADLINE_MS);
    expect(watched.result).toMatchObject({ value: 7, degraded: true });
    expect(statuses(watched.result?.members)).toEqual([
      [silent, "late"],
      [other, "ok"],
    ]);
  });

  it("in a model's run ends by the deadline too, and its result is wasted when it comes", async () => {
    const { processes, all } = await ensembleOf(["model"]);
    processes.session.hold();
    const startedAtMs = processes.clock.now();
    const watched = watch(processes, all, "predict");
    await processes.settle();
    await processes.clock.advance(1000);
    expect(watched.endedAtMs).toBe(startedAtMs + DEADLINE_MS);
    expect(watched.error?.code).toBe("BelowQuorum");
    processes.session.release();
    await processes.settle();
    expect(processes.callers.snapshot()).toEqual({ run: { wasted: 1 } });
  });

  it("after its process died and it was asked for anew ends by the same deadline", async () => {
    const { processes, all } = await ensembleOf(["Remote", "Local"]);
    processes.remote.hangs = true;
    const startedAtMs = processes.clock.now();
    const watched = watch(processes, all, "score");
    await processes.settle();
    await processes.clock.advance(20);
    processes.kill();
    await processes.clock.advance(1000);
    expect(watched.endedAtMs).toBe(startedAtMs + DEADLINE_MS);
    expect(statuses(watched.result?.members)).toEqual([
      ["Remote", "late"],
      ["Local", "ok"],
    ]);
    expect(processes.callers.snapshot()).toEqual({ router: { expired: 1 } });
  });

  it("leaves the request its reserve", async () => {
    const { processes, all } = await ensembleOf(["Remote"], { deadlineMs: 10_000, reserveMs: 30 });
    processes.remote.hangs = true;
    const deadlineAtMs = processes.clock.now() + 400;
    const watched = watch(processes, all, "score", new FakeContext({ deadlineAtMs }));
    await processes.clock.advance(1000);
    expect(watched.endedAtMs).toBe(deadlineAtMs - 30);
  });
});

describe("what is out when an ensemble ends", () => {
  it("early is cancelled where it is, and counted there", async () => {
    const { processes, all } = await ensembleOf(["Local", "Remote"], { weights: { Remote: 3 } });
    processes.local.hangs = true;
    const watched = watch(processes, all, "score");
    await processes.settle();
    expect(watched.result).toMatchObject({ value: 7, degraded: false });
    expect(statuses(watched.result?.members)).toEqual([
      ["Local", "cancelled"],
      ["Remote", "ok"],
    ]);
    await processes.settle();
    expect(processes.callers.snapshot()).toEqual({ run: { cancelled: 1 } });
    expect(processes.executors.snapshot()).toEqual({});
  });

  it("because the request was given up is cancelled at once", async () => {
    const { processes, all } = await ensembleOf(["Remote", "Local"]);
    processes.remote.hangs = true;
    processes.local.hangs = true;
    const context = new FakeContext({ deadlineAtMs: processes.clock.now() + 1000 });
    const watched = watch(processes, all, "score", context);
    await processes.settle();
    const nowMs = processes.clock.now();
    context.abort();
    await processes.settle();
    expect(watched).toMatchObject({ endedAtMs: nowMs, error: { code: "Cancelled" } });
    expect(processes.executors.snapshot()).toEqual({ run: { cancelled: 1 } });
    expect(processes.callers.snapshot()).toEqual({ run: { cancelled: 1 } });
  });
});
