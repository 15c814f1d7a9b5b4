"""Looks up players' feature vectors in SQLite: table features(key TEXT PRIMARY KEY, vector BLOB of little-endian float32)."""

from __future__ import annotations

import sqlite3
import threading
import time
from pathlib import Path

import numpy as np


class PlayerFeatures:
    """No cache: every request reads its player, as the systems beside which this is measured do."""

    def __init__(self, path: str, delay_ms: float):
        # SQLite takes the name of a file that is not there without a word, in read-only mode until the first query.
        if not Path(path).is_file():
            raise SystemExit(f"TUTTI_PLAYERS_DB: expected an SQLite file, found none at {path}")
        # Read-only, but not immutable: the file may be in WAL mode and have a writer.
        self._uri = f"{Path(path).resolve().as_uri()}?mode=ro"
        self._delay_s = delay_ms / 1000
        self._own = threading.local()

    def get(self, player_id: str) -> np.ndarray | None:
        """Float32 [F], or None for a player that is not known. Raises sqlite3.Error."""
        if self._delay_s > 0:
            # The network between a server and its feature store. Sleeping lets go of Python's lock, as waiting for a socket does.
            time.sleep(self._delay_s)
        try:
            row = self._connection().execute("SELECT vector FROM features WHERE key = ?", (player_id,)).fetchone()
        except UnicodeEncodeError:
            # JSON can spell half a character ("\ud800"), which no stored key can be.
            return None
        return None if row is None else np.frombuffer(row[0], dtype="<f4")

    def _connection(self) -> sqlite3.Connection:
        # One per thread: a shared one would take turns.
        connection = getattr(self._own, "connection", None)
        if connection is None:
            connection = self._own.connection = sqlite3.connect(self._uri, uri=True, isolation_level=None)
        return connection
