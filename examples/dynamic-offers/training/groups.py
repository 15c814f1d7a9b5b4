"""Which rows each model of a version learns from: groups of months and visitor kinds, then a bootstrap of the group.

G1  Rows held out are never in a training set, of any model, game, version or family.
G2  A training set has at least MIN_ROWS distinct rows and MIN_PURCHASES distinct purchases (asserted). Distinct, for a bootstrap
    of a small group could reach the numbers by repetition alone.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from .features import Sessions

MIN_ROWS = 1500
MIN_PURCHASES = 100
HELD_OUT_FRACTION = 0.15  # judges the finished models and ensembles
WEIGHT_FRACTION = 0.08  # decides the ensemble's weights; kept apart, so that the held-out part stays untouched by any choice
SPLIT_SEED = 20180822

RETURNING = ("Returning_Visitor",)
FIRST_TIME = ("New_Visitor", "Other")
EVERYONE = RETURNING + FIRST_TIME


@dataclass(frozen=True)
class Group:
    """Rows whose month and visitor kind match any one of the (months, visitor kinds) pairs."""

    name: str
    parts: tuple[tuple[tuple[int, ...], tuple[str, ...]], ...]

    def select(self, sessions: Sessions) -> np.ndarray:
        chosen = np.zeros(len(sessions.y), dtype=bool)
        for months, visitors in self.parts:
            chosen |= np.isin(sessions.month, months) & np.isin(sessions.visitor, visitors)
        return chosen

    def describe(self) -> list[dict]:
        return [{"months": list(months), "visitors": list(visitors)} for months, visitors in self.parts]


def _group(name: str, months: tuple[int, ...], visitors: tuple[str, ...] = EVERYONE) -> Group:
    return Group(name, ((months, visitors),))


def _with_all_first_timers(name: str, months: tuple[int, ...]) -> Group:
    # First-time visitors are too few to be a group of their own (G2): all of them, beside the returning ones of some months.
    return Group(name, ((YEAR, FIRST_TIME), (months, RETURNING)))


YEAR = tuple(range(1, 13))
WINTER = (11, 12, 1, 2)
SPRING = (3, 4, 5, 6)
HOLIDAYS = (11, 12)
FIRST_HALF = (1, 2, 3, 4, 5, 6)
SECOND_HALF = (7, 8, 9, 10, 11, 12)

GROUPS: dict[str, list[Group]] = {
    "v1": [
        _group("year-everyone", YEAR),
        _group("year-returning", YEAR, RETURNING),
        _group("winter-everyone", WINTER),
        _group("winter-returning", WINTER, RETURNING),
        _group("spring-everyone", SPRING),
        _group("spring-returning", SPRING, RETURNING),
        _group("autumn-everyone", (8, 9, 10, 11)),
        _group("first-half-everyone", FIRST_HALF),
        _group("first-half-returning", FIRST_HALF, RETURNING),
        _group("second-half-everyone", SECOND_HALF),
        _group("second-half-returning", SECOND_HALF, RETURNING),
        _group("holidays-everyone", HOLIDAYS),
        _group("may-november-everyone", (5, 11)),
        _group("off-peak-everyone", (1, 2, 3, 4, 6, 7, 8, 9, 10, 12)),
        _with_all_first_timers("first-timers-holidays", HOLIDAYS),
    ],
    "v2": [
        _group("year-everyone", YEAR),
        _group("without-winter-everyone", tuple(m for m in YEAR if m not in WINTER)),
        _group("without-spring-everyone", tuple(m for m in YEAR if m not in SPRING)),
        _group("without-may-everyone", tuple(m for m in YEAR if m != 5)),
        _group("without-november-everyone", tuple(m for m in YEAR if m != 11)),
        _group("without-may-returning", tuple(m for m in YEAR if m != 5), RETURNING),
        _group("without-november-returning", tuple(m for m in YEAR if m != 11), RETURNING),
        _group("march-may-everyone", (3, 4, 5)),
        _group("march-may-returning", (3, 4, 5), RETURNING),
        _group("may-october-everyone", (5, 6, 7, 8, 9, 10)),
        _group("june-november-everyone", (6, 7, 8, 9, 10, 11)),
        _with_all_first_timers("first-timers-spring", SPRING),
        _with_all_first_timers("first-timers-winter", WINTER),
        _with_all_first_timers("first-timers-second-half", SECOND_HALF),
        _with_all_first_timers("first-timers-first-half", FIRST_HALF),
    ],
}


@dataclass(frozen=True)
class Split:
    """Row numbers. The three parts are disjoint and the same for every game, version and family."""

    training: np.ndarray
    weighting: np.ndarray
    held_out: np.ndarray


def split_rows(sessions: Sessions) -> Split:
    """Stratified by the label, so that each part has the same share of purchases."""
    rng = np.random.Generator(np.random.PCG64(SPLIT_SEED))
    training, weighting, held_out = [], [], []
    for label in (0, 1):
        rows = rng.permutation(np.flatnonzero(sessions.y == label))
        a = round(len(rows) * HELD_OUT_FRACTION)
        b = a + round(len(rows) * WEIGHT_FRACTION)
        held_out.append(rows[:a])
        weighting.append(rows[a:b])
        training.append(rows[b:])
    return Split(*(np.sort(np.concatenate(part)) for part in (training, weighting, held_out)))


def seed_of(base_seed: int, *path: str) -> int:
    """A seed that depends on what it is for and on nothing else, such as the order in which models are trained."""
    digest = hashlib.sha256("/".join([str(base_seed), *path]).encode()).digest()
    return int.from_bytes(digest[:4], "big") & 0x7FFFFFFF


def bootstrap(group: Group, sessions: Sessions, split: Split, seed: int) -> np.ndarray:
    """Row numbers of one training set, drawn with replacement, as many as the group has."""
    candidates = split.training[group.select(sessions)[split.training]]
    rng = np.random.Generator(np.random.PCG64(seed))
    rows = np.sort(rng.choice(candidates, size=len(candidates), replace=True))
    distinct = np.unique(rows)
    purchases = int(sessions.y[distinct].sum())
    assert len(distinct) >= MIN_ROWS, f"{group.name}: {len(distinct)} distinct rows, expected at least {MIN_ROWS}"
    assert purchases >= MIN_PURCHASES, f"{group.name}: {purchases} distinct purchases, expected at least {MIN_PURCHASES}"
    assert not np.isin(distinct, split.held_out).any(), f"{group.name}: holds rows that are held out"
    return rows
