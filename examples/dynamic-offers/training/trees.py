"""The boosted-tree family: XGBoost, the same algorithm for every model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xgboost

from .export_onnx import tree_graph, write_onnx

ROUNDS = 300
DEPTH = 6

PARAMETERS: dict[str, dict] = {
    "v1": {"eta": 0.05, "subsample": 0.9, "colsample_bytree": 0.8, "lambda": 1.0},
    "v2": {"eta": 0.03, "subsample": 0.8, "colsample_bytree": 0.6, "lambda": 3.0},
}


def parameters(version: str, seed: int) -> dict:
    # One thread: sums of floats depend on how rows are dealt to threads, and the files shall be the same bytes on every machine.
    fixed = {"objective": "binary:logistic", "max_depth": DEPTH, "tree_method": "hist", "nthread": 1}
    return fixed | PARAMETERS[version] | {"seed": seed}


class TreeModel:
    def __init__(self, version: str, x: np.ndarray, y: np.ndarray, seed: int):
        self._booster = xgboost.train(parameters(version, seed), xgboost.DMatrix(x, y, nthread=1), num_boost_round=ROUNDS)

    def predict(self, x: np.ndarray) -> np.ndarray:
        return self._booster.predict(xgboost.DMatrix(x, nthread=1))

    def write(self, folder: Path) -> None:
        write_onnx(tree_graph(self._booster), folder / "model.onnx")
        self._booster.save_model(folder / "model.ubj")
