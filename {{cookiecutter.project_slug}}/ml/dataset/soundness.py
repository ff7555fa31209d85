"""Whether a typed Parquet table surely keeps the contract, without pandas and without pandera.

Importing those takes longer than checking a hundred thousand rows. Whatever is not plainly sound
here is left to `ml.dataset.checks`, which names what is broken.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ml.contract import FLOAT32_MAX, Categorical, Integer, Numeric, Text, max_length

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ml.contract import Column, Contract, Target
    from ml.params import Validate


def is_sound(table: pa.Table, contract: Contract, params: Validate) -> bool:
    """True only where `ml.dataset.checks.findings` finds nothing in the same rows.

    Args:
        table: as `ml.pipeline.ingest` writes it.
        contract: what it should be.
        params: how much of a column may lie beyond its range.
    """
    if not {*contract.names, contract.target.name} <= set(table.column_names):
        return False
    columns = all(_is_sound(table[c.name], c, params) for c in contract.columns)
    return columns and _is_sound_target(table[contract.target.name], contract.target)


def _is_sound(values: pa.ChunkedArray, column: Column, params: Validate) -> bool:
    if values.null_count and not column.missing:
        return False
    match column:
        case Categorical(levels=levels, unseen="refuse"):
            return _are_among(values, levels)
        case Categorical() | Text():
            return _are_short(values, max_length(column))
        case Numeric() | Integer():
            return _are_sound_numbers(values, column, params.max_out_of_range)
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


def _are_sound_numbers(
    values: pa.ChunkedArray, column: Numeric | Integer, out_of_range: float
) -> bool:
    if not _fit_float32(values):
        return False
    numbers = _known(values)
    if isinstance(column, Integer) and (numbers % 1).any():
        return False
    if column.min is None or column.max is None:
        return True
    outside = (numbers < column.min) | (numbers > column.max)
    return bool(outside.sum() <= out_of_range * len(numbers))


def _fit_float32(values: pa.ChunkedArray) -> bool:
    """NaN does not: what it means is left to the other checks."""
    if not (pa.types.is_floating(values.type) or pa.types.is_integer(values.type)):
        return False
    return bool((np.abs(_known(values)) <= FLOAT32_MAX).all())


def _known(values: pa.ChunkedArray) -> NDArray[np.float64]:
    """The values that are there. By DLPack: pyarrow's own way to NumPy imports pandas."""
    parts = [np.from_dlpack(part).astype(np.float64) for part in values.drop_null().chunks]
    return np.concatenate([np.empty(0), *parts])
