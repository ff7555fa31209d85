"""Some entries of the journal as arrays: one value, or one line of values, for each row."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ml.contract import Contract
from ml.journal.bulk.json_columns import (
    features_schema,
    is_number,
    items,
    no_features,
    read_features,
    read_objects,
)
from ml.journal.records import Outcomes, ids_of

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Chunk:
    """Some rows of the window in order of time.

    `entry_id` names the entries that hold them, each with so many `rows`. `table` holds the
    contract's columns, moments as timestamps; `at` (n,) unix seconds; `answer` (n, classes)
    probabilities or (n, 1) values; `prediction` and `outcome` (n,) class codes or values, NaN where
    an outcome has not come (or is no class of the contract); `lag` (n,) seconds from the answer to
    the outcome. `mistyped` counts values per column that are not of the contract's kind, or cannot
    be read; they are missing in `table`.
    """

    entry_id: tuple[str, ...]
    rows: tuple[int, ...]
    table: pa.Table
    at: Floats
    version: NDArray[Any]
    answer: Floats
    prediction: Floats
    outcome: Floats
    lag: Floats
    mistyped: Counter[str]

    def __len__(self) -> int:
        return len(self.at)


class Entries(NamedTuple):
    """Entries column by column, each a value for each entry; the names are those of the table."""

    prediction_id: tuple[str, ...]
    at: tuple[float, ...]
    version: tuple[str, ...]
    features: tuple[str, ...]
    prediction: tuple[str, ...]
    probabilities: tuple[str | None, ...]
    rows: tuple[int, ...]


def entries_of(fetched: list[tuple[Any, ...]]) -> Entries:
    """Rows of the database as columns."""
    # five times as fast as zip(*fetched), which makes an iterator for each entry
    return Entries(*(tuple(entry[i] for entry in fetched) for i in range(len(fetched[0]))))


class RowForm:
    """How rows of a contract are read.

    Args:
        contract: the columns and the target.
    """

    def __init__(self, contract: Contract) -> None:
        classes = contract.target.classes
        self.features = features_schema(contract)
        self.probabilities = pa.schema([(name, pa.float64()) for name in classes])
        self._codes = {name: i for i, name in enumerate(classes)}
        self.is_classification = contract.is_classification

    def numbers(self, values: list[Any]) -> Floats:
        """Class codes or numbers; NaN for what is neither."""
        if self.is_classification:
            codes = self._codes
            known = [codes.get(v, np.nan) if isinstance(v, str) else np.nan for v in values]
        else:
            known = [v if is_number(v) else np.nan for v in values]
        return np.array(known, dtype=np.float64)


def chunk_of(entries: Entries, labels: Outcomes, form: RowForm, features: bool) -> Chunk:
    """The entries' rows with their latest labels; without `features` every value is missing."""
    table, mistyped = _table(entries, form.features, features)
    at = _for_each_row(entries.at, entries.rows, np.float64)
    prediction = form.numbers(items(entries.prediction, entries.rows))
    outcome, lag = _outcomes(entries, labels, at, form)
    return Chunk(
        entry_id=entries.prediction_id,
        rows=entries.rows,
        table=table,
        at=at,
        version=_for_each_row(entries.version, entries.rows, object),
        answer=_probabilities(entries, form) if form.is_classification else prediction[:, None],
        prediction=prediction,
        outcome=outcome,
        lag=lag,
        mistyped=mistyped,
    )


def _table(entries: Entries, schema: pa.Schema, features: bool) -> tuple[pa.Table, Counter[str]]:
    """The rows' features, and how many values of each column are mistyped."""
    if features:
        return read_features(entries.features, entries.rows, schema)
    return no_features(sum(entries.rows), schema), Counter()


def _for_each_row(values: tuple[Any, ...], rows: tuple[int, ...], dtype: type) -> NDArray[Any]:
    """An entry's value for each of its rows."""
    return np.repeat(np.array(values, dtype=dtype), rows)


def _probabilities(entries: Entries, form: RowForm) -> Floats:
    """Of each row the probabilities of the classes (n, k); NaN where an entry has none."""
    texts = tuple(
        _empty_objects(rows) if text is None else text
        for text, rows in zip(entries.probabilities, entries.rows, strict=True)
    )
    table, _ = read_objects(texts, entries.rows, form.probabilities)
    return np.stack([column.to_numpy() for column in table.columns], axis=1)


def _empty_objects(rows: int) -> str:
    return f"[{','.join(['{}'] * rows)}]"


def _outcomes(
    entries: Entries, labels: Outcomes, at: Floats, form: RowForm
) -> tuple[Floats, Floats]:
    """Of each row its outcome (n,) and the seconds from its answer to it (n,).

    Both are NaN where none has come.
    """
    outcome, lag = np.full(len(at), np.nan), np.full(len(at), np.nan)
    if labelled := _labelled(entries, labels):
        places, texts, moments = map(list, zip(*labelled, strict=True))
        outcome[places] = form.numbers(items(tuple(texts), (1,) * len(texts)))
        lag[places] = np.array(moments) - at[places]
    return outcome, lag


def _labelled(entries: Entries, labels: Outcomes) -> list[tuple[int, str, float]]:
    """(place, outcome as JSON, moment) of each row that has a label."""
    if not labels:
        return []
    ids = chain.from_iterable(map(ids_of, entries.prediction_id, entries.rows))
    return [(i, *label) for i, label in enumerate(map(labels.get, ids)) if label is not None]
