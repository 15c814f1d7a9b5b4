"""The offer with the highest expected revenue; the formula and the file are described in README.md beside this file.

Does what choose-offer.ts does, for the Flask baselines and the training's reference file.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

MIN_PROPENSITY = 1e-6


def load_catalogue(path: Path) -> dict[str, dict]:
    """Game -> what `choose_offer` takes: the default offer, and every candidate in file order."""
    games = json.loads(path.read_text(encoding="utf-8"))["games"]
    return {name: _prepare(game) for name, game in games.items()}


def _prepare(game: dict) -> dict:
    candidates = []
    for item in game["items"]:
        for percent in item["discounts"]:
            price = round_to_cents(item["price"], percent)
            response = item["response"]
            # sigmoid(logit(p) + c) equals o*e^c / (1 + o*e^c) with the odds o = p / (1 - p): no exp is left for the request.
            odds_factor = math.exp(response["appeal"] + response["perDiscount"] * percent / 100)
            offer = {"sku": item["sku"], "price": price, "discountPercent": percent, "expiresInSeconds": item["expiresInSeconds"]}
            candidates.append((price, odds_factor, offer))
    default = {key: game["defaultOffer"][key] for key in ("sku", "price", "discountPercent", "expiresInSeconds")}
    return {"default_offer": default, "candidates": candidates}


def round_to_cents(price: float, percent: float) -> float:
    """Half a cent goes up. In whole cents, because price * (1 - percent / 100) is not exact in binary."""
    return math.floor(round(price * 100) * (100 - percent) / 100 + 0.5) / 100


def choose_offer(game: dict, propensity: float) -> dict:
    p = min(max(propensity, MIN_PROPENSITY), 1 - MIN_PROPENSITY)
    odds = p / (1 - p)
    best = second = -math.inf
    chosen = None
    for price, odds_factor, offer in game["candidates"]:
        o = odds * odds_factor
        revenue = price * (o / (1 + o))
        if revenue > best:
            best, second, chosen = revenue, best, offer
        elif revenue > second:
            second = revenue
    return {"offer": chosen, "expectedRevenue": best, "margin": best - second}
