import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { applicationStatus } from "./application-status.ts";
import { DEFAULT_TRAFFIC, INSTANT_TRAFFIC, type Traffic } from "./desired-state.ts";
import {
  type Action,
  type ActualApplication,
  type ActualVersion,
  LINGER_MS,
  reconcile,
  servingOf,
  type VersionPhase,
  type WantedApplication,
} from "./reconcile.ts";
import { NOTHING_OBSERVED, type RolloutSight } from "./rollout.ts";

const LIMITS = { maxStarts: 3, drainMs: 1000 };
const SEEN = { from: NOTHING_OBSERVED, to: NOTHING_OBSERVED };

const wants = (version: string, more: Partial<WantedApplication> = {}): WantedApplication => ({
  name: "offers",
  version,
  options: "o1",
  traffic: DEFAULT_TRAFFIC,
  lastServed: undefined,
  hasEarlier: false,
  ...more,
});

const version = (key: string, phase: VersionPhase, weight = 0): ActualVersion => ({
  key,
  phase,
  weight,
  options: "o1",
  adjust: { kind: "idle" },
  isHealthy: phase.kind === "ready",
  openRequests: 0,
});

const READY: VersionPhase = { kind: "ready" };
const STARTING: VersionPhase = { kind: "starting" };
const failed = (attempts: number): VersionPhase => ({
  kind: "failed",
  attempts,
  retryAtMs: 100,
  reason: "no such table",
});
const is = (
  versions: readonly ActualVersion[],
  more: Partial<ActualApplication> = {},
): ActualApplication => ({
  name: "offers",
  versions,
  rollout: undefined,
  seen: SEEN,
  rejected: [],
  ...more,
});
const decide = (want: WantedApplication | undefined, actual: ActualApplication | undefined, nowMs = 0) =>
  reconcile(want === undefined ? [] : [want], actual === undefined ? [] : [actual], LIMITS, nowMs).map(
    ({ application: _, ...action }) => action,
  );

describe("an application that is wanted", () => {
  it("is started, and gets its requests when it is ready and healthy", () => {
    expect(decide(wants("v1"), undefined)).toEqual([{ type: "start", version: "v1" }]);
    expect(decide(wants("v1"), is([version("v1", STARTING)]))).toEqual([]);
    expect(decide(wants("v1"), is([version("v1", READY)]))).toEqual([
      { type: "route", weights: { v1: 1 }, rollout: undefined },
    ]);
    expect(decide(wants("v1"), is([{ ...version("v1", READY), isHealthy: false }]))).toEqual([]);
    expect(decide(wants("v1"), is([version("v1", READY, 1)]))).toEqual([]);
  });

  it("is tried again when its time has come, for ever where there is nothing else", () => {
    expect(decide(wants("v1"), is([version("v1", failed(1))]), 99)).toEqual([]);
    expect(decide(wants("v1"), is([version("v1", failed(7))]), 100)).toEqual([
      { type: "start", version: "v1" },
    ]);
  });

  it("goes back to an earlier definition when it cannot be started", () => {
    expect(decide(wants("v2", { hasEarlier: true }), is([version("v2", failed(3))]), 100)).toEqual([
      { type: "reject", version: "v2", reason: "no such table", backTo: undefined },
    ]);
  });

  it("keeps what is served when the next version cannot be started, which never gets a request (RC4)", () => {
    const actual = is([version("v1", READY, 1), version("v2", failed(3))]);
    expect(decide(wants("v2"), actual, 100)).toEqual([
      { type: "reject", version: "v2", reason: "no such table", backTo: "v1" },
    ]);
    expect(decide(wants("v2"), { ...actual, rejected: ["v2"] }, 100)).toEqual([
      { type: "end", version: "v2" },
    ]);
    expect(decide(wants("v2"), is([version("v1", READY, 1)], { rejected: ["v2"] }))).toEqual([]);
  });

  it("has its options changed in place, and not again at once when that failed", () => {
    const serving = version("v1", READY, 1);
    const want = wants("v1", { options: "o2" });
    expect(decide(want, is([serving]))).toEqual([{ type: "adjust", version: "v1" }]);
    const after = { kind: "failed" as const, options: "o2", retryAtMs: 500, reason: "no" };
    expect(decide(want, is([{ ...serving, adjust: after }]), 499)).toEqual([]);
    expect(decide(want, is([{ ...serving, adjust: after }]), 500)).toHaveLength(1);
    expect(decide(want, is([{ ...serving, adjust: { ...after, options: "o3" } }]))).toHaveLength(1);
  });
});

describe("another version", () => {
  const both = [version("v1", READY, 1), version("v2", READY)];

  it("takes all in one instant where that is asked for, and the one before is drained, then ended", () => {
    const [begin] = decide(wants("v2", { traffic: INSTANT_TRAFFIC }), is(both));
    expect(begin).toMatchObject({ type: "route", weights: { v1: 0, v2: 1 } });
    const switched = [version("v1", READY, 0), version("v2", READY, 1)];
    expect(decide(wants("v2"), is(switched))).toEqual([{ type: "drain", version: "v1", endAtMs: 1000 }]);
    const draining = (openRequests: number) =>
      is([{ ...version("v1", { kind: "draining", endAtMs: 1000 }), openRequests }, version("v2", READY, 1)]);
    expect(decide(wants("v2"), draining(3), 999)).toEqual([]);
    expect(decide(wants("v2"), draining(3), 1000)).toEqual([{ type: "end", version: "v1" }]);
    // Not in the moment in which the other one has got all.
    expect(decide(wants("v2"), draining(0), LINGER_MS - 1)).toEqual([]);
    expect(decide(wants("v2"), draining(0), LINGER_MS)).toEqual([{ type: "end", version: "v1" }]);
  });

  it("takes all by small steps where none are given", () => {
    let [action] = decide(wants("v2"), is(both));
    for (const nowMs of [200, 400, 600]) {
      const { weights, rollout } = action as Extract<Action, { type: "route" }>;
      expect(weights["v2"]).toBeLessThan(0.5);
      const shared = [version("v1", READY, weights["v1"]), version("v2", READY, weights["v2"])];
      [action] = decide(wants("v2"), is(shared, { rollout }), nowMs);
    }
    expect(action).toMatchObject({ type: "route", weights: { v1: 0, v2: 1 } });
  });

  it("takes its share by steps, and gives it back when a gate says no", () => {
    const traffic: Traffic = { steps: [{ weight: 0.2, durationMs: 1000 }], gates: DEFAULT_TRAFFIC.gates };
    const want = wants("v2", { traffic });
    const [begin] = decide(want, is(both));
    expect(begin).toMatchObject({ type: "route", weights: { v1: 0.8, v2: 0.2 } });
    const { rollout } = begin as Extract<Action, { type: "route" }>;
    const shared = [version("v1", READY, 0.8), version("v2", READY, 0.2)];
    const bad: Pick<RolloutSight, "from" | "to"> = {
      ...SEEN,
      to: { requests: 40, failed: 20, timed: 20, p95Ms: 1 },
    };
    expect(decide(want, is(shared, { rollout, seen: bad }), 10)).toEqual([
      { type: "route", weights: { v1: 1 }, rollout: undefined },
      expect.objectContaining({ type: "reject", version: "v2", backTo: "v1" }),
    ]);
    expect(decide(want, is(shared, { rollout }), 1000)).toMatchObject([{ weights: { v1: 0, v2: 1 } }]);
  });

  it("that is wanted during a rollout first has the one before take all back", () => {
    const rollout = { from: "v1", to: "v2", step: 0, sinceMs: 0, unhealthySinceMs: undefined };
    const shared = [version("v1", READY, 0.5), version("v2", READY, 0.5)];
    expect(decide(wants("v3"), is(shared, { rollout }))).toEqual([
      { type: "route", weights: { v1: 1 }, rollout: undefined },
    ]);
  });

  it("that is being drained is taken back into use, without another start", () => {
    const actual = is([version("v1", { kind: "draining", endAtMs: 9 }), version("v2", READY, 1)]);
    expect(decide(wants("v1"), actual)).toEqual([{ type: "keep", version: "v1" }]);
  });
});

describe("a node that was started again", () => {
  it("begins with what it had served, then goes on to what is wanted", () => {
    const want = wants("v2", { lastServed: "v1" });
    expect(decide(want, undefined)).toEqual([{ type: "start", version: "v1" }]);
    expect(decide(want, is([version("v1", READY, 1)]))).toEqual([{ type: "start", version: "v2" }]);
  });

  it("goes on to what is wanted when what it had cannot be brought back", () => {
    const want = wants("v2", { lastServed: "v1" });
    expect(decide(want, is([version("v1", failed(3))]), 100)).toMatchObject([
      { type: "reject", version: "v1", backTo: undefined },
    ]);
    expect(decide(want, is([version("v1", failed(3))], { rejected: ["v1"] }), 100)).toEqual([
      { type: "end", version: "v1" },
      { type: "start", version: "v2" },
    ]);
  });
});

it("an application that is not wanted any more gets no requests first, then ends, then is forgotten", () => {
  expect(decide(undefined, is([version("v1", READY, 1)]))).toEqual([
    { type: "route", weights: {}, rollout: undefined },
  ]);
  expect(decide(undefined, is([version("v1", READY)]))).toMatchObject([{ type: "drain" }]);
  expect(decide(undefined, is([]))).toEqual([{ type: "forget" }]);
});

/** A world in which versions start, fail, fall ill and finish as they like, and actions do what they say. */
class Model {
  actual: ActualApplication;
  readonly broken: ReadonlySet<string>;
  nowMs = 0;
  isForgotten = false;

  constructor(actual: ActualApplication, broken: ReadonlySet<string>) {
    this.actual = actual;
    this.broken = broken;
  }

  apply(action: Action): void {
    switch (action.type) {
      case "start":
        if (this.actual.versions.some(({ key }) => key === action.version))
          this.#become(action.version, STARTING);
        else this.#set({ versions: [...this.actual.versions, version(action.version, STARTING)] });
        return;
      case "route": {
        const { weights, rollout } = action;
        const versions = this.actual.versions.map((one) => ({ ...one, weight: weights[one.key] ?? 0 }));
        return this.#set({ rollout, versions });
      }
      case "note-rollout":
        return this.#set({ rollout: action.rollout });
      case "drain":
        return this.#become(action.version, { kind: "draining", endAtMs: action.endAtMs });
      case "keep":
        return this.#become(action.version, READY);
      case "end":
        return this.#become(action.version, { kind: "ending" });
      case "reject":
        return this.#set({ rejected: [...this.actual.rejected, action.version] });
      case "adjust":
        return this.#change(action.version, { options: "o2" });
      case "forget":
        this.isForgotten = true;
    }
  }

  #set(change: Partial<ActualApplication>): void {
    this.actual = { ...this.actual, ...change };
  }

  #change(key: string, change: Partial<ActualVersion>): void {
    const { versions } = this.actual;
    this.#set({ versions: versions.map((one) => (one.key === key ? { ...one, ...change } : one)) });
  }

  #become(key: string, phase: VersionPhase): void {
    this.#change(key, { phase, isHealthy: false });
  }

  /** What happens by itself. */
  pass(ms: number): void {
    this.nowMs += ms;
    const versions = this.actual.versions.flatMap((one): ActualVersion[] => {
      const { key, phase } = one;
      if (phase.kind === "ending") return [];
      if (phase.kind === "starting" && !this.broken.has(key))
        return [{ ...one, phase: READY, isHealthy: true }];
      if (phase.kind === "starting") {
        const tries = this.tries.get(key) ?? 0;
        this.tries.set(key, tries + 1);
        return [
          {
            ...one,
            phase: { kind: "failed", attempts: tries + 1, retryAtMs: this.nowMs + 10, reason: "broken" },
            isHealthy: false,
          },
        ];
      }
      if (phase.kind === "ready") return [{ ...one, isHealthy: true }];
      return [{ ...one, openRequests: Math.max(0, one.openRequests - 1) }];
    });
    this.actual = { ...this.actual, versions };
  }

  readonly tries = new Map<string, number>();
}

const anyPhase: fc.Arbitrary<VersionPhase> = fc.oneof(
  fc.constant(STARTING),
  fc.constant(READY),
  fc.record({
    kind: fc.constant("failed" as const),
    attempts: fc.integer({ min: 1, max: 4 }),
    retryAtMs: fc.nat(50),
    reason: fc.constant("broken"),
  }),
  fc.record({ kind: fc.constant("draining" as const), endAtMs: fc.nat(500) }),
  fc.constant({ kind: "ending" as const }),
);

const KEYS = ["v1", "v2", "v3"];

/** Any state in which requests go only to versions that are ready, as all that is ever brought about. */
const anyActual: fc.Arbitrary<ActualApplication> = fc
  .record({
    versions: fc.uniqueArray(
      fc.record({
        key: fc.constantFrom(...KEYS),
        phase: anyPhase,
        isHealthy: fc.boolean(),
        openRequests: fc.nat(3),
      }),
      { selector: ({ key }) => key },
    ),
    shares: fc.array(fc.nat(3), { minLength: 3, maxLength: 3 }),
    rejected: fc.uniqueArray(fc.constantFrom(...KEYS), { maxLength: 2 }),
    rollout: fc.option(
      fc.record({
        from: fc.constantFrom(...KEYS),
        to: fc.constantFrom(...KEYS),
        step: fc.nat(3),
        sinceMs: fc.nat(100),
        unhealthySinceMs: fc.constant(undefined),
      }),
      { nil: undefined },
    ),
  })
  .map(({ versions, shares, rejected, rollout }) => {
    const weights = versions.map(({ phase }, i) => (phase.kind === "ready" ? (shares[i] ?? 0) : 0));
    const sum = weights.reduce((total, weight) => total + weight, 0);
    return is(
      versions.map(({ key, phase, isHealthy, openRequests }, i) => ({
        ...version(key, phase, sum === 0 ? 0 : weights[i]! / sum),
        isHealthy,
        openRequests,
      })),
      { rejected, rollout },
    );
  });

const anyWant = fc.option(
  fc
    .record({
      version: fc.constantFrom(...KEYS),
      lastServed: fc.option(fc.constantFrom(...KEYS), { nil: undefined }),
      options: fc.constantFrom("o1", "o2"),
      steps: fc.array(
        fc.record({ weight: fc.double({ min: 0.1, max: 1, noNaN: true }), durationMs: fc.nat(200) }),
        {
          maxLength: 3,
        },
      ),
    })
    .map(({ version: key, lastServed, options, steps }) =>
      wants(key, { lastServed, options, traffic: { steps, gates: DEFAULT_TRAFFIC.gates } }),
    ),
  { nil: undefined },
);

describe("from any state", () => {
  it("a fixpoint is reached in a bounded number of rounds, and what is served stays served (RC1 to RC4)", () => {
    const anyBroken = fc.uniqueArray(fc.constantFrom(...KEYS), { maxLength: 2 });
    fc.assert(
      fc.property(anyWant, anyActual, anyBroken, (want, start, broken) => {
        // What is served cannot be what can never be started.
        const healthy = new Set(
          broken.filter((key) => !start.versions.some((one) => one.key === key && one.weight > 0)),
        );
        const model = new Model(start, healthy);
        let wasServed = servingOf(start) !== undefined && start.versions.some(({ weight }) => weight > 0);
        let quiet = 0;
        for (let round = 0; quiet < 80; round++) {
          expect(round).toBeLessThan(600);
          const actions = reconcile(
            want === undefined ? [] : [want],
            model.isForgotten ? [] : [model.actual],
            LIMITS,
            model.nowMs,
          );
          for (const action of actions) {
            check(action, model.actual);
            model.apply(action);
            const served = model.actual.versions.filter(({ weight }) => weight > 0);
            if (want !== undefined && wasServed) {
              expect(served.length).toBeGreaterThan(0);
              expect(served.reduce((sum, { weight }) => sum + weight, 0)).toBeCloseTo(1);
            }
            for (const one of served) expect(one.phase.kind).toBe("ready");
            wasServed ||= served.length > 0;
          }
          // A version that can never be started and is all that is wanted is tried for ever; all else comes to rest.
          const isRetry = actions.every(({ type }) => type === "start") && !wasServed;
          quiet = actions.length === 0 || isRetry ? quiet + 1 : 0;
          model.pass(20);
        }
        if (want === undefined) expect(model.actual.versions).toEqual([]);
        else if (!healthy.has(want.version) && !model.actual.rejected.includes(want.version)) {
          expect(model.actual.versions.map(({ key, weight }) => [key, weight])).toEqual([[want.version, 1]]);
          expect(applicationStatus(want, model.actual, 3)).toEqual({ status: "RUNNING", reason: "" });
        }
      }),
      { numRuns: 2000 },
    );
  });
});

/** RC2 and RC3, of one action. */
function check(action: Action, { versions }: ActualApplication): void {
  const find = (key: string) => versions.find((one) => one.key === key);
  if (action.type === "end" || action.type === "drain") expect(find(action.version)?.weight).toBe(0);
  if (action.type !== "route") return;
  for (const [key, weight] of Object.entries(action.weights)) {
    const one = find(key);
    if (weight === 0) continue;
    expect(one?.phase.kind).toBe("ready");
    // More than it had is given only to one that is healthy, or to the one that is left.
    if (weight > one!.weight && weight < 1) expect(one!.isHealthy).toBe(true);
  }
}
