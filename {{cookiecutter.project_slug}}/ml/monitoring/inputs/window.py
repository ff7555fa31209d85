"""What the service saw in a stretch of time, summed up: the journal is read once and never held.

Reads: the journal, through `ml.journal.bulk.scan`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from ml.contract import Contract, Integer, Numeric
from ml.dataset.frame import typed
from ml.journal.bulk.chunk import Chunk
from ml.journal.bulk.json_columns import features_schema
from ml.journal.bulk.scan import CHUNK, Labels, Span, chunks, label_counts
from ml.monitoring.inputs.columns import (
    Watched,
    count_outside,
    of_column,
    of_prediction,
    row_marks,
    watched,
)
from ml.statistics.profile import Profile, Tally, tally

if TYPE_CHECKING:
    import pandas as pd
    import sqlalchemy as sql
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Codes = NDArray[np.int64]
    Marks = NDArray[np.bool_]

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

    tally: Tally
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
    `Chunk`; `mine` marks the champion's answers, `ripe` those whose outcome is final.
    """

    span: Span
    columns: dict[str, Column]
    versions: Counter[str]
    sample: pd.DataFrame
    places: Codes
    mine: Marks
    ripe: Marks
    answer: Floats
    prediction: Floats
    outcome: Floats
    lag: Floats
    marks: Floats
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
    ripe_before: float = np.inf,
) -> Window:
    """Read the span once; predictions are tallied for `version` only.

    An empty span gives a window of no rows. Answers before `ripe_before` (unix seconds) are ripe.
    """
    reader = _Reader(contract, profiles, version, ripe_before)
    for chunk in chunks(engine, span, contract, size):
        reader.add(chunk)
    return reader.window(span, label_counts(engine, span))


class _Reader:
    """Sums up a span's chunks."""

    def __init__(
        self, contract: Contract, profiles: dict[str, Profile], version: str, ripe_before: float
    ) -> None:
        self._contract, self._profiles, self._version = contract, profiles, version
        self._ripe_before = ripe_before
        self._watched = watched(contract)
        self._columns = {
            what.name: Column(tally(profiles[what.name], np.empty(0))) for what in self._watched
        }
        self._versions = Counter[str]()
        self._sampler = Sampler(features_schema(contract))
        self._arrays: dict[str, list[NDArray[Any]]] = defaultdict(list)

    def add(self, chunk: Chunk) -> None:
        """Add a chunk's rows."""
        mine = chunk.version == self._version
        self._versions.update(chunk.version.tolist())
        self._sampler.add(chunk.table)
        features = self._features(chunk)
        prediction = of_prediction(chunk.prediction, chunk.answer, self._contract)[mine]
        for what in self._watched:
            values = features.get(what.name, prediction)
            _add(self._columns[what.name], what, self._profiles[what.name], values, chunk)
        self._keep(mine=mine, ripe=chunk.at < self._ripe_before, marks=row_marks(features))
        self._keep(**{name: getattr(chunk, name) for name in ARRAYS})

    def _features(self, chunk: Chunk) -> dict[str, Floats | Codes]:
        """The chunk's watched columns as arrays, the prediction not among them."""
        return {
            what.name: of_column(chunk.table[what.name], what)
            for what in self._watched
            if what.column is not None
        }

    def _keep(self, **arrays: NDArray[Any]) -> None:
        for name, values in arrays.items():
            self._arrays[name].append(values)

    def window(self, span: Span, labels: Labels) -> Window:
        """All that was added."""
        if not self._arrays:
            self._keep(**_no_rows(self._contract))
        joined = {name: np.concatenate(parts) for name, parts in self._arrays.items()}
        sample, places = typed_sample(self._sampler, self._contract)
        return Window(span, self._columns, self._versions, sample, places, labels=labels, **joined)


def _no_rows(contract: Contract) -> dict[str, NDArray[Any]]:
    """The arrays of an empty window."""
    arrays: dict[str, NDArray[Any]] = {name: np.empty(0) for name in (*ARRAYS, "marks")}
    answer = np.empty((0, len(contract.target.classes) or 1))
    no_marks = np.empty(0, dtype=bool)
    return arrays | {"answer": answer, "mine": no_marks, "ripe": no_marks}


def _add(
    column: Column, what: Watched, profile: Profile, values: NDArray[Any], chunk: Chunk
) -> None:
    """Add a chunk's values to what its column came to."""
    column.tally += tally(profile, values)
    column.mistyped += chunk.mistyped[what.name]
    if isinstance(what.column, Numeric | Integer) and (~np.isnan(values)).any():
        _add_range(column, what.column, values)
    if what.levels and what.column is not None:
        unlisted = chunk.table[what.name].filter(pa.array(values == len(what.levels)))
        column.unlisted.update(unlisted.to_pylist())


def _add_range(column: Column, of: Numeric | Integer, values: Floats) -> None:
    """Smallest and largest number, and how many lie beyond the contract's range."""
    column.low = min(column.low, np.nanmin(values))
    column.high = max(column.high, np.nanmax(values))
    column.outside += count_outside(values, of)


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


def typed_sample(sampler: Sampler, contract: Contract) -> tuple[pd.DataFrame, Codes]:
    """The sample as a typed frame, and the place of each of its rows in the window."""
    table = sampler.table()
    return typed(table.remove_column(0).to_pandas(), contract), table.column(0).to_numpy()
