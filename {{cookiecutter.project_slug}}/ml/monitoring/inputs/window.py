"""What the service saw in a stretch of time, summed up: the journal is read once and never held.

Reads: the journal, through `ml.journal.bulk.scan`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from ml.contract import Contract, Integer, Numeric
from ml.dataset.frame import typed
from ml.journal.bulk.chunk import Chunk
from ml.journal.bulk.json_columns import features_schema
from ml.journal.bulk.scan import CHUNK, Labels, Span, chunks, label_counts
from ml.monitoring.inputs.columns import Watched, of_column, of_prediction, row_marks, watched
from ml.monitoring.statistics.profile import Profile, Tally, tally

if TYPE_CHECKING:
    import pandas as pd
    import sqlalchemy as sql
    from numpy.typing import NDArray

# rows kept whole, up to twice as many: for Evidently's report, medians and estimates
SAMPLE = 10_000


@dataclass
class Column:
    """What a window's column came to, chunk by chunk.

    Args:
        tally: sums for the drift tests.
        outside: numbers beyond the contract's range, `mistyped` values of another kind.
        unlisted: levels that the contract does not list, and how often.
        low: smallest number seen, and `high` the largest.
    """

    tally: Tally | None = None
    outside: int = 0
    mistyped: int = 0
    unlisted: Counter[str] = field(default_factory=Counter)
    low: float = np.inf
    high: float = -np.inf


@dataclass(frozen=True)
class Window:
    """A whole span, read once.

    `sample` is a random part of the rows (all, up to SAMPLE): the contract's columns typed;
    `places` says where its rows stand in the arrays. These hold all rows in order of time: see
    `Chunk`; `mine` marks the champion's answers.
    """

    span: Span
    columns: dict[str, Column]
    versions: Counter[str]
    sample: pd.DataFrame
    places: NDArray[np.int64]
    mine: NDArray[np.bool_]
    answer: NDArray[np.float64]
    prediction: NDArray[np.float64]
    outcome: NDArray[np.float64]
    lag: NDArray[np.float64]
    marks: NDArray[np.float64]
    labels: Labels

    def __len__(self) -> int:
        return len(self.prediction)


# column of places while sampling; it stands first, so that a column of the same name is another one
PLACE = ""
ARRAYS = ("answer", "prediction", "outcome", "lag")


def read_window(
    engine: sql.Engine,
    span: Span,
    contract: Contract,
    profiles: dict[str, Profile],
    version: str,
    size: int = CHUNK,
) -> Window:
    """Read the span once; predictions are tallied for `version` only.

    An empty span gives a window of no rows.
    """
    reader = _Reader(contract, profiles, version)
    for chunk in chunks(engine, span, contract, size):
        reader.add(chunk)
    return reader.window(span, label_counts(engine, span))


class _Reader:
    """Sums up a span's chunks."""

    def __init__(self, contract: Contract, profiles: dict[str, Profile], version: str) -> None:
        self._contract, self._profiles, self._version = contract, profiles, version
        self._watched = watched(contract)
        self._columns = {what.name: Column() for what in self._watched}
        self._versions = Counter[str]()
        self._sampler = Sampler(features_schema(contract))
        self._arrays: dict[str, list[NDArray[Any]]] = {
            name: [] for name in ("mine", *ARRAYS, "marks")
        }

    def add(self, chunk: Chunk) -> None:
        """Add a chunk's rows."""
        mine = chunk.version == self._version
        self._versions.update(chunk.version.tolist())
        self._sampler.add(chunk.table)
        features = {
            what.name: of_column(chunk.table[what.name], what)
            for what in self._watched
            if what.column is not None
        }
        predicted = of_prediction(chunk.prediction, chunk.answer, self._contract)[mine]
        for what in self._watched:
            values = features.get(what.name, predicted)
            _add(self._columns[what.name], what, self._profiles[what.name], values, chunk)
        arrays = {name: getattr(chunk, name) for name in ARRAYS}
        for name, values in {"mine": mine, "marks": row_marks(features), **arrays}.items():
            self._arrays[name].append(values)

    def window(self, span: Span, labels: Labels) -> Window:
        """All that was added."""
        joined = {
            name: np.concatenate(parts) if parts else _nothing(name, self._contract)
            for name, parts in self._arrays.items()
        }
        sample, places = typed_sample(self._sampler, self._contract)
        return Window(span, self._columns, self._versions, sample, places, labels=labels, **joined)


def _nothing(name: str, contract: Contract) -> NDArray[Any]:
    if name == "answer":
        return np.empty((0, len(contract.target.classes) or 1))
    return np.empty(0, dtype=bool if name == "mine" else np.float64)


def _add(
    column: Column, what: Watched, profile: Profile, values: NDArray[Any], chunk: Chunk
) -> None:
    """Add a chunk's values to what its column came to."""
    sums = tally(profile, values)
    column.tally = sums if column.tally is None else column.tally + sums
    column.mistyped += chunk.mistyped[what.name]
    if isinstance(what.column, Numeric | Integer) and (~np.isnan(values)).any():
        _add_range(column, what.column, values)
    if what.levels and what.column is not None:
        unlisted = values == len(what.levels)
        if unlisted.any():
            column.unlisted.update(chunk.table[what.name].filter(pa.array(unlisted)).to_pylist())


def _add_range(column: Column, of: Numeric | Integer, values: NDArray[Any]) -> None:
    """Smallest and largest number, and how many lie beyond the contract's range."""
    column.low = min(column.low, np.nanmin(values))
    column.high = max(column.high, np.nanmax(values))
    low = -np.inf if of.min is None else of.min
    high = np.inf if of.max is None else of.max
    column.outside += int(((values < low) | (values > high)).sum())


class Sampler:
    """A random sample of a stream of rows: at twice SAMPLE, half of them are dropped at random."""

    def __init__(self, schema: pa.Schema) -> None:
        self._rng = np.random.default_rng(0)
        self._share, self._seen = 1.0, 0
        self._schema = pa.schema([pa.field(PLACE, pa.int64()), *schema])
        self._parts: list[pa.Table] = []

    def add(self, table: pa.Table) -> None:
        """Take the chunk's share."""
        places = pa.array(np.arange(self._seen, self._seen + len(table)))
        self._seen += len(table)
        self._parts.append(self._thinned(table.add_column(0, PLACE, places), self._share))
        while sum(map(len, self._parts)) > 2 * SAMPLE:
            self._share /= 2
            self._parts = [self._thinned(self.table(), 0.5)]

    def table(self) -> pa.Table:
        """The rows so far."""
        return pa.concat_tables(self._parts) if self._parts else self._schema.empty_table()

    def _thinned(self, table: pa.Table, share: float) -> pa.Table:
        return table if share == 1 else table.filter(pa.array(self._rng.random(len(table)) < share))


def typed_sample(sampler: Sampler, contract: Contract) -> tuple[pd.DataFrame, NDArray[np.int64]]:
    """The sample as a typed frame, and the place of each of its rows in the window."""
    table = sampler.table()
    places = table.column(0).to_numpy()
    return typed(table.remove_column(0).to_pandas(), contract), places
