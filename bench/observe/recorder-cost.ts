/**
 * Measures what the flight recorder costs a request of a 15-way ensemble, on against off. Not a test; it is how the
 * figures of docs/guides/flight-recorder.md were taken:
 *
 *   node bench/observe/recorder-cost.ts
 *
 * Each part does what its process does for each request, and the same without the recorder; both alternate. What is not
 * recorded is cheap and what is kept is not, so that the cost falls with the rate: the same number is kept of each minute.
 * The medians over the rounds, in nanoseconds.
 */
import { CallCounters } from "../../src/observe/call-counters.ts";
import type { CallGroup, CallSpan } from "../../src/observe/call-group.ts";
import { CallRecorder, type EndedCall } from "../../src/observe/call-recorder.ts";
import { LaneHistory } from "../../src/observe/lane-history.ts";
import { RequestRecorder } from "../../src/observe/request-recorder.ts";
import { seededRandom } from "../../src/policy/seeded-random.ts";
import { median } from "../measure/statistics.ts";

const MEMBERS = 15;
const BATCH = 4;
const REQUESTS = 200_000;
const ROUNDS = 9;
const RATES = [100, 1000, 6000];

const random = seededRandom(1);
/** Most requests take a few milliseconds, some much longer. */
const latencies = Float64Array.from({ length: 4096 }, () => 3 - 4 * Math.log(1 - random()));
const calls: readonly CallSpan[] = Array.from({ length: MEMBERS }, (_, index) => ({
  name: `m${index}`,
  status: "ok",
  code: undefined,
  latencyMs: 4,
  routedMs: 0,
  queueMs: 1,
  laneMs: 1,
  runMs: 1,
  batchSize: BATCH,
  executor: `x${index % 2}`,
  attempts: 1,
  secondAttempt: undefined,
  degraded: false,
}));

/** One part: what is done for the request that ends at a moment, having taken so long. */
type Part = (endedAtMs: number, latencyMs: number) => void;

let sink = 0;

/** A code executor: the group of calls, which an ensemble makes for its result anyway, is noted and the call ends. */
function executorPart(isOn: boolean): Part {
  const book = new CallRecorder(seededRandom(2)).bookFor("Supervisor", "http:offer", true);
  return (endedAtMs, latencyMs) => {
    const startedAtMs = endedAtMs - latencyMs;
    const call: EndedCall & { groups: CallGroup[] } = {
      requestId: "request",
      replica: "Supervisor#0",
      application: "offers",
      applicationVersion: "v1",
      degraded: false,
      startedAtMs,
      groups: [],
      namedStages: [],
    };
    if (isOn) {
      call.groups.push({ method: "predict", startedAtMs: startedAtMs + 1, endedAtMs, calls });
      book.note(call, undefined, endedAtMs);
    }
    sink += call.startedAtMs;
  };
}

function edgePart(isOn: boolean): Part {
  const recorder = new RequestRecorder(seededRandom(3));
  return (endedAtMs, latencyMs) => {
    const startedAtMs = endedAtMs - latencyMs;
    sink += startedAtMs;
    if (!isOn) return;
    recorder.note({
      requestId: "request",
      application: "offers",
      route: "POST /offers/:game",
      startedAtMs,
      endedAtMs,
      calledAtMs: startedAtMs + 0.1,
      status: 200,
      degraded: false,
      error: undefined,
    });
  };
}

/** Both lanes together: 15 items of a request, in batches of four. */
function lanesPart(isOn: boolean): Part {
  const history = new LaneHistory();
  const counters = new CallCounters();
  let items = 0;
  return (endedAtMs, latencyMs) => {
    const item = { call: { requestId: "request" }, queuedAtMs: endedAtMs - Math.min(latencyMs / 2, 4) };
    for (let member = 0; member < MEMBERS; member++) {
      sink += item.queuedAtMs;
      items += 1;
      if (isOn) {
        history.started("m0", item, endedAtMs);
        if (items % BATCH === 0) history.ran("m0", BATCH, endedAtMs - 1, endedAtMs);
      }
    }
    sink += counters.get("run", "wasted");
  };
}

function nsARequest(part: Part, ratePerSecond: number): number {
  const startedAtMs = performance.now();
  for (let at = 0; at < REQUESTS; at++) part((at * 1000) / ratePerSecond, latencies[at & 4095]!);
  return ((performance.now() - startedAtMs) * 1e6) / REQUESTS;
}

const parts = { executor: executorPart, edge: edgePart, lanes: lanesPart };
for (const make of Object.values(parts)) for (const isOn of [true, false]) nsARequest(make(isOn), 1000);
const rows = RATES.map((ratePerSecond) => {
  const cost: Record<string, number> = {};
  let sum = 0;
  for (const [name, make] of Object.entries(parts)) {
    const differences: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const on = nsARequest(make(true), ratePerSecond);
      differences.push(on - nsARequest(make(false), ratePerSecond));
    }
    cost[name] = Math.round(median(differences));
    sum += median(differences);
  }
  const shareOfACore = `${((sum * ratePerSecond) / 1e7).toFixed(2)} %`;
  return { "requests/s": ratePerSecond, ...cost, sum: Math.round(sum), "of one core": shareOfACore };
});
console.table(rows);
if (Number.isNaN(sink)) throw new Error("nothing was measured");
