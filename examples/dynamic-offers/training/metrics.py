"""How good predicted probabilities are."""

from __future__ import annotations

import numpy as np
from scipy.stats import rankdata


def log_loss(y: np.ndarray, p: np.ndarray) -> float:
    clamped = np.clip(p.astype(np.float64), 1e-7, 1 - 1e-7)
    return float(-np.mean(y * np.log(clamped) + (1 - y) * np.log(1 - clamped)))


def auc(y: np.ndarray, p: np.ndarray) -> float:
    """Area under the ROC curve as the Mann-Whitney statistic, ties counted half."""
    ranks = rankdata(p)
    positives = int(y.sum())
    negatives = len(y) - positives
    return float((ranks[y == 1].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def evaluate(y: np.ndarray, p: np.ndarray) -> dict[str, float]:
    return {
        "auc": round(auc(y, p), 5),
        "logLoss": round(log_loss(y, p), 5),
        "brier": round(float(np.mean((p.astype(np.float64) - y) ** 2)), 5),
        "accuracy": round(float(np.mean((p >= 0.5) == (y == 1))), 5),
    }
