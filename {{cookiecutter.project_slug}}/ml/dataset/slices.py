"""The groups of rows that are judged one by one: the levels of categorical and boolean columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ml.contract import Boolean, Categorical, Contract

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from ml.params import Evaluate


class Slice(NamedTuple):
    """The rows of one level of a column: their places in the frame."""

    column: str
    level: str | bool
    rows: NDArray[np.intp]


def slices_of(frame: pd.DataFrame, contract: Contract, params: Evaluate) -> list[Slice]:
    """The slices of a typed frame, in the contract's order.

    Args:
        frame: the rows.
        contract: what they are.
        params: `slices`, how many columns are looked at, and `min_slice_rows`: a level with fewer
            rows is left out.
    """
    found = [
        Slice(column, level, _rows_of_level(frame, column, level))
        for column, level in _levels(contract, params.slices)
    ]
    return [each for each in found if len(each.rows) >= params.min_slice_rows]


def _rows_of_level(frame: pd.DataFrame, name: str, level: str | bool) -> NDArray[np.intp]:
    return np.flatnonzero(frame[name].to_numpy(dtype=object) == level)


def _levels(contract: Contract, at_most: int) -> list[tuple[str, str | bool]]:
    """Column and level, of the first so many columns that have levels."""
    with_levels = [c for c in contract.columns if isinstance(c, Categorical | Boolean)]
    return [(c.name, level) for c in with_levels[:at_most] for level in _levels_of(c)]


def _levels_of(column: Categorical | Boolean) -> tuple[str, ...] | tuple[bool, ...]:
    return column.levels if isinstance(column, Categorical) else (True, False)
