import type { Fallback, Json } from "tutti";
import type { CatalogueFile } from "./catalogue/choose-offer.ts";

/** What a game gets when nothing personal can be said in time: its default offer, served by the edge as data. */
export function offerFallback({ games }: CatalogueFile, version: string): Fallback {
  const bodies: Record<string, Json> = {};
  for (const [game, { defaultOffer }] of Object.entries(games)) {
    const { sku, price, discountPercent, expiresInSeconds } = defaultOffer;
    bodies[game] = {
      requestId: "$requestId",
      game,
      version,
      playerId: "$body.playerId",
      offer: { sku, price, discountPercent, expiresInSeconds },
      propensity: null,
      personalised: false,
      degraded: true,
      members: { ok: 0, late: 0, failed: 0, shed: 0, cancelled: 0 },
      reason: "$reason",
      latencyMs: "$latencyMs",
    };
  }
  return { byParam: "game", bodies };
}
