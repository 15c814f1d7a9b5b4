"""A summary of the sessions (quantiles, category shares, rank correlations; no rows), and players drawn from it.

`players/population.ts` draws the example's players from the same summary with its own generator. The draws made here are
other players of the same population; they check ONNX files and fill the reference file.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from scipy.stats import norm, spearmanr

from .features import ATTRIBUTION, FEATURES, Sessions

PROBABILITIES = [0, 0.01, 0.02, *np.round(np.arange(0.05, 1, 0.05), 2).tolist(), 0.98, 0.99, 1]
COUNTS = ("administrative", "informational", "productRelated")
# No page of a kind seen, no time spent there.
ZERO_WITH = {"administrativeDuration": "administrative", "informationalDuration": "informational", "productRelatedDuration": "productRelated"}
CATEGORIES = ("specialDay", "month", "operatingSystem", "browser", "region", "trafficType", "weekend")
VISITOR = ("visitorReturning", "visitorNew", "visitorOther")


def summarise(sessions: Sessions) -> dict:
    by_name = {feature["name"]: sessions.x[:, i].astype(np.float64) for i, feature in enumerate(FEATURES)}
    # The one-hot features are one column of the population: 0, 1 or 2 is the place in VISITOR.
    by_name["visitorType"] = sum(i * by_name[name] for i, name in enumerate(VISITOR))
    columns, values = [], []
    for name in [f["name"] for f in FEATURES if f["name"] not in VISITOR] + ["visitorType"]:
        column = by_name[name]
        values.append(column)
        if name in CATEGORIES or name == "visitorType":
            columns.append(_categories(name, column))
        else:
            columns.append(_numeric(name, column))
    correlation = spearmanr(np.column_stack(values)).statistic
    return {
        "formatVersion": 1,
        "about": "Summary of the data set; holds no rows of it. Correlations are Spearman's, in the order of columns.",
        "attribution": ATTRIBUTION.replace("trained on", "made from"),
        "rows": len(sessions.y),
        "features": [_feature(feature["name"]) for feature in FEATURES],
        "columns": columns,
        "rankCorrelation": np.round(correlation, 4).tolist(),
    }


def _feature(name: str) -> dict:
    if name in VISITOR:
        return {"name": name, "column": "visitorType", "oneWhen": VISITOR.index(name)}
    return {"name": name, "column": name}


def _numeric(name: str, column: np.ndarray) -> dict:
    """Zero-inflated: the share of zeros, and quantiles of the rest."""
    rest = column[column > 0]
    quantiles = np.quantile(rest, PROBABILITIES)
    entry = {"name": name, "kind": "number", "integer": name in COUNTS, "zeroFraction": round(1 - len(rest) / len(column), 5)}
    if name in ZERO_WITH:
        entry["zeroWith"] = ZERO_WITH[name]
    return entry | {"probabilities": PROBABILITIES, "quantiles": [float(f"{q:.6g}") for q in quantiles]}


def _categories(name: str, column: np.ndarray) -> dict:
    values, counts = np.unique(np.round(column, 6), return_counts=True)
    fractions = np.round(counts / counts.sum(), 6)
    return {"name": name, "kind": "category", "values": values.tolist(), "fractions": fractions.tolist()}


def draw(summary: dict, count: int, seed: int) -> np.ndarray:
    """Feature vectors [count, F] float32 by a Gaussian copula: correlated normals -> uniforms -> each column's own distribution."""
    rng = np.random.Generator(np.random.PCG64(seed))
    # Spearman's rho of a bivariate normal with correlation r is 6/pi * asin(r/2).
    latent = 2 * np.sin(np.pi / 6 * np.array(summary["rankCorrelation"]))
    np.fill_diagonal(latent, 1)
    eigenvalues, vectors = np.linalg.eigh(latent)
    latent = (vectors * np.maximum(eigenvalues, 1e-6)) @ vectors.T
    latent /= np.sqrt(np.outer(np.diag(latent), np.diag(latent)))
    uniform = norm.cdf(rng.standard_normal((count, len(latent))) @ np.linalg.cholesky(latent).T)
    drawn: dict[str, np.ndarray] = {}
    for i, column in enumerate(summary["columns"]):
        u = uniform[:, i]
        if column["kind"] == "category":
            ends = np.cumsum(column["fractions"])[:-1]
            drawn[column["name"]] = np.array(column["values"])[np.searchsorted(ends, u, side="right")]
            continue
        zero = column["zeroFraction"]
        value = np.interp((u - zero) / (1 - zero), column["probabilities"], column["quantiles"])
        value = np.where(u < zero, 0, np.round(value) if column["integer"] else value)
        if "zeroWith" in column:
            value = np.where(drawn[column["zeroWith"]] == 0, 0, value)
        drawn[column["name"]] = value
    features = [
        drawn[f["column"]] if "oneWhen" not in f else (drawn[f["column"]] == f["oneWhen"]).astype(float)
        for f in summary["features"]
    ]
    return np.column_stack(features).astype(np.float32)


def write_summary(sessions: Sessions, path: Path) -> dict:
    summary = summarise(sessions)
    lines = [f"{json.dumps(key)}: {_pretty(value)}" for key, value in summary.items()]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("{\n  " + ",\n  ".join(lines) + "\n}\n", encoding="utf-8")
    return summary


def _pretty(value: object) -> str:
    """A list of lists or objects with one entry a line: readable, and a change shows as one line."""
    if isinstance(value, list) and value and isinstance(value[0], (list, dict)):
        return "[\n    " + ",\n    ".join(json.dumps(entry) for entry in value) + "\n  ]"
    return json.dumps(value)
