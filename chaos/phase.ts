import { ask } from "../bench/systems/ask.ts";
import { seededRandom } from "../src/policy/seeded-random.ts";
import { type Broken, brokenDemands, type DemandKind, isStarved, type PhaseFacts } from "./demands.ts";
import type { Scene } from "./fault.ts";
import { ForeignCpu } from "./foreign-cpu.ts";
import { type Ended, Load, OFFER_PATH } from "./load.ts";
import type { Phase } from "./plan.ts";
import type { PhaseResult } from "./schema.ts";
import type { VerdictKind } from "./verdict.ts";

/** Load before the fault is planted, and after it was lifted. */
const BEFORE_MS = 250;
const AFTER_MS = 400;
const MAX_ATTEMPTS = 3;
const EXAMPLES = 5;
const PROVOKED_WITHIN_MS = 4000;

export interface Stage extends Pick<Scene, "system" | "control" | "proxy" | "reference"> {
  readonly ratePerSecond: number;
  readonly say: (line: string) => void;
}

/**
 * One fault under load, judged. A bound of time that was missed while others had the processor says nothing of Tutti:
 * the phase is run anew, and if that does not help, it is said that this was not judged. Nothing else is excused.
 */
export async function runPhase(phase: Phase, stage: Stage): Promise<PhaseResult> {
  for (let attempts = 1; ; attempts++) {
    const { facts, broken, examples } = await attempt(phase, stage);
    const starved = isStarved(facts);
    const of = (...kinds: readonly DemandKind[]) =>
      broken.filter(({ kind }) => kinds.includes(kind)).map(({ what }) => what);
    const certain = starved ? of("rule") : of("rule", "share");
    const late = starved ? [] : of("duration");
    const notJudged = starved ? of("share", "duration") : [];
    if (notJudged.length === 0 || certain.length > 0 || attempts === MAX_ATTEMPTS)
      return { ...facts, attempts, broken: certain, late, notJudged, examples };
    const share = Math.round(100 * facts.foreignCpuFraction);
    stage.say(`${phase.fault.name}: others had ${share} % of the processor (${notJudged[0]}); once more`);
  }
}

async function attempt({ fault, holdMs, seed }: Phase, stage: Stage) {
  const { system, reference, ratePerSecond } = stage;
  const load = new Load({ port: system.port, ratePerSecond, seed, reference });
  await sleep(BEFORE_MS);
  const replacementsBefore = system.replacements;
  const cpu = new ForeignCpu(() => system.cpuSeconds());
  const over = Promise.withResolvers<void>();
  let isOver = false;
  const end = setTimeout(() => {
    isOver = true;
    over.resolve();
  }, holdMs);
  const replacementsMs: number[] = [];
  let provoked = 0;
  const scene: Scene = {
    ...stage,
    random: seededRandom(seed),
    over: over.promise,
    isOver: () => isOver,
    pause: (ms) => Promise.race([over.promise, sleep(ms)]),
    strike: async (act, replacements = 1) => {
      const before = system.replacements;
      const startedAtMs = performance.now();
      await act();
      await system.until(
        async () => system.replacements >= before + replacements && (await system.isAtFullStrength()),
        `to be at full strength again after ${fault.name}`,
        20_000,
      );
      if (replacements > 0) replacementsMs.push(performance.now() - startedAtMs);
    },
    provoke: async (playerId) => {
      await expectFallback(system.port, playerId);
      provoked += 1;
    },
  };
  const broken: Broken[] = [];
  try {
    await fault.plant(scene);
  } catch (thrown) {
    broken.push({ what: thrown instanceof Error ? thrown.message : String(thrown), kind: "rule" });
  }
  await over.promise;
  clearTimeout(end);
  const liftedAtMs = performance.now();
  await sleep(AFTER_MS);
  await load.stop();
  const facts: PhaseFacts = {
    fault: fault.name,
    about: fault.about,
    system: fault.system,
    seed,
    holdMs,
    ...tally(load.ended),
    provoked,
    replacements: system.replacements - replacementsBefore,
    replacedBecause: kindsOf(system.reasons.slice(replacementsBefore)),
    fallbackReasons: reasonsOf(load.ended),
    slowestReplacementMs: replacementsMs.length === 0 ? null : Math.round(Math.max(...replacementsMs)),
    recoveryMs: recoveryMs(load.ended, liftedAtMs),
    ownLagMs: Math.round(load.worstLagMs),
    foreignCpuFraction: cpu.fraction(),
  };
  broken.push(...brokenDemands(facts, fault.demands));
  return { facts, broken, examples: examplesOf(load.ended) };
}

const COUNTED = ["right", "degraded", "fallback", "refused", "failed", "wrong", "unlabelled"] as const;

function tally(ended: readonly Ended[]) {
  const of = (kind: VerdictKind) => ended.filter(({ verdict }) => verdict.kind === kind).length;
  const counts = Object.fromEntries(COUNTED.map((kind) => [kind, of(kind)])) as Record<VerdictKind, number>;
  const sorted = ended.map(({ latencyMs }) => latencyMs).sort((a, b) => a - b);
  const at = (fraction: number) => round(sorted[Math.ceil(fraction * sorted.length) - 1] ?? 0);
  return {
    sent: ended.length,
    ...counts,
    status5xx: ended.filter(({ status }) => status >= 500).length,
    p50Ms: at(0.5),
    p95Ms: at(0.95),
    maxMs: at(1),
  };
}

/** How long after the fault's end requests were still sent that got less than a whole answer. */
function recoveryMs(ended: readonly Ended[], liftedAtMs: number): number {
  let lastMs = 0;
  for (const { sentAtMs, verdict } of ended)
    if (verdict.kind !== "right") lastMs = Math.max(lastMs, sentAtMs - liftedAtMs);
  return Math.round(lastMs);
}

const kindsOf = (reasons: readonly string[]): string[] => [
  ...new Set(reasons.map((reason) => reason.replaceAll(/\d+/g, "n"))),
];

function reasonsOf(ended: readonly Ended[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { verdict } of ended)
    if (verdict.kind === "fallback") counts[verdict.said] = (counts[verdict.said] ?? 0) + 1;
  return counts;
}

function examplesOf(ended: readonly Ended[]): string[] {
  const reasons = ended.flatMap(({ verdict }) =>
    "reason" in verdict ? [`${verdict.kind}: ${verdict.reason}`] : [],
  );
  return [...new Set(reasons)].slice(0, EXAMPLES);
}

/** What a fault asks for itself must be answered too: by the fallback, which says so. */
async function expectFallback(port: number, playerId: string): Promise<void> {
  const answer = await ask(port, OFFER_PATH, { timeoutMs: PROVOKED_WITHIN_MS, body: { playerId } });
  const said = answer?.status === 200 ? JSON.parse(answer.body) : undefined;
  if (said?.personalised === false && said.degraded === true) return;
  throw new Error(
    `${playerId} was not answered by a labelled fallback, but by ${answer?.status}: ${answer?.body}`,
  );
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const round = (ms: number): number => Math.round(ms * 10) / 10;
