"""The groups of rows that are judged one by one: the levels of categorical and boolean columns."""

from __future__ import annotations

from itertools import repeat
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
    with_levels = [c for c in contract.columns if isinstance(c, Categorical | Boolean)]
    found = [each for c in with_levels[: params.slices] for each in _slices_of(frame, c)]
    return [each for each in found if len(each.rows) >= params.min_slice_rows]


def _slices_of(frame: pd.DataFrame, column: Categorical | Boolean) -> list[Slice]:
    """The slices of one column, its rows sorted once: a column may have hundreds of levels."""
    levels: tuple[str | bool, ...] = _levels_of(column)
    place = {level: i for i, level in enumerate(levels)}
    values = frame[column.name].to_numpy(dtype=object)
    places = np.fromiter(map(place.get, values, repeat(len(levels))), np.intp, len(values))
    order = np.argsort(places, kind="stable")
    starts = np.searchsorted(places[order], np.arange(len(levels) + 1))
    return [
        Slice(column.name, level, order[starts[i] : starts[i + 1]])
        for i, level in enumerate(levels)
    ]


def _levels_of(column: Categorical | Boolean) -> tuple[str, ...] | tuple[bool, ...]:
    return column.levels if isinstance(column, Categorical) else (True, False)
