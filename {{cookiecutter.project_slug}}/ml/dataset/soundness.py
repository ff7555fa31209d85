"""Whether a typed Parquet table surely keeps the contract, without pandas and without pandera.

Importing those takes longer than checking a hundred thousand rows. Whatever is not plainly sound
here is left to `ml.dataset.checks`, which names what is broken.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ml.contract import FLOAT32_MAX, Categorical, Integer, Numeric, Text, max_length

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from ml.contract import Column, Contract, Target
    from ml.params import Validate


def is_sound(tables: Iterable[pa.Table], contract: Contract, params: Validate) -> bool:
    """True only where `ml.dataset.checks.findings` finds nothing in the same rows.

    Args:
        tables: the rows, as `ml.pipeline.ingest` writes them, some at a time.
        contract: what they should be.
        params: how much of a column may lie beyond its range.
    """
    inside = InRange(contract, params.max_out_of_range)
    return all(_holds(table, contract, inside) for table in tables) and inside.enough()


def are_sound_features(table: pa.Table, contract: Contract, params: Validate) -> bool:
    """The same for rows without a target; `ml.dataset.checks.feature_schema` finds nothing then."""
    inside = InRange(contract, params.max_out_of_range)
    return _features_hold(table, contract, inside) and inside.enough()


class InRange:
    """Counts, over all rows, the numbers that lie beyond their column's range."""

    def __init__(self, contract: Contract, allowed: float) -> None:
        self._allowed = allowed
        self._ranges = {c.name: c for c in contract.columns if isinstance(c, Numeric | Integer)}
        self._seen: Counter[str] = Counter()
        self._outside: Counter[str] = Counter()

    def count(self, name: str, numbers: NDArray[np.float64]) -> None:
        """Some rows of a column."""
        column = self._ranges[name]
        if column.min is None or column.max is None:
            return
        self._seen[name] += len(numbers)
        self._outside[name] += int(((numbers < column.min) | (numbers > column.max)).sum())

    def enough(self) -> bool:
        """Whether no column has more of them than are allowed."""
        return all(self._outside[n] <= self._allowed * seen for n, seen in self._seen.items())


def _holds(table: pa.Table, contract: Contract, inside: InRange) -> bool:
    target = contract.target
    if target.name not in table.column_names:
        return False
    features = _features_hold(table, contract, inside)
    return features and _is_sound_target(table[target.name], target)


def _features_hold(table: pa.Table, contract: Contract, inside: InRange) -> bool:
    if not set(contract.names) <= set(table.column_names):
        return False
    return all(_is_sound(table[c.name], c, inside) for c in contract.columns)


def _is_sound(values: pa.ChunkedArray, column: Column, inside: InRange) -> bool:
    if values.null_count and not column.missing:
        return False
    match column:
        case Categorical(levels=levels, unseen="refuse"):
            return _are_among(values, levels)
        case Categorical() | Text():
            return _are_short(values, max_length(column))
        case Numeric() | Integer():
            return _are_sound_numbers(values, column, inside)
        case _:
            return True


def _is_sound_target(values: pa.ChunkedArray, target: Target) -> bool:
    if values.null_count:
        return False
    return _are_among(values, target.classes) if target.classes else _fit_float32(values)


def _are_among(values: pa.ChunkedArray, known: Sequence[str]) -> bool:
    return set(pc.unique(values.drop_null()).to_pylist()) <= set(known)


def _are_short(values: pa.ChunkedArray, most: int) -> bool:
    if not _is_text(values.type):
        return False
    longest = pc.max(pc.utf8_length(values)).as_py()
    return longest is None or longest <= most


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _are_sound_numbers(values: pa.ChunkedArray, column: Numeric | Integer, inside: InRange) -> bool:
    """Whether they fit and are whole where they should be; counts those beyond the range."""
    if not _fit_float32(values):
        return False
    numbers = _known(values)
    if isinstance(column, Integer) and (numbers % 1).any():
        return False
    inside.count(column.name, numbers)
    return True


def _fit_float32(values: pa.ChunkedArray) -> bool:
    """NaN does not: what it means is left to the other checks."""
    if not (pa.types.is_floating(values.type) or pa.types.is_integer(values.type)):
        return False
    return bool((np.abs(_known(values)) <= FLOAT32_MAX).all())


def _known(values: pa.ChunkedArray) -> NDArray[np.float64]:
    """The values that are there. By DLPack: pyarrow's own way to NumPy imports pandas."""
    parts = [np.from_dlpack(part).astype(np.float64) for part in values.drop_null().chunks]
    return np.concatenate([np.empty(0), *parts])
