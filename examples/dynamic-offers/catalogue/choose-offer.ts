/**
 * The offer with the highest expected revenue, given a player's propensity to buy. README.md beside this file states the formula.
 *
 * O1  The answer depends on the catalogue and the propensity alone; of equal revenues the first in file order wins.
 * O2  Work per request is two multiplications and a division per candidate: prices and exponentials are computed once.
 */

export interface Offer {
  readonly sku: string;
  /** What the player pays, after the discount, in the catalogue's currency. */
  readonly price: number;
  readonly discountPercent: number;
  readonly expiresInSeconds: number;
}

export interface Choice {
  readonly offer: Offer;
  readonly expectedRevenue: number;
  /** By how much the best expected revenue exceeds the second best; Infinity when there is one candidate only. */
  readonly margin: number;
}

/** One game as catalogue.json has it. */
export interface GameEntry {
  readonly defaultOffer: Offer & { readonly title: string };
  readonly items: readonly {
    readonly sku: string;
    readonly title: string;
    readonly price: number;
    readonly expiresInSeconds: number;
    readonly discounts: readonly number[];
    readonly response: { readonly appeal: number; readonly perDiscount: number };
  }[];
}

export interface CatalogueFile {
  readonly formatVersion: number;
  readonly currency: string;
  readonly games: Readonly<Record<string, GameEntry>>;
}

export interface GameCatalogue {
  /** For players whose propensity is not known. */
  readonly defaultOffer: Offer;
  /** Every (item, discount) in file order. `oddsFactor` is e^(appeal + perDiscount * discountPercent / 100). */
  readonly candidates: readonly { readonly offer: Offer; readonly oddsFactor: number }[];
}

const MIN_PROPENSITY = 1e-6;

/** Throws a TypeError that names what is wrong in the entry. */
export function prepareGame(entry: GameEntry): GameCatalogue {
  const candidates = entry.items.flatMap((item) =>
    item.discounts.map((discountPercent) => ({
      offer: offerOf(item, discountPercent),
      oddsFactor: Math.exp(item.response.appeal + (item.response.perDiscount * discountPercent) / 100),
    })),
  );
  if (candidates.length === 0) {
    throw new TypeError(
      "catalogue: expected a game with at least one item and discount, found none; add one to its items",
    );
  }
  for (const { offer, oddsFactor } of candidates) {
    if (!Number.isFinite(oddsFactor) || !(offer.price >= 0)) {
      throw new TypeError(
        `catalogue: expected numbers for price, discounts and response of item "${offer.sku}"`,
      );
    }
  }
  const { sku, price, discountPercent, expiresInSeconds } = entry.defaultOffer;
  return { defaultOffer: Object.freeze({ sku, price, discountPercent, expiresInSeconds }), candidates };
}

/** Every game of the file, prepared. */
export function prepareCatalogue(file: CatalogueFile): ReadonlyMap<string, GameCatalogue> {
  return new Map(Object.entries(file.games).map(([game, entry]) => [game, prepareGame(entry)]));
}

/** `propensity`: probability of a purchase, clamped to [1e-6, 1 - 1e-6]. Throws a RangeError when it is not a number. */
export function chooseOffer(game: GameCatalogue, propensity: number): Choice {
  const p = Math.min(Math.max(propensity, MIN_PROPENSITY), 1 - MIN_PROPENSITY);
  const odds = p / (1 - p);
  let best = Number.NEGATIVE_INFINITY;
  let second = Number.NEGATIVE_INFINITY;
  let chosen: Offer | undefined;
  for (const { offer, oddsFactor } of game.candidates) {
    // sigmoid(logit(p) + c) = o / (1 + o) with o = odds * e^c, so that no exponential is left for the request (O2).
    const o = odds * oddsFactor;
    const revenue = offer.price * (o / (1 + o));
    if (revenue > best) {
      second = best;
      best = revenue;
      chosen = offer;
    } else if (revenue > second) {
      second = revenue;
    }
  }
  if (chosen === undefined)
    throw new RangeError(`propensity: expected a number between 0 and 1, found ${propensity}`);
  return { offer: chosen, expectedRevenue: best, margin: best - second };
}

function offerOf(item: GameEntry["items"][number], discountPercent: number): Offer {
  // In whole cents, half a cent upwards: price * (1 - percent / 100) is not exact in binary.
  const cents = Math.floor((Math.round(item.price * 100) * (100 - discountPercent)) / 100 + 0.5);
  return Object.freeze({
    sku: item.sku,
    price: cents / 100,
    discountPercent,
    expiresInSeconds: item.expiresInSeconds,
  });
}
