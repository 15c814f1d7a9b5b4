"""The features of a session: their order, their encoding, and the reading of the data set.

The encoding is written into every manifest, so that who has a raw session can make the vector without this code.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

DATA_FILE = "online-shoppers.csv"
LABEL = "Revenue"
ATTRIBUTION = (
    '"Online Shoppers Purchasing Intention", C. O. Sakar, S. O. Polat, M. Katircioglu, Y. Kastro 2018, '
    "UCI Machine Learning Repository, CC BY 4.0; trained on a subset of its rows"
)

# The data spells June out and every other month with three letters.
MONTHS = {"Jan": 1, "Feb": 2, "Mar": 3, "Apr": 4, "May": 5, "Jun": 6, "June": 6, "Jul": 7, "Aug": 8, "Sep": 9, "Oct": 10, "Nov": 11, "Dec": 12}
VISITOR_TYPES = ("Returning_Visitor", "New_Visitor", "Other")
BOOLEANS = {"0": 0, "1": 1, "FALSE": 0, "TRUE": 1}

# kind: number (as it is) | code (an integer that names a category, as it is) | ordinal (looked up in `map`)
#       | oneHot (1 when the source equals `category`, otherwise 0) | boolean (0 or 1)
FEATURES: list[dict] = [
    {"name": "administrative", "source": "Administrative", "kind": "number"},
    {"name": "administrativeDuration", "source": "Administrative_Duration", "kind": "number", "unit": "s"},
    {"name": "informational", "source": "Informational", "kind": "number"},
    {"name": "informationalDuration", "source": "Informational_Duration", "kind": "number", "unit": "s"},
    {"name": "productRelated", "source": "ProductRelated", "kind": "number"},
    {"name": "productRelatedDuration", "source": "ProductRelated_Duration", "kind": "number", "unit": "s"},
    {"name": "bounceRates", "source": "BounceRates", "kind": "number"},
    {"name": "exitRates", "source": "ExitRates", "kind": "number"},
    {"name": "pageValues", "source": "PageValues", "kind": "number"},
    {"name": "specialDay", "source": "SpecialDay", "kind": "number"},
    {"name": "month", "source": "Month", "kind": "ordinal", "map": MONTHS},
    {"name": "operatingSystem", "source": "OperatingSystems", "kind": "code"},
    {"name": "browser", "source": "Browser", "kind": "code"},
    {"name": "region", "source": "Region", "kind": "code"},
    {"name": "trafficType", "source": "TrafficType", "kind": "code"},
    {"name": "visitorReturning", "source": "VisitorType", "kind": "oneHot", "category": "Returning_Visitor"},
    {"name": "visitorNew", "source": "VisitorType", "kind": "oneHot", "category": "New_Visitor"},
    {"name": "visitorOther", "source": "VisitorType", "kind": "oneHot", "category": "Other"},
    {"name": "weekend", "source": "Weekend", "kind": "boolean", "map": BOOLEANS},
]
FEATURE_COUNT = len(FEATURES)


@dataclass(frozen=True)
class Sessions:
    """All rows of the data set: `x` [rows, FEATURE_COUNT] float32, `y` [rows] 0/1, and what groups are chosen by."""

    x: np.ndarray
    y: np.ndarray
    month: np.ndarray
    visitor: np.ndarray


def encode(row: dict[str, str]) -> list[float]:
    """A raw session (column name -> text) as the feature vector. Raises ValueError naming the column."""
    vector = []
    for feature in FEATURES:
        text = row[feature["source"]]
        kind = feature["kind"]
        if kind == "oneHot":
            if text not in VISITOR_TYPES:
                raise ValueError(f"{feature['source']}: expected one of {VISITOR_TYPES}, found {text!r}")
            vector.append(float(text == feature["category"]))
        elif kind in ("ordinal", "boolean"):
            key = text.upper() if kind == "boolean" else text
            if key not in feature["map"]:
                raise ValueError(f"{feature['source']}: expected one of {list(feature['map'])}, found {text!r}")
            vector.append(float(feature["map"][key]))
        else:
            vector.append(float(text))
    return vector


def load_sessions(data_dir: Path) -> Sessions:
    path = data_dir / DATA_FILE
    if not path.is_file():
        raise SystemExit(f"training: expected the data set at {path}; give its folder with --data or TUTTI_DATA")
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return Sessions(
        x=np.array([encode(row) for row in rows], dtype=np.float32),
        y=np.array([BOOLEANS[row[LABEL].upper()] for row in rows], dtype=np.int64),
        month=np.array([MONTHS[row["Month"]] for row in rows]),
        visitor=np.array([row["VisitorType"] for row in rows]),
    )
