"""The figures of `ml.fairness` by group, of the window's rows that the champion answered.

They are followed, and a difference beyond `fairness.tolerance` that is shown is noted. They are no
ticket: whether a group is worse off is for people to judge, and retraining need not help.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ml.errors import printable
from ml.fairness.pairs import differences, holm_adjusted
from ml.fairness.report import figures_of
from ml.monitoring.verdict import Finding, GroupFigure

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from ml.fairness.by_group import GroupFigure as Measured
    from ml.fairness.pairs import Difference
    from ml.monitoring.inputs.reference import Champion
    from ml.monitoring.inputs.window import Window
    from ml.params import Fairness

ALPHA = 0.05  # of all pairs together


def fairness(
    window: Window, sample: pd.DataFrame, champion: Champion, settings: Fairness
) -> tuple[list[GroupFigure], list[Finding]]:
    """Each figure of each group with its value on the held-out rows, and notes; nothing: no groups.

    Args:
        window: its sample's rows are judged, where the champion answered them.
        sample: the window's sample with the values of audit columns.
        champion: whose answers they are.
        settings: the groups and what is tolerated.
    """
    contract = champion.contract
    settings = _known(settings, champion)
    if not settings.columns:
        return [], []
    mine = window.mine[window.places]
    places = window.places[mine]
    y = _outcomes(window, places, is_class=contract.is_classification)
    frame = sample[mine].reset_index(drop=True)
    _, measured = figures_of(frame, y, window.answer[places], contract, settings)
    before = _on_reference(champion, settings)
    figures = [
        GroupFigure(
            column=each.column,
            level=each.level,
            figure=each.figure,
            rows=each.rows,
            value=each.value,
            low=each.low,
            high=each.high,
            reference=before.get((each.column, each.level, each.figure)),
        )
        for each in measured
        if not np.isnan(each.value + each.low)
    ]
    return figures, _notes(measured, settings)


def _known(settings: Fairness, champion: Champion) -> Fairness:
    """Without the columns that the champion's contract does not have (yet, or any more)."""
    known = tuple(name for name in settings.columns if name in champion.contract.names)
    return settings.model_copy(update={"columns": known})


def _outcomes(window: Window, places: NDArray[Any], *, is_class: bool) -> NDArray[Any]:
    """Class codes, -1 where an outcome has not come or can still change; or values, NaN there."""
    final = np.where(window.ripe[places], window.outcome[places], np.nan)
    return np.where(np.isnan(final), -1, final).astype(np.int64) if is_class else final


def _on_reference(champion: Champion, settings: Fairness) -> dict[tuple[str, str, str], float]:
    """Each figure's value on the rows that the champion was judged by."""
    contract, y = champion.contract, champion.outcome
    codes = y.astype(np.int64) if contract.is_classification else y
    _, figures = figures_of(champion.reference, codes, champion.answer, contract, settings)
    known = [each for each in figures if not np.isnan(each.value)]
    return {(each.column, each.level, each.figure): each.value for each in known}


def _notes(measured: list[Measured], settings: Fairness) -> list[Finding]:
    """A note for each difference beyond its tolerance that is shown (Holm)."""
    tolerances = settings.tolerance.stated
    found = [each for each in differences(measured) if each.figure in tolerances]
    p_values = holm_adjusted([each.p_beyond(tolerances[each.figure]) for each in found])
    shown = [each for each, p in zip(found, p_values, strict=True) if p <= ALPHA]
    return [_note(each, tolerances[each.figure]) for each in shown]


def _note(each: Difference, tolerance: float) -> Finding:
    first, second = printable(each.first), printable(each.second)
    words = (
        f"`{each.column}`: {each.figure} of {first} is {each.value:+.3f} from {second}, "
        f"{tolerance:g} is tolerated"
    )
    return Finding(
        check="performance",
        what="fairness",
        column=each.column,
        words=words,
        value=abs(each.value),
        limit=tolerance,
        severity="note",
    )
