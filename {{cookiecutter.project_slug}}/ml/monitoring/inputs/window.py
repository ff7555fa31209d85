"""What the service saw in a stretch of time, summed up: the journal is read once and never held.

Reads: the journal, through `ml.journal.bulk.scan`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ml.contract import Contract
from ml.dataset.frame import typed
from ml.journal.bulk.scan import CHUNK, Labels, Span, chunks, label_counts
from ml.monitoring.inputs.tallies import Tallies, Watching
from ml.monitoring.inputs.thinned import KEY

if TYPE_CHECKING:
    from collections import Counter

    import pandas as pd
    import pyarrow as pa
    import sqlalchemy as sql
    from numpy.typing import NDArray

    from ml.monitoring.inputs.tallies import Column
    from ml.statistics.profile import Profile

    Floats = NDArray[np.float64]
    Codes = NDArray[np.int64]
    Marks = NDArray[np.bool_]


@dataclass(frozen=True)
class Window:
    """A whole span, read once.

    `rows` counts its rows. `sample` is a random part of them (all, up to `tallies.SAMPLE`): the
    contract's columns typed; `asked` says which entry holds each of its rows, and where. The arrays
    hold all rows in order of time, or a random part of more than `tallies.ANSWERS`: see `Chunk`;
    `mine` marks the champion's answers, `ripe` those whose outcome is final; `places` says where
    the sample's rows stand there. `repeated` is the share of the rows that an earlier one equals.
    """

    span: Span
    rows: int
    columns: dict[str, Column]
    versions: Counter[str]
    sample: pd.DataFrame
    asked: list[tuple[str, int]]
    places: Codes
    mine: Marks
    ripe: Marks
    answer: Floats
    prediction: Floats
    outcome: Floats
    lag: Floats
    repeated: float
    labels: Labels

    def __len__(self) -> int:
        return self.rows


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
    watching = Watching(contract, profiles, version, ripe_before)
    return window_of(tallies_of(engine, span, watching, size), span)


def tallies_of(engine: sql.Engine, span: Span, watching: Watching, size: int = CHUNK) -> Tallies:
    """What a stretch of the journal comes to."""
    tallies = Tallies(watching)
    for chunk in chunks(engine, span, watching.contract, size):
        tallies.add(chunk)
    tallies.labels = label_counts(engine, span)
    return tallies


def window_of(tallies: Tallies, span: Span) -> Window:
    """The window that was tallied."""
    contract = tallies.watching.contract
    answers, sampled = tallies.answers.table(), tallies.sample.table()
    rows = sampled.select(range(3, sampled.num_columns))  # behind key, entry and place
    return Window(
        span,
        tallies.rows,
        tallies.columns,
        tallies.versions,
        typed(rows.to_pandas(), contract),
        list(zip(sampled[1].to_pylist(), sampled[2].to_pylist(), strict=True)),
        _places(tallies, answers),
        answer=np.stack([each.to_numpy() for each in answers.columns[6:]], axis=1),
        repeated=tallies.repeated.repeated_share(),
        labels=tallies.labels,
        **{name: answers[name].to_numpy() for name in answers.column_names[1:6]},
    )


def _places(tallies: Tallies, answers: pa.Table) -> Codes:
    """Where the sample's rows stand: it was thinned by the same keys, further."""
    keys = answers[KEY].to_numpy()
    if not tallies.sample.halvings:
        return np.arange(len(keys))
    return np.flatnonzero(keys < np.uint64(1 << (64 - tallies.sample.halvings)))
