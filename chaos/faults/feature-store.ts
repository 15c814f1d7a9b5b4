import { randomFillSync } from "node:crypto";
import type { Fault as ProxyFault } from "../../test/features/fault-proxy.ts";
import type { Demands, Fault, Scene } from "../fault.ts";

/** The service that features are read from misbehaves, or the way there does. */
function featureStore(
  name: string,
  about: string,
  decide: (random: () => number) => ProxyFault,
  quickMs: number,
  demands: Demands = { seenAs: "fallback" },
): Fault {
  return {
    name,
    about,
    system: "dynamodb",
    holdMs: { quick: quickMs, full: 8000 },
    demands,
    async plant({ proxy, over, random }: Scene) {
      if (proxy === undefined) throw new Error("this system reads its features without a proxy");
      proxy.decide = () => decide(random);
      await over;
      proxy.decide = () => ({ kind: "pass" });
    },
  };
}

export const storeDown = featureStore(
  "feature-store-down",
  "the feature store closes every connection",
  () => ({ kind: "cut" }),
  800,
);

export const storeSlow = featureStore(
  "feature-store-slow",
  "the feature store takes requests and does not answer, or stops half way",
  (random) => ({ kind: random() < 0.5 ? "hang" : "stall" }),
  // Longer than the request's deadline, or a repetition finds it well again.
  2200,
  // As it recovers it lets a crowd go at once, whose waits admission takes for overload while many are still under way.
  { seenAs: "fallback", refusedFraction: 0.5 },
);

export const storeGarbage = featureStore(
  "feature-store-garbage",
  "the feature store answers with noise, with half an answer, or with rows of nonsense",
  (random) => {
    const which = random();
    if (which < 0.3) return { kind: "cutMidBody" };
    if (which < 0.6) return { kind: "body", body: randomFillSync(Buffer.alloc(300)) };
    return { kind: "body", body: NONSENSE };
  },
  800,
);

/** JSON of the right shape with rows that are no vectors. */
const NONSENSE = JSON.stringify({
  Responses: { players: [{ key: { S: "player-00001" }, vector: { B: "bm9uc2Vuc2U=" } }] },
});
