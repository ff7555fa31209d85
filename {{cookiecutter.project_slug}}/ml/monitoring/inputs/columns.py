"""Columns of the journal or the reference as arrays: numbers, or places in a list of levels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ml.contract import Boolean, Categorical, Column, Contract, Datetime, Text
from ml.encode import DAY_SECONDS
from ml.statistics.profile import Profile, level_profile, number_profile

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Codes = NDArray[np.int64]

PREDICTION = "prediction"
MISSING = -7.25  # stands for a missing value in a row's mark: hardly a value of any column


@dataclass(frozen=True)
class Watched:
    """A column that is tallied: its listed `levels`, none for a number (of a text: its length)."""

    name: str
    column: Column | None  # None: the prediction itself
    levels: tuple[Any, ...] = ()


def watched(contract: Contract) -> list[Watched]:
    """Every column that is to be checked, and the prediction.

    Not the one that orders rows in time, which always moves, and none that is `use: audit`, which
    requests need not have.
    """
    left_out = {contract.time, *contract.audited}
    columns = [Watched(c.name, c, _levels(c)) for c in contract.columns if c.name not in left_out]
    classes = contract.target.classes if contract.target.task == "multiclass" else ()
    return [*columns, Watched(contract.added(PREDICTION), None, classes)]


def _levels(column: Column) -> tuple[Any, ...]:
    if isinstance(column, Categorical):
        return column.levels
    return (False, True) if isinstance(column, Boolean) else ()


def of_column(column: pa.ChunkedArray | pa.Array, what: Watched) -> Floats | Codes:
    """Numbers, NaN missing; or codes: a place in `levels`, len(levels) unlisted, -1 missing."""
    if what.levels:
        return _codes(column, what.levels)
    if isinstance(what.column, Datetime):
        return _days(column)
    if isinstance(what.column, Text):
        column = pc.utf8_length(column)
    return _numbers(column)


def _codes(column: pa.ChunkedArray | pa.Array, levels: tuple[Any, ...]) -> Codes:
    place = pc.index_in(column, pa.array(levels)).fill_null(len(levels))
    return np.where(column.is_null(), -1, place).astype(np.int64)


def _numbers(column: pa.ChunkedArray | pa.Array) -> Floats:
    return np.asarray(pc.cast(column, pa.float64()).fill_null(np.nan))


def _days(column: pa.ChunkedArray | pa.Array) -> Floats:
    microseconds = pc.cast(pc.cast(column, pa.int64()), pa.float64(), safe=False)
    return _numbers(microseconds) / (DAY_SECONDS * 1e6)


def of_prediction(prediction: Floats, answer: Floats, contract: Contract) -> Floats | Codes:
    """The prediction as a column: a value, the positive class's probability, or a place."""
    if contract.target.task == "multiclass":
        return np.where(np.isnan(prediction), -1, prediction).astype(np.int64)
    return answer[:, -1]


def profiles(reference: pd.DataFrame, answer: Floats, contract: Contract) -> dict[str, Profile]:
    """The profile of every watched column; the reference rows are in order of time, if any."""
    prediction = answer.argmax(axis=1).astype(np.float64)
    columns = columns_of(reference, contract)
    columns[contract.added(PREDICTION)] = of_prediction(prediction, answer, contract)
    ordered = contract.time is not None
    return {what.name: _profile(what, columns[what.name], ordered) for what in watched(contract)}


def _profile(what: Watched, values: Floats | Codes, ordered: bool) -> Profile:
    if what.levels:
        return level_profile(what.name, values.astype(np.int64), len(what.levels), ordered)
    return number_profile(what.name, values.astype(np.float64), ordered)


def columns_of(frame: pd.DataFrame, contract: Contract) -> dict[str, Floats | Codes]:
    """The watched columns of a typed frame as arrays, the prediction not among them."""
    return {
        what.name: of_column(pa.Array.from_pandas(frame[what.name]), what)
        for what in watched(contract)
        if what.column is not None
    }


def count_outside(values: Any, column: Column | None) -> int:
    """How many numbers lie beyond the contract's range."""
    low, high = getattr(column, "min", None), getattr(column, "max", None)
    below = 0 if low is None else (values < low).sum()
    above = 0 if high is None else (values > high).sum()
    return int(below + above)


def row_marks(columns: Mapping[str, NDArray[Any]]) -> Floats:
    """A number for each row that equal rows share (different ones almost never)."""
    rng = np.random.default_rng(0)
    marks = np.zeros(len(next(iter(columns.values()))))
    for name in sorted(columns):
        values = np.nan_to_num(columns[name].astype(np.float64), nan=MISSING)
        marks += rng.uniform(1, 2) * values
    return marks


def repeated_share(marks: Floats) -> float:
    """Share of rows that an earlier row equals."""
    return 1 - len(np.unique(marks)) / len(marks) if len(marks) else 0.0
