import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import {
  type CatalogueFile,
  chooseOffer,
  type GameEntry,
  type Offer,
  prepareCatalogue,
  prepareGame,
} from "./choose-offer.ts";

const file: CatalogueFile = JSON.parse(readFileSync(new URL("./catalogue.json", import.meta.url), "utf8"));
const games = prepareCatalogue(file);

/** The formula as README.md writes it, with no algebra done to it. */
function byTheFormula(entry: GameEntry, propensity: number): { key: string; revenue: number }[] {
  const logit = Math.log(propensity / (1 - propensity));
  return entry.items.flatMap((item) =>
    item.discounts.map((percent) => {
      const price = Number((Math.round(item.price * 100 * (1 - percent / 100) + 1e-9) / 100).toFixed(2));
      const { appeal, perDiscount } = item.response;
      const revenue = price / (1 + Math.exp(-(logit + appeal + (perDiscount * percent) / 100)));
      return { key: `${item.sku} ${percent} ${price}`, revenue };
    }),
  );
}

const propensities = Array.from({ length: 999 }, (_, i) => (i + 1) / 1000);

test("the choice has the highest revenue of the formula, for every game and propensity", () => {
  expect(Object.keys(file.games).sort()).toEqual(["puzzle", "racer", "tennis", "tower"]);
  for (const [name, entry] of Object.entries(file.games)) {
    const game = games.get(name);
    if (game === undefined) throw new Error(`${name} was not prepared`);
    for (const propensity of propensities) {
      const ranked = byTheFormula(entry, propensity).sort((a, b) => b.revenue - a.revenue);
      const { offer, expectedRevenue, margin } = chooseOffer(game, propensity);
      expect(`${offer.sku} ${offer.discountPercent} ${offer.price}`).toBe(ranked[0]?.key);
      expect(expectedRevenue).toBeCloseTo(ranked[0]?.revenue ?? Number.NaN, 10);
      expect(margin).toBeCloseTo((ranked[0]?.revenue ?? 0) - (ranked[1]?.revenue ?? 0), 10);
    }
  }
});

test("a likely buyer gets a smaller discount than an unlikely one, and each game has at least six different offers", () => {
  for (const game of games.values()) {
    const discount = (propensity: number) => chooseOffer(game, propensity).offer.discountPercent;
    expect(discount(0.01)).toBeGreaterThanOrEqual(50);
    expect(discount(0.97)).toBe(0);
    const offers = new Set(propensities.map((propensity) => chooseOffer(game, propensity).offer));
    expect(offers.size).toBeGreaterThanOrEqual(6);
  }
});

test("propensities of 0 and 1 are clamped, what is not a number is refused", () => {
  const game = games.get("tower");
  if (game === undefined) throw new Error("tower was not prepared");
  expect(chooseOffer(game, 0)).toEqual(chooseOffer(game, 1e-6));
  expect(chooseOffer(game, 1)).toEqual(chooseOffer(game, 1 - 1e-6));
  expect(() => chooseOffer(game, Number.NaN)).toThrow("found NaN");
});

test("choose_offer.py, which wrote the reference file, chooses the same", () => {
  const path = new URL("../models/tower/v1/reference.json", import.meta.url);
  const { cases }: { cases: { propensity: number; offer: Offer; margin: number }[] } = JSON.parse(
    readFileSync(path, "utf8"),
  );
  const game = games.get("tower");
  if (game === undefined) throw new Error("tower was not prepared");
  expect(cases.length).toBe(40);
  for (const { propensity, offer, margin } of cases) {
    const choice = chooseOffer(game, propensity);
    expect(choice.offer).toEqual(offer);
    expect(choice.margin).toBeCloseTo(margin, 12);
  }
});

const item = {
  title: "",
  price: 2,
  expiresInSeconds: 60,
  discounts: [0],
  response: { appeal: 0, perDiscount: 1 },
};
const defaultOffer = { sku: "default", title: "", price: 1, discountPercent: 0, expiresInSeconds: 60 };

test("of equal expected revenues the first in file order wins, with a margin of 0", () => {
  const game = prepareGame({
    defaultOffer,
    items: [
      { ...item, sku: "first" },
      { ...item, sku: "second" },
    ],
  });
  expect(chooseOffer(game, 0.3)).toMatchObject({ offer: { sku: "first" }, margin: 0 });
});

test("half a cent is rounded upwards, also where binary fractions would lose it", () => {
  const priceOf = (price: number, discount: number) =>
    prepareGame({ defaultOffer, items: [{ ...item, sku: "a", price, discounts: [discount] }] }).candidates[0]
      ?.offer.price;
  expect(priceOf(2.99, 50)).toBe(1.5);
  expect(priceOf(1.05, 50)).toBe(0.53);
  expect(priceOf(19.99, 10)).toBe(17.99);
});

test("a game without candidates or with a broken item is refused by name", () => {
  expect(() => prepareGame({ defaultOffer, items: [] })).toThrow("at least one item");
  expect(() => prepareGame({ defaultOffer, items: [{ ...item, sku: "odd", price: Number.NaN }] })).toThrow(
    '"odd"',
  );
});
