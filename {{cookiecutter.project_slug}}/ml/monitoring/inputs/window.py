"""What the service saw in a stretch of time, summed up: the journal is read once and never held.

Reads: the journal, through `ml.journal.scan`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from ml.contract import Contract, Integer, Numeric
from ml.dataset.frame import typed
from ml.journal.json_columns import features_schema
from ml.journal.scan import CHUNK, Chunk, Labels, Span, chunks, label_counts
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


def read_window(
    engine: sql.Engine,
    span: Span,
    contract: Contract,
    profiles: dict[str, Profile],
    version: str,
    size: int = CHUNK,
) -> Window:
    """Read the span once; predictions are tallied for `version` only. An empty span gives a window of no rows."""
    what = watched(contract)
    columns, versions, sampler = (
        {w.name: Column() for w in what},
        Counter[str](),
        Sampler(features_schema(contract)),
    )
    kept: dict[str, list[NDArray[Any]]] = {name: [] for name in ("mine", *ARRAYS, "marks")}
    for chunk in chunks(engine, span, contract, size):
        mine = chunk.version == version
        versions.update(chunk.version.tolist())
        sampler.add(chunk.table)
        seen = {w.name: of_column(chunk.table[w.name], w) for w in what if w.column is not None}
        for w in what:
            values = seen.get(w.name)
            if values is None:
                values = of_prediction(chunk.prediction, chunk.answer, contract)[mine]
            _add(columns[w.name], w, profiles[w.name], values, chunk)
        for name in ARRAYS:
            kept[name].append(getattr(chunk, name))
        kept["mine"].append(mine)
        kept["marks"].append(row_marks(seen))
    joined = {
        name: np.concatenate(parts) if parts else _nothing(name, contract)
        for name, parts in kept.items()
    }
    sample, places = typed_sample(sampler, contract)
    return Window(
        span, columns, versions, sample, places, labels=label_counts(engine, span), **joined
    )


# column of places while sampling; it stands first, so that a column of the same name is another one
PLACE = ""
ARRAYS = ("answer", "prediction", "outcome", "lag")


def _nothing(name: str, contract: Contract) -> NDArray[Any]:
    if name == "answer":
        return np.empty((0, len(contract.target.classes) or 1))
    return np.empty(0, dtype=bool if name == "mine" else np.float64)


def _add(
    column: Column, what: Watched, profile: Profile, values: NDArray[Any], chunk: Chunk
) -> None:
    made = tally(profile, values)
    column.tally = made if column.tally is None else column.tally + made
    column.mistyped += chunk.mistyped[what.name]
    if isinstance(what.column, Numeric | Integer) and (~np.isnan(values)).any():
        column.low, column.high = (
            min(column.low, np.nanmin(values)),
            max(column.high, np.nanmax(values)),
        )
        low = -np.inf if what.column.min is None else what.column.min
        high = np.inf if what.column.max is None else what.column.max
        column.outside += int(((values < low) | (values > high)).sum())
    if what.levels and what.column is not None and (values == len(what.levels)).any():
        column.unlisted.update(
            chunk.table[what.name].filter(pa.array(values == len(what.levels))).to_pylist()
        )


class Sampler:
    """A random sample of a stream of rows: when it holds twice SAMPLE, every second row is dropped at random."""

    def __init__(self, schema: pa.Schema) -> None:
        self._rng = np.random.default_rng(0)
        self._share, self._seen, self._schema = (
            1.0,
            0,
            pa.schema([pa.field(PLACE, pa.int64()), *schema]),
        )
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
