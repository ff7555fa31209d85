"""What a stretch of the journal comes to: sums, and random parts of its rows.

Tallies of neighbouring stretches are merged, in the order of time. Sums are exact, and which rows
are kept depends on the rows alone (`ml.monitoring.inputs.thinned`), so a window read in parts comes
to the same numbers as one read at once. Memory is bounded, whatever the window's size.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from ml.contract import Contract, Integer, Numeric
from ml.journal.bulk.chunk import Chunk
from ml.journal.bulk.json_columns import features_schema
from ml.journal.bulk.scan import Labels
from ml.monitoring.inputs.columns import (
    Watched,
    count_outside,
    of_column,
    of_prediction,
    row_marks,
    watched,
)
from ml.monitoring.inputs.thinned import (
    KEY,
    Distinct,
    Thinned,
    halve_together,
    keys_of,
    places,
)
from ml.statistics.profile import Profile, Tally, tally

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Codes = NDArray[np.int64]

# rows kept whole, up to twice as many: for Evidently's report, medians and estimates
SAMPLE = 10_000
# rows whose answers and outcomes are kept, up to twice as many: for the metric. And different rows
# among which repeated ones are looked for
ANSWERS = 1_000_000
ENTRY, PLACE = "\0entry", "\0place"  # of the sample's rows: where they stand in the journal
_ARRAYS = ("prediction", "outcome", "lag")


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

    def merge(self, later: Column) -> None:
        """Add what the rows that follow came to."""
        self.tally += later.tally
        self.outside += later.outside
        self.mistyped += later.mistyped
        self.unlisted += later.unlisted
        self.low, self.high = min(self.low, later.low), max(self.high, later.high)


@dataclass(frozen=True)
class Watching:
    """What is tallied: the contract's columns beside `profiles`, and the predictions of `version`.

    Answers before `ripe_before` (unix seconds) are ripe.
    """

    contract: Contract
    profiles: dict[str, Profile]
    version: str
    ripe_before: float = np.inf


class Tallies:
    """Sums up a stretch's chunks.

    Attributes:
        rows: how many.
        columns: what each watched column came to.
        versions: how many rows each version answered.
        labels: how the outcomes came.
        sample: some rows with the contract's columns, behind KEY, ENTRY and PLACE.
        answers: some rows' answers, outcomes, lags and marks (`Window` says which).
        repeated: how often rows repeat.
    """

    def __init__(self, watching: Watching) -> None:
        self.watching = watching
        self._watched = watched(watching.contract)
        self.rows = 0
        self.columns = {
            what.name: Column(tally(watching.profiles[what.name], np.empty(0)))
            for what in self._watched
        }
        self.versions = Counter[str]()
        self.labels = Labels()
        self.sample = Thinned(SAMPLE, _sample_schema(watching.contract))
        self.answers = Thinned(ANSWERS, _answers_schema(watching.contract))
        self.repeated = Distinct(ANSWERS)

    def add(self, chunk: Chunk) -> None:
        """Add a chunk's rows."""
        mine = chunk.version == self.watching.version
        self.rows += len(chunk)
        self.versions.update(chunk.version.tolist())
        features = self._features(chunk)
        contract, profiles = self.watching.contract, self.watching.profiles
        prediction = of_prediction(chunk.prediction, chunk.answer, contract)[mine]
        for what in self._watched:
            values = features.get(what.name, prediction)
            _add(self.columns[what.name], what, profiles[what.name], values, chunk)
        self.repeated.add(row_marks(features))
        keys = pa.array(keys_of(chunk.entry_id, chunk.rows))
        self._sample(chunk, keys)
        self._keep(chunk, keys, mine)

    def _features(self, chunk: Chunk) -> dict[str, Floats | Codes]:
        """The chunk's watched columns as arrays, the prediction not among them."""
        return {
            what.name: of_column(chunk.table[what.name], what)
            for what in self._watched
            if what.column is not None
        }

    def _sample(self, chunk: Chunk, keys: pa.Array) -> None:
        entries = np.repeat(np.array(chunk.entry_id, dtype=object), chunk.rows)
        first = (keys, pa.array(entries, pa.string()), pa.array(places(chunk.rows)))
        arrays = [*first, *(chunk.table.columns)]
        self.sample.add(pa.table(arrays, schema=_sample_schema(self.watching.contract)))

    def _keep(self, chunk: Chunk, keys: pa.Array, mine: NDArray[Any]) -> None:
        ripe = chunk.at < self.watching.ripe_before
        arrays = [keys, mine, ripe, *(getattr(chunk, name) for name in _ARRAYS), *chunk.answer.T]
        self.answers.add(pa.table(arrays, schema=_answers_schema(self.watching.contract)))

    def merge(self, later: Tallies) -> None:
        """Add what the rows that follow came to."""
        self.rows += later.rows
        for name, column in self.columns.items():
            column.merge(later.columns[name])
        self.versions += later.versions
        self.labels += later.labels
        self.sample.merge(later.sample)
        self.answers.merge(later.answers)
        self.repeated.merge(later.repeated)


class Merging:
    """Puts the tallies of parts together, in whatever order they come.

    No more rows are held than one part may keep.
    """

    def __init__(self, watching: Watching) -> None:
        self._watching = watching
        self._parts: dict[int, Tallies] = {}
        self._repeated = Distinct(ANSWERS)

    def add(self, place: int, part: Tallies) -> None:
        """Take a part; `place` is its place in the order of time."""
        self._parts[place] = part
        self._repeated.merge(part.repeated)
        part.repeated = Distinct(ANSWERS)  # it is counted
        part.watching = self._watching  # one that came from another process has brought a copy
        halve_together([each.sample for each in self._parts.values()])
        halve_together([each.answers for each in self._parts.values()])

    def merged(self) -> Tallies:
        """All of them as one."""
        tallies = Tallies(self._watching)
        for place in sorted(self._parts):
            tallies.merge(self._parts.pop(place))
        tallies.repeated = self._repeated
        return tallies


def _sample_schema(contract: Contract) -> pa.Schema:
    first = [(KEY, pa.uint64()), (ENTRY, pa.string()), (PLACE, pa.int64())]
    return pa.schema([*first, *features_schema(contract)])


def _answers_schema(contract: Contract) -> pa.Schema:
    shares = (str(i) for i in range(len(contract.target.classes) or 1))
    marks = [(name, pa.bool_()) for name in ("mine", "ripe")]
    return pa.schema(
        [(KEY, pa.uint64()), *marks, *((name, pa.float64()) for name in (*_ARRAYS, *shares))]
    )


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
