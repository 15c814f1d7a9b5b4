"""The models in ONNX Runtime, one session each, on the calling thread."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnxruntime

from offers_app import ModelSet


def load_onnx(models: ModelSet) -> Callable[[np.ndarray], list[float]]:
    options = onnxruntime.SessionOptions()
    # Processes are as many as cores: more threads inside a model would only fight over them.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    runs = [
        onnxruntime.InferenceSession(models.file(name, "model.onnx"), options, providers=["CPUExecutionProvider"]).run
        for name in models.names
    ]
    wanted = ["probability"]

    def predict(x: np.ndarray) -> list[float]:
        inputs = {"features": x}
        return [float(run(wanted, inputs)[0][0, 0]) for run in runs]

    return predict
