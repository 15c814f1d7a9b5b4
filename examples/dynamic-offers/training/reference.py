"""What players of the population must get: every model's own output, their mean by the manifest's weights, and the offer. Tests
of other languages compare with it. The players are synthetic, drawn from the summary; no row of the data set is in the file."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from catalogue.choose_offer import choose_offer, load_catalogue

from .features import ATTRIBUTION
from .repository import Trained

PLAYERS = 40


def write_reference(path: Path, catalogue: Path, manifest: dict, trained: list[Trained], players: np.ndarray) -> None:
    game = load_catalogue(catalogue)[manifest["game"]]
    weights = [model["weight"] for model in manifest["models"]]
    cases = []
    for i in range(PLAYERS):
        outputs = [float(t.players[i]) for t in trained]
        propensity = sum(w * o for w, o in zip(weights, outputs)) / sum(weights)
        choice = choose_offer(game, propensity)
        cases.append(
            {
                "features": [float(v) for v in players[i]],
                "outputs": outputs,
                "propensity": propensity,
                "offer": choice["offer"],
                "expectedRevenue": choice["expectedRevenue"],
                "margin": choice["margin"],
            }
        )
    document = {
        "formatVersion": 1,
        "about": "Synthetic players with the output of each model as XGBoost itself computes it (not ONNX), in the order of models.",
        "attribution": ATTRIBUTION,
        "game": manifest["game"],
        "version": manifest["version"],
        "features": [feature["name"] for feature in manifest["features"]],
        "models": [model["name"] for model in manifest["models"]],
    }
    head = "".join(f"  {json.dumps(k)}: {json.dumps(v)},\n" for k, v in document.items())
    body = ",\n".join("    " + json.dumps(case) for case in cases)
    path.write_text("{\n" + head + '  "cases": [\n' + body + "\n  ]\n}\n", encoding="utf-8")
