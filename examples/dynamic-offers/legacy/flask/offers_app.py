"""The web part that both systems share: the example's contract around a function that gives each model's output.

Settings come from the environment:
  TUTTI_MODELS_DIR       one version of one game: a folder with manifest.json
  TUTTI_PLAYERS_DB       SQLite file with the players' features
  TUTTI_LOOKUP_DELAY_MS  added to every look-up (default 0)
  TUTTI_CATALOGUE        catalogue.json (default: the example's)
"""

from __future__ import annotations

import json
import os
import sqlite3
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from flask import Flask, Response, request

from player_features import PlayerFeatures

CATALOGUE_FOLDER = Path(__file__).resolve().parents[2] / "catalogue"
sys.path.insert(0, str(CATALOGUE_FOLDER))
from choose_offer import choose_offer, load_catalogue  # noqa: E402

MAX_BODY_BYTES = 16 * 1024

# Takes float32 [1, F], gives one probability a model in the manifest's order.
Predict = Callable[[np.ndarray], Sequence[float]]


@dataclass(frozen=True)
class ModelSet:
    """One version's models as manifest.json lists them."""

    folder: Path
    game: str
    version: str
    family: str
    names: list[str]
    weights: list[float]

    def file(self, name: str, file_name: str) -> str:
        return str(self.folder / name / "1" / file_name)


def model_set() -> ModelSet:
    folder = Path(_required("TUTTI_MODELS_DIR"))
    path = folder / "manifest.json"
    if not path.is_file():
        raise SystemExit(f"TUTTI_MODELS_DIR: expected a folder with manifest.json, found none in {folder}")
    manifest = json.loads(path.read_text(encoding="utf-8"))
    models = manifest["models"]
    return ModelSet(folder, manifest["game"], manifest["version"], manifest["family"], [m["name"] for m in models], [m["weight"] for m in models])


def create_app(models: ModelSet, predict: Predict) -> Flask:
    players = PlayerFeatures(_required("TUTTI_PLAYERS_DB"), float(os.environ.get("TUTTI_LOOKUP_DELAY_MS", "0")))
    catalogue = load_catalogue(Path(os.environ.get("TUTTI_CATALOGUE", CATALOGUE_FOLDER / "catalogue.json")))
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES

    @app.get("/healthz")
    def healthz() -> Response:
        return _json({"status": "ok", "game": models.game, "version": models.version, "models": len(models.names)}, 200, None)

    @app.post("/offers/<game>")
    def offers(game: str) -> Response:
        started = time.perf_counter()
        request_id = request.headers.get("x-request-id") or str(uuid.uuid4())
        if game not in catalogue:
            return _error(404, "NotFound", f'expected one of the games {", ".join(catalogue)}, found "{game}"', request_id)
        try:
            body = json.loads(request.get_data(cache=False))
        except (ValueError, RecursionError) as problem:
            return _error(400, "MalformedJson", f"expected a JSON body: {problem}", request_id)
        player_id = body.get("playerId") if isinstance(body, dict) else None
        if not isinstance(player_id, str) or not player_id:
            return _error(400, "InvalidArgument", "playerId: expected a string that is not empty", request_id, "playerId")

        features, outputs, reason = None, None, None
        if game != models.game:
            reason = "model-unavailable"
        else:
            try:
                features = players.get(player_id)
                reason = "unknown-player" if features is None else None
            except sqlite3.Error:
                reason = "features-unavailable"
        if features is not None:
            outputs = predict(features.reshape(1, -1))

        propensity = None if outputs is None else weighted_mean(models.weights, outputs)
        answer = {
            "requestId": request_id,
            "game": game,
            "version": models.version,
            "playerId": player_id,
            "offer": catalogue[game]["default_offer"] if propensity is None else choose_offer(catalogue[game], propensity)["offer"],
            "propensity": propensity,
            "personalised": propensity is not None,
            "degraded": False,
            "members": {"ok": len(outputs or ()), "late": 0, "failed": 0, "shed": 0, "cancelled": 0},
            "reason": reason,
            "latencyMs": 0.0,
        }
        if request.args.get("explain") == "1" and features is not None:
            # Times of single members are not taken here: reading the clock 30 times more would slow every request.
            members = [{"name": n, "status": "ok", "output": o, "latencyMs": None} for n, o in zip(models.names, outputs)]
            answer["explain"] = {"features": features.tolist(), "members": members}
        answer["latencyMs"] = round((time.perf_counter() - started) * 1000, 3)
        return _json(answer, 200, request_id)

    @app.errorhandler(404)
    def not_found(_: Exception) -> Response:
        return _error(404, "NotFound", f"no route {request.method} {request.path}", str(uuid.uuid4()))

    @app.errorhandler(405)
    def wrong_method(_: Exception) -> Response:
        return _error(405, "MethodNotAllowed", f"{request.path} does not take {request.method}", str(uuid.uuid4()))

    @app.errorhandler(413)
    def too_large(_: Exception) -> Response:
        return _error(413, "PayloadTooLarge", f"expected a body of at most {MAX_BODY_BYTES} bytes", str(uuid.uuid4()))

    return app


def weighted_mean(weights: Sequence[float], outputs: Sequence[float]) -> float:
    return sum(w * o for w, o in zip(weights, outputs)) / sum(weights)


def _error(status: int, code: str, message: str, request_id: str, path: str | None = None) -> Response:
    error = {"code": code, "message": message, "requestId": request_id}
    if path is not None:
        error["path"] = path
    return _json({"error": error}, status, request_id)


def _json(body: dict, status: int, request_id: str | None) -> Response:
    response = Response(json.dumps(body), status, mimetype="application/json")
    if request_id is not None:
        response.headers["x-request-id"] = request_id
    return response


def _required(variable: str) -> str:
    value = os.environ.get(variable)
    if not value:
        raise SystemExit(f"{variable}: expected a path, found nothing; run.sh sets it")
    return value
