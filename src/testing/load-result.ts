import type { SimulatedAnswer } from "./simulated-client.ts";

/** The answers to a load, in the order of their requests. */
export class LoadResult {
  readonly answers: readonly SimulatedAnswer[];
  readonly #sorted: readonly number[];

  constructor(answers: readonly SimulatedAnswer[]) {
    this.answers = answers;
    this.#sorted = answers.map(({ latencyMs }) => latencyMs).sort((a, b) => a - b);
  }

  /** @param fraction 0.95 for the 95th percentile, by nearest rank; over all answers. */
  latencyMs(fraction: number): number {
    const rank = Math.ceil(fraction * this.#sorted.length);
    return this.#sorted[Math.max(0, rank - 1)] ?? Number.NaN;
  }

  get degraded(): number {
    return this.answers.filter(({ degraded }) => degraded).length;
  }

  /** How many answers had each status. */
  get statuses(): Readonly<Record<number, number>> {
    const counts: Record<number, number> = {};
    for (const { status } of this.answers) counts[status] = (counts[status] ?? 0) + 1;
    return counts;
  }
}
