"""metrics/fairness.json: figures by group and by pairs of groups, as values of JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ml.fairness.by_group import GroupFigure, by_group
from ml.fairness.groups import Group, groups_of
from ml.fairness.measures import measures, positive_code
from ml.fairness.pairs import Difference, differences, holm_adjusted
from ml.fairness.worse import found_slices

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from ml.contract import Contract
    from ml.params import Fairness


def figures_of(
    frame: pd.DataFrame,
    y: NDArray[Any],
    answer: NDArray[np.float64],
    contract: Contract,
    settings: Fairness,
) -> tuple[list[Group], list[GroupFigure]]:
    """The groups of a typed frame, and every figure of each."""
    groups = groups_of(frame, contract, settings)
    return groups, by_group(groups, measures(y, answer, contract, settings.positive))


def fairness_report(
    frame: pd.DataFrame,
    y: NDArray[Any],
    answer: NDArray[np.float64],
    contract: Contract,
    settings: Fairness,
) -> dict[str, Any]:
    """What metrics/fairness.json holds.

    `groups` has a figure with its interval by name for each group; `pairs` has the difference of
    two groups for each figure, its 95 % interval, its p-value, and the p-value after Holm's
    correction over all pairs. `worse_slices` are those of `ml.fairness.worse`.

    Raises:
        UserError: see `groups_of` and `measures`.
    """
    code = positive_code(contract, settings.positive)
    groups, figures = figures_of(frame, y, answer, contract, settings)
    found = differences(figures)
    p_values = [each.p_beyond(0) for each in found]
    adjusted = holm_adjusted(p_values)
    return {
        "columns": list(settings.columns),
        "positive": None if code is None else contract.target.classes[code],
        "compared": len(found),
        "worse_slices": found_slices(frame, y, answer, contract, settings),
        "groups": [_group(group, figures) for group in groups],
        "pairs": [
            _pair(each, p, holm) for each, p, holm in zip(found, p_values, adjusted, strict=True)
        ],
    }


def _group(group: Group, figures: list[GroupFigure]) -> dict[str, Any]:
    of_group = [f for f in figures if (f.column, f.level) == (group.column, group.level)]
    return {
        "column": group.column,
        "level": group.level,
        "rows": len(group.rows),
        "figures": {
            f.figure: {"rows": f.rows}
            | {n: _known(getattr(f, n)) for n in ("value", "low", "high")}
            for f in of_group
        },
    }


def _known(value: float) -> float | None:
    return None if np.isnan(value) else value


def _pair(each: Difference, p_value: float, p_holm: float) -> dict[str, Any]:
    low, high = each.ends
    return {
        "column": each.column,
        "first": each.first,
        "second": each.second,
        "figure": each.figure,
        "difference": each.value,
        "low": low,
        "high": high,
        "p": p_value,
        "p_holm": p_holm,
    }
