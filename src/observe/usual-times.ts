import { criticalPath, type PathStage, type StageKind, stageTotals } from "./critical-path.ts";
import { callsOf, partsOf, type RequestTree } from "./request-tree.ts";

/** What each stage usually takes: the median over requests that were drawn at random. */
export class UsualTimes {
  /** By deployment, then by kind and name of the stage. */
  readonly #seen = new Map<string, Map<string, number[]>>();

  readonly #latencies: number[] = [];

  /** Of whole requests; 0 when none was sampled. */
  get latencyMs(): number {
    return medianOf(this.#latencies);
  }

  /** Every stage of the request counts, those beside its critical path too. */
  add({ root, latencyMs }: RequestTree): void {
    this.#latencies.push(latencyMs);
    const served = new Set<string>();
    for (const call of callsOf(root)) {
      const ofCall = this.#of(call.name);
      const parts = partsOf(call);
      push(ofCall, "router", parts.routedMs);
      push(ofCall, "wire", parts.wireMs);
      push(ofCall, "queue", parts.queueMs);
      push(ofCall, "batch wait", parts.heldMs);
      if (call.groups.length > 0 || call.stages.length > 0) served.add(call.name);
      // Whatever its work is called, it is all that the call did.
      else for (const kind of WORK) push(ofCall, kind, parts.runMs);
    }
    // What a call that made others did itself is known from the path alone.
    for (const stage of stageTotals(criticalPath(root))) {
      if (WORK.includes(stage.kind) && served.has(stage.name))
        push(this.#of(stage.name), keyOf(stage), stage.ms);
    }
  }

  /** 0 for a stage that no sampled request had. */
  of(stage: PathStage): number {
    return medianOf(this.#seen.get(stage.name)?.get(keyOf(stage)) ?? []);
  }

  #of(name: string): Map<string, number[]> {
    let ofName = this.#seen.get(name);
    if (ofName === undefined) {
      ofName = new Map();
      this.#seen.set(name, ofName);
    }
    return ofName;
  }
}

function medianOf(times: number[]): number {
  times.sort((a, b) => a - b);
  return times[Math.floor((times.length - 1) / 2)] ?? 0;
}

const WORK: readonly StageKind[] = ["edge", "run", "features"];

const keyOf = ({ kind, stage }: PathStage): string => (stage === undefined ? kind : `${kind} ${stage}`);

function push(times: Map<string, number[]>, key: string, ms: number): void {
  const list = times.get(key);
  if (list === undefined) times.set(key, [ms]);
  else list.push(ms);
}
