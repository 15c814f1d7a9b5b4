"""The same server as well as Flask and gunicorn can do it: ONNX Runtime, threads that overlap look-ups.

Run under gunicorn with gthread workers (run.sh best). README.md says what was tried and measured.
"""

from __future__ import annotations

from offers_app import create_app, model_set
from onnx_models import load_onnx

models = model_set()
app = create_app(models, load_onnx(models))
