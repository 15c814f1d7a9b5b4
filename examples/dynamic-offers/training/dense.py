"""The dense family: multilayer perceptrons of about two million weights, trained briefly with Adam.

They exist to measure serving where a model is mostly its weights (about 8 MB read for every batch). Their quality matters
only so far that outputs are sensible and differ with the input.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .export_onnx import dense_graph, write_onnx

HIDDEN = (1024, 1024, 768, 256)
EPOCHS = 3
BATCH_ROWS = 128
LEARNING_RATE = 3e-4
WEIGHT_DECAY = 1e-4


class DenseModel:
    def __init__(self, x: np.ndarray, y: np.ndarray, seed: int):
        rng = np.random.Generator(np.random.PCG64(seed))
        # Durations and page values spread over four decades; all features are >= 0, so log(1 + x) is defined.
        logarithm = np.log(x + np.float32(1))
        self._offset = logarithm.mean(axis=0, dtype=np.float64).astype(np.float32)
        deviation = logarithm.std(axis=0, dtype=np.float64)
        self._scale = np.where(deviation > 1e-6, 1 / np.maximum(deviation, 1e-6), 0).astype(np.float32)
        sizes = (x.shape[1], *HIDDEN, 1)
        self._layers = [
            (rng.normal(0, np.sqrt(2 / n), (n, m)).astype(np.float32), np.zeros(m, dtype=np.float32))
            for n, m in zip(sizes, sizes[1:])
        ]
        self._train(x, y.astype(np.float32), rng)

    @property
    def weights(self) -> int:
        return sum(w.size + b.size for w, b in self._layers)

    def predict(self, x: np.ndarray) -> np.ndarray:
        return _sigmoid(self._forward(x)[-1])[:, 0]

    def write(self, folder: Path) -> None:
        write_onnx(dense_graph(self._offset, self._scale, self._layers), folder / "model.onnx")

    def _forward(self, x: np.ndarray) -> list[np.ndarray]:
        """The inputs of every layer, then the last layer's sum."""
        activations = [(np.log(x + np.float32(1)) - self._offset) * self._scale]
        for i, (weights, bias) in enumerate(self._layers):
            total = activations[-1] @ weights + bias
            activations.append(total if i == len(self._layers) - 1 else np.maximum(total, 0))
        return activations

    def _train(self, x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> None:
        """Adam (Kingma, Ba 2014) on the log loss, with decoupled weight decay."""
        variables = [array for layer in self._layers for array in layer]
        first = [np.zeros_like(v) for v in variables]
        second = [np.zeros_like(v) for v in variables]
        step = 0
        for _ in range(EPOCHS):
            order = rng.permutation(len(x))
            for start in range(0, len(order), BATCH_ROWS):
                rows = order[start : start + BATCH_ROWS]
                step += 1
                rate = np.float32(LEARNING_RATE * np.sqrt(1 - 0.999**step) / (1 - 0.9**step))
                for v, m, s, g in zip(variables, first, second, self._gradients(x[rows], y[rows])):
                    m += (g - m) * np.float32(0.1)
                    s += (g * g - s) * np.float32(0.001)
                    v -= rate * m / (np.sqrt(s) + np.float32(1e-8))
                    if v.ndim == 2:
                        v *= np.float32(1 - LEARNING_RATE * WEIGHT_DECAY)

    def _gradients(self, x: np.ndarray, y: np.ndarray) -> list[np.ndarray]:
        *inputs, output = self._forward(x)
        delta = (_sigmoid(output) - y[:, None]) / np.float32(len(y))
        gradients: list[np.ndarray] = []
        for i in range(len(self._layers) - 1, -1, -1):
            gradients[:0] = [inputs[i].T @ delta, delta.sum(axis=0)]
            if i > 0:
                delta = (delta @ self._layers[i][0].T) * (inputs[i] > 0)
        return gradients


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return np.float32(1) / (np.float32(1) + np.exp(-np.clip(x, -60, 60)))
