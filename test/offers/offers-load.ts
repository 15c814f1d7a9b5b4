import type { HttpAnswer, HttpClient } from "../support/http-client.ts";
import { OpenLoopLoad } from "../support/open-loop-load.ts";
import { bestOffer, type Vectors } from "./offers-fixture.ts";

const TOLERANCE = 1e-5;

/** What became of a load of offers. The parts add up to what was sent. */
export interface Tally {
  readonly sent: number;
  /** Personal, with all members, the right propensity for the player, and the best offer for it. */
  readonly right: number;
  /** 200 with another propensity, offer or player than it should be. */
  readonly wrong: number;
  /** The default offer, or members missing. */
  readonly degraded: number;
  /** Not admitted: the node has more to do than it can. */
  readonly refused: number;
  /** Any other status than 200, or no answer. */
  readonly failed: number;
  readonly slowestMs: number;
  /** The first of what was not right, for the message of the test that fails. */
  readonly examples: readonly string[];
}

/** Offers for one player after the other, at a rate; each answer is compared with what the models say directly. */
export class OffersLoad {
  readonly #players: readonly Vectors[];
  readonly #expected: readonly number[];
  readonly #load: OpenLoopLoad<HttpAnswer>;

  /** @param expected the propensity of each player. */
  constructor(
    client: HttpClient,
    players: readonly Vectors[],
    expected: readonly number[],
    ratePerSecond: number,
  ) {
    this.#players = players;
    this.#expected = expected;
    this.#load = new OpenLoopLoad({
      ratePerSecond,
      send: (index) => client.post("/offers/tower", { playerId: players[index % players.length]!.key }),
    });
  }

  get answered(): number {
    return this.#load.answered;
  }

  get worstLagMs(): number {
    return this.#load.worstLagMs;
  }

  async stop(): Promise<Tally> {
    const results = await this.#load.stop();
    const counts = { right: 0, wrong: 0, degraded: 0, refused: 0, failed: 0 };
    const tally = { sent: this.#load.sent, ...counts, slowestMs: 0 };
    const examples: string[] = [];
    for (const result of results) {
      const verdict = "error" in result ? "failed" : this.#judge(result.index, result.answer);
      tally[verdict] += 1;
      if ("answer" in result)
        tally.slowestMs = Math.max(tally.slowestMs, Math.round(result.answer.latencyMs));
      const said = "error" in result ? result.error.message : `${result.answer.status} ${result.answer.text}`;
      if (verdict !== "right" && examples.length < 5) examples.push(`${verdict}: ${said}`);
    }
    return { ...tally, examples };
  }

  #judge(index: number, { status, json }: HttpAnswer): "right" | "wrong" | "degraded" | "refused" | "failed" {
    if (status === 503 && json?.error?.code === "Overloaded") return "refused";
    if (status !== 200 || json === undefined) return "failed";
    const which = index % this.#players.length;
    if (json.playerId !== this.#players[which]!.key) return "wrong";
    if (!json.personalised || json.degraded || json.members.ok !== 15) return "degraded";
    if (!(Math.abs(json.propensity - this.#expected[which]!) < TOLERANCE)) return "wrong";
    const { offer } = bestOffer(json.propensity);
    return Object.entries(offer).every(([key, value]) => json.offer[key] === value) ? "right" : "wrong";
  }
}

/** Every answer was right: nothing wrong, nothing refused or failed, nobody given less than a personal offer. */
export const allRight = ({ sent, slowestMs }: Tally): Tally => ({
  sent,
  right: sent,
  wrong: 0,
  degraded: 0,
  refused: 0,
  failed: 0,
  slowestMs,
  examples: [],
});
