"""The slice search over a typed table: its columns of levels, which answers are wrong, how sure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ml.contract import Boolean, Categorical
from ml.fairness.groups import bands
from ml.fairness.slice_search import Levels, worse_slices, wrong_numbers

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from ml.contract import Contract
    from ml.params import Fairness

COLUMNS = 24  # of which levels are combined; more are left out, the last of the contract first


def found_slices(
    frame: pd.DataFrame,
    y: NDArray[Any],
    answer: NDArray[np.float64],
    contract: Contract,
    settings: Fairness,
) -> list[dict[str, Any]]:
    """The slices of a typed frame that are shown to be worse, as values of JSON.

    Each has `where` (column → level), `rows`, `wrong` (share), `expected` (the same among rows that
    the model was as sure of) and `p` (after correction). Of numbers "wrong" is an error among the
    largest fifth of rows with a like prediction.
    """
    if not settings.search:
        return []
    if contract.is_classification:
        wrong, confidence = answer.argmax(axis=1) != y, answer.max(axis=1)
    else:
        wrong, confidence = wrong_numbers(answer[:, 0] - y, answer[:, 0]), answer[:, 0]
    columns = _levels(frame, contract, settings)[:COLUMNS]
    return [
        {
            "where": dict(each.where),
            "rows": each.rows,
            "wrong": each.wrong,
            "expected": each.expected,
            "p": each.p_value,
        }
        for each in worse_slices(columns, wrong, confidence, settings.min_rows)
    ]


def _levels(frame: pd.DataFrame, contract: Contract, settings: Fairness) -> list[Levels]:
    """Categorical and boolean columns, and numbers that have edges."""
    found = []
    for column in contract.columns:
        values = frame[column.name]
        match column:
            case Categorical(levels=levels):
                found.append(Levels(column.name, levels, _codes(values, levels)))
            case Boolean():
                codes = _codes(values, (False, True))
                found.append(Levels(column.name, ("false", "true"), codes))
            case _ if column.name in settings.edges:
                found.append(_of_bands(column.name, values, settings.edges[column.name]))
    return found


def _codes(values: pd.Series, levels: tuple[Any, ...]) -> NDArray[np.int64]:
    """The place of each value in `levels`; -1: in none."""
    import pandas as pd

    places = pd.Index(list(levels), dtype=object).get_indexer(pd.Index(values.astype(object)))
    return np.asarray(places, dtype=np.int64)


def _of_bands(name: str, values: pd.Series, edges: tuple[float, ...]) -> Levels:
    numbers = values.to_numpy(dtype=np.float64)
    codes = np.searchsorted(edges, numbers, side="right")
    return Levels(name, bands(edges), np.where(np.isnan(numbers), -1, codes))
