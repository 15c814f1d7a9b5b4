"""The legacy system as it was: models in the training library, one after the other, one request at a time per process.

Run under gunicorn with sync workers (run.sh story). Every worker loads every model.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from offers_app import ModelSet, create_app, model_set
from onnx_models import load_onnx


def load_xgboost(models: ModelSet):
    from xgboost import XGBClassifier

    classifiers = []
    for name in models.names:
        file = models.file(name, "model.ubj")
        if not Path(file).is_file():
            raise SystemExit(f"expected XGBoost's own model at {file}, found none; training/train.sh writes it")
        classifier = XGBClassifier(n_jobs=1)
        classifier.load_model(file)
        classifier.set_params(n_jobs=1)
        classifiers.append(classifier)

    def predict(x: np.ndarray) -> list[float]:
        return [float(classifier.predict_proba(x)[0, 1]) for classifier in classifiers]

    return predict


models = model_set()
# The dense family has no XGBoost model; its ONNX files are the only form in which it exists.
app = create_app(models, load_xgboost(models) if models.family == "trees" else load_onnx(models))
