"""One row of the journal's `predictions`: what a model answered to one request.

The values of a request with a single row are stored as they are. Of a request with several rows
`row_id`, `features`, `prediction` and `probabilities` are JSON arrays with an item for each, and
the ids count: `<prediction_id>-0`, `<prediction_id>-1`, …
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, NamedTuple

LARGEST = 1000  # answers in one row of the journal; who reads it holds some of them in memory
CHAMPION = "champion"  # the role of the answers of the model that serves
CANARY = "canary"  # of the challenger's answers to its share of the rows
# of the challenger's answers to requests that the champion failed at
FALLBACK = "fallback"
SHADOW = "shadow"  # the role of answers that nobody got: the same requests a second time
SHADOW_SUFFIX = f".{SHADOW}"  # a shadow's prediction id is its champion's and this
ID = 32  # characters of a prediction id that the service makes; a shadow's has more
_COUNTED = re.compile(rf"([0-9a-f]{{{ID}}})-(\d{{1,9}})(.*)", re.DOTALL)

# prediction id → (JSON text or number, unix seconds of its arrival)
Outcomes = Mapping[str, tuple[str, float]]


class Record(NamedTuple):
    """One row of `predictions` as it is stored (JSON as text)."""

    prediction_id: str
    at: float  # unix seconds
    version: str
    role: str
    row_id: str | None
    features: str
    prediction: str
    probabilities: str | None
    rows: int = 1


@dataclass(frozen=True)
class Prediction:
    """One answer, read back; with `outcome` and `labelled_at` where a label has come."""

    prediction_id: str
    at: float  # unix seconds
    version: str
    role: str
    row_id: str | None
    features: dict[str, Any]
    prediction: Any  # class name, or a number
    probabilities: dict[str, float] | None
    outcome: Any = None  # class name, or a number
    labelled_at: float | None = None  # unix seconds


def id_begin(at: float) -> str:
    """What the ids of a millisecond begin with: they sort by time, and so do these."""
    return f"{max(0, int(at * 1000)):012x}"


def ids_of(entry_id: str, rows: int) -> list[str]:
    """The prediction ids of an entry's rows."""
    if rows == 1:
        return [entry_id]
    base, rest = entry_id[:ID], entry_id[ID:]
    return [f"{base}-{i}{rest}" for i in range(rows)]


def first_ids(entries: Iterable[Record], at_most: int = 20) -> list[str]:
    """Prediction ids for a line of a log."""
    return list(
        islice(chain.from_iterable(ids_of(e.prediction_id, e.rows) for e in entries), at_most)
    )


def place_of(prediction_id: str) -> tuple[str, int]:
    """The id of the entry that holds a prediction, and its place there."""
    counted = _COUNTED.fullmatch(prediction_id)
    return (prediction_id, 0) if counted is None else (counted[1] + counted[3], int(counted[2]))


def predictions_of(entry: Any, outcomes: Outcomes) -> Iterator[Prediction]:
    """An entry's answers, each with its outcome if there is one.

    Args:
        entry: a `Record`, or a database row with its names.
        outcomes: the latest labels.
    """
    for prediction_id, row_id, features, prediction, probabilities in _rows_of(entry):
        outcome, labelled_at = outcomes.get(prediction_id, (None, None))
        yield Prediction(
            prediction_id=prediction_id,
            at=entry.at,
            version=entry.version,
            role=entry.role,
            row_id=row_id,
            features=features,
            prediction=prediction,
            probabilities=probabilities,
            outcome=None if outcome is None else json.loads(outcome),
            labelled_at=labelled_at,
        )


def _rows_of(entry: Any) -> Iterator[tuple[str, Any, Any, Any, Any]]:
    """Of each row its prediction id, its own id, features, prediction and probabilities."""
    n = entry.rows
    return zip(
        ids_of(entry.prediction_id, n),
        [entry.row_id] if n == 1 else _each(entry.row_id, n),
        _each(entry.features, n),
        _each(entry.prediction, n),
        _each(entry.probabilities, n),
        strict=True,
    )


def _each(text: str | None, rows: int) -> list[Any]:
    if text is None:
        return [None] * rows
    return [json.loads(text)] if rows == 1 else json.loads(text)
