"""The groups of rows that are compared: levels of the columns that a person has named."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ml.contract import Boolean, Categorical, Integer, Numeric
from ml.errors import UserError, closest

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from ml.contract import Column, Contract
    from ml.params import Fairness

    Rows = NDArray[np.intp]


class Group(NamedTuple):
    """The rows of one level of a column: their places in the frame."""

    column: str
    level: str
    rows: Rows


def groups_of(frame: pd.DataFrame, contract: Contract, settings: Fairness) -> list[Group]:
    """The groups of a typed frame that have `min_rows` rows; rows without a value are in none.

    Raises:
        UserError: a column is not in the contract, or its kind has no groups.
    """
    found = [
        group
        for name in settings.columns
        for group in _of_column(frame, _known(contract, name), settings)
    ]
    return [group for group in found if len(group.rows) >= settings.min_rows]


def _known(contract: Contract, name: str) -> Column:
    column = contract.get(name)
    if column is None:
        near = closest(name, contract.names)
        hint = f'; did you mean "{near[0]}"?' if near else ""
        raise UserError(
            f'params.yaml: fairness.columns: "{name}" is no column of contract.yaml{hint}',
            "name a column of contract.yaml, or take it out",
        )
    return column


def _of_column(frame: pd.DataFrame, column: Column, settings: Fairness) -> list[Group]:
    values = frame[column.name].to_numpy()
    match column:
        case Categorical(levels=levels):
            return [_where(column, level, values == level) for level in levels]
        case Boolean():
            return [_where(column, str(flag).lower(), values == flag) for flag in (True, False)]
        case Numeric() | Integer() if settings.edges.get(column.name):
            edges = settings.edges[column.name]
            numbers = values.astype(np.float64)
            codes = np.where(np.isnan(numbers), -1, np.searchsorted(edges, numbers, side="right"))
            return [_where(column, name, codes == i) for i, name in enumerate(bands(edges))]
    raise UserError(
        f'params.yaml: fairness.columns: "{column.name}" is {column.kind} and has no groups',
        f"fairness.edges: {{{column.name}: [30, 50]}} for a number, or another column",
    )


def bands(edges: tuple[float, ...]) -> tuple[str, ...]:
    """What the groups of a number are called: below the first edge, between two, from the last."""
    inner = (f"{low:g} to {high:g}" for low, high in pairwise(edges))
    return (f"below {edges[0]:g}", *inner, f"from {edges[-1]:g}")


def _where(column: Column, level: str, mask: NDArray[np.bool_]) -> Group:
    return Group(column.name, level, np.flatnonzero(mask))
