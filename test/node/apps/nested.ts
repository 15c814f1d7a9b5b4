import { setTimeout as delay } from "node:timers/promises";
import {
  application,
  context,
  deployment,
  type Ensemble,
  ensemble,
  type Handle,
  type HttpRequestInfo,
  mean,
} from "tutti";

/** A class that calls a class in another executor, which asks an ensemble. */

class Member {
  readonly #share: number;

  constructor(share: number) {
    this.#share = share;
  }

  async score(ms: number) {
    // Ends with its call: what nobody waits for must not keep the test.
    await delay(ms * this.#share, undefined, { signal: context().signal });
    return 1;
  }
}

/** Computes, so that it has an executor of its own. */
class Scorer {
  readonly #quick: Handle<Member>;
  readonly #both: Ensemble<Member, number>;

  constructor(quick: Handle<Member>, slow: Handle<Member>) {
    this.#quick = quick;
    this.#both = ensemble([quick, slow], { combine: mean, quorum: 1, deadlineMs: 200, reserveMs: 0 });
  }

  async score(ms: number) {
    await this.#quick.score(50);
    context().recordStage("warm-up", 5);
    const { value } = await this.#both.score(ms);
    return { value };
  }
}

class Gateway {
  readonly #scorer: Handle<Scorer>;

  constructor(scorer: Handle<Scorer>) {
    this.#scorer = scorer;
  }

  async ask(_body: unknown, { params }: HttpRequestInfo) {
    // That the answer is degraded comes with the reply: nothing has to be said of it here.
    return this.#scorer.score(Number(params["ms"]));
  }

  fail(): never {
    throw new Error("on purpose");
  }
}

const quick = deployment(Member, { name: "quick" }).bind(0.1);
const slow = deployment(Member, { name: "slow" }).bind(1);
const scorer = deployment(Scorer, { compute: true }).bind(quick, slow);

export default application({
  name: "nested",
  version: "v3",
  route: "/nested",
  deadlineMs: 2000,
  ingress: deployment(Gateway).bind(scorer),
  http: { "GET /ask/:ms": "ask", "GET /fail": "fail" },
});
