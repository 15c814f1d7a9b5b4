"""Trains the models of one version and writes them as `<game>/<version>/<model>/1/model.onnx` with a manifest."""

from __future__ import annotations

import hashlib
import json
import platform
import sys
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import onnx
import onnxruntime
import xgboost

from . import dense, trees
from .features import ATTRIBUTION, FEATURES, Sessions
from .groups import GROUPS, Group, Split, bootstrap, seed_of
from .metrics import evaluate, log_loss

FORMAT_VERSION = 1
MAX_DIFFERENCE = 1e-5


class Model(Protocol):
    def predict(self, x: np.ndarray) -> np.ndarray: ...
    def write(self, folder: Path) -> None: ...


@dataclass(frozen=True)
class Version:
    """What one `<game>/<version>` folder holds. `folder` differs from `game` for the dense family only."""

    game: str
    version: str
    family: str  # "trees" or "dense"

    @property
    def folder(self) -> str:
        return f"{self.game}/{self.version}" if self.family == "trees" else f"{self.game}-dense/{self.version}"


@dataclass(frozen=True)
class Trained:
    """One model's outcome: its entry of the manifest but for the weight, and its outputs."""

    entry: dict
    weighting: np.ndarray
    held_out: np.ndarray
    players: np.ndarray
    difference: float


def run_onnx(path: Path, x: np.ndarray) -> np.ndarray:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    (output,) = session.run(["probability"], {"features": x})
    assert output.shape == (len(x), 1), f"{path}: output has shape {output.shape}, expected {(len(x), 1)}"
    return output[:, 0]


def model_name(index: int, group: Group) -> str:
    return f"m{index + 1:02d}-{group.name}"


def train_model(version: Version, index: int, seed: int, sessions: Sessions, split: Split, players: np.ndarray, out: Path) -> Trained:
    group = GROUPS[version.version][index]
    name = model_name(index, group)
    model_seed = seed_of(seed, version.folder, name)
    rows = bootstrap(group, sessions, split, model_seed)
    x, y = sessions.x[rows], sessions.y[rows]
    model: Model = trees.TreeModel(version.version, x, y, model_seed) if version.family == "trees" else dense.DenseModel(x, y, model_seed)
    folder = out / version.folder / name / "1"
    model.write(folder)
    file = folder / "model.onnx"
    weighting, held_out, drawn = (model.predict(part) for part in (sessions.x[split.weighting], sessions.x[split.held_out], players))
    expected = np.concatenate([held_out, drawn])
    difference = float(np.abs(run_onnx(file, np.concatenate([sessions.x[split.held_out], players])) - expected).max())
    assert difference <= MAX_DIFFERENCE, f"{file}: ONNX differs from the model by {difference}, expected at most {MAX_DIFFERENCE}"
    distinct = np.unique(rows)
    entry = {
        "name": name,
        "file": f"{name}/1/model.onnx",
        "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
        "bytes": file.stat().st_size,
        "seed": model_seed,
        "trainingRows": len(rows),
        "purchases": int(y.sum()),
        "distinctRows": len(distinct),
        "distinctPurchases": int(sessions.y[distinct].sum()),
        "groups": group.describe(),
        "metrics": evaluate(sessions.y[split.held_out], held_out),
        "onnxMaxAbsDifference": difference,
    }
    return Trained(entry, weighting, held_out, drawn, difference)


def train_version(
    version: Version, seed: int, sessions: Sessions, split: Split, players: np.ndarray, out: Path, pool: Executor
) -> tuple[dict, list[Trained]]:
    """Returns the manifest, which is also written, and every model's outcome in the manifest's order."""
    count = len(GROUPS[version.version])
    jobs = [pool.submit(train_model, version, i, seed, sessions, split, players, out) for i in range(count)]
    trained = []
    for i, job in enumerate(jobs):
        trained.append(job.result())
        if sys.stderr.isatty():
            print(f"\rtraining: {version.folder}: {i + 1} of {count} models ", end="", file=sys.stderr, flush=True)
    # A better log loss on the weighting rows counts more. Only mildly: models of one algorithm on overlapping rows are close.
    inverse = np.array([1 / log_loss(sessions.y[split.weighting], t.weighting) for t in trained])
    weights = np.round(inverse / inverse.sum(), 6)
    weights[-1] = round(1 - float(weights[:-1].sum()), 6)
    held_out = np.stack([t.held_out for t in trained]).astype(np.float64)
    y = sessions.y[split.held_out]
    manifest = {
        "formatVersion": FORMAT_VERSION,
        "game": version.game,
        "version": version.version,
        "family": version.family,
        "seed": seed,
        "algorithm": _algorithm(version),
        "libraries": {
            "python": platform.python_version(),
            "numpy": np.__version__,
            "xgboost": xgboost.__version__,
            "onnx": onnx.__version__,
            "onnxruntime": onnxruntime.__version__,
        },
        "input": {"name": "features", "type": "float32", "shape": ["N", len(FEATURES)]},
        "output": {"name": "probability", "type": "float32", "shape": ["N", 1], "meaning": "probability that the session ends in a purchase"},
        "features": FEATURES,
        "heldOut": {"rows": len(y), "purchases": int(y.sum())},
        "models": [t.entry | {"weight": float(w)} for t, w in zip(trained, weights)],
        "ensemble": {
            "mean": evaluate(y, held_out.mean(axis=0)),
            "weightedMean": evaluate(y, np.average(held_out, axis=0, weights=weights)),
        },
        "onnxMaxAbsDifference": max(t.difference for t in trained),
        "attribution": ATTRIBUTION,
    }
    path = out / version.folder / "manifest.json"
    path.write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    return manifest, trained


def _algorithm(version: Version) -> dict:
    if version.family == "trees":
        return {"name": "xgboost", "rounds": trees.ROUNDS, "parameters": {k: v for k, v in trees.parameters(version.version, 0).items() if k != "seed"}}
    return {"name": "multilayer-perceptron", "hidden": list(dense.HIDDEN), "activation": "relu", "epochs": dense.EPOCHS, "optimizer": "adam"}
