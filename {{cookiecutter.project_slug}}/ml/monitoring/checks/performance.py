"""How good the champion's answers were, by outcomes. A cohort: the rows predicted in one window.

Decay is a loss of the contract's metric whose interval excludes the tolerated one
(`monitor.max_loss`, `ml.statistics.metric_loss`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ml.encode import DAY_SECONDS
from ml.monitoring.verdict import Finding, Performance
from ml.statistics.column_tests import shift
from ml.statistics.metric_loss import Loss, errors, metric_loss
from ml.statistics.multiple_testing import rejected
from ml.statistics.profile import tally

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ml.contract import Contract
    from ml.monitoring.inputs.reference import Champion
    from ml.monitoring.inputs.window import Window
    from ml.params import Monitor

    Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Cohort:
    """The champion's predictions of one window with an outcome (n,), of `rows` in all.

    All of them are ripe; `unripe` more have an outcome that can still change, or none. `lag` is in
    seconds.
    """

    window: str
    rows: int
    outcome: Floats
    answer: Floats
    lag: Floats
    unripe: int = 0


def cohort(window: Window) -> Cohort:
    """The window's own cohort."""
    ripe = window.mine & window.ripe
    known = ripe & ~np.isnan(window.outcome)
    rows = int(ripe.sum())
    unripe = int(window.mine.sum()) - rows
    outcome, answer, lag = (a[known] for a in (window.outcome, window.answer, window.lag))
    return Cohort(window.span.name, rows, outcome, answer, lag, unripe)


def performance(
    group: Cohort, champion: Champion, settings: Monitor
) -> tuple[Performance, list[Finding]]:
    """What the cohort's outcomes say: the numbers for verdict.json, and the findings."""
    numbers = _numbers(group, champion)
    loss = metric_loss(group.outcome, group.answer, champion.scored, settings.false_alarm)
    if loss is None:
        return Performance(**numbers), []
    findings = [*_decay(loss, group, champion, settings), *_bias(group, champion, settings)]
    return Performance(**numbers, **vars(loss)), findings


def _numbers(group: Cohort, champion: Champion) -> dict[str, Any]:
    """What is known of a cohort of any size."""
    unripe = {"unripe": group.unripe} if group.unripe else {}
    return unripe | {
        "window": group.window,
        "metric": champion.metric,
        "rows": len(group.outcome),
        "coverage": len(group.outcome) / group.rows if group.rows else 0.0,
        "median_lag_days": float(np.median(group.lag) / DAY_SECONDS) if len(group.lag) else None,
    }


def _decay(loss: Loss, group: Cohort, champion: Champion, settings: Monitor) -> list[Finding]:
    if loss.loss_low <= settings.max_loss:
        return []
    words = (
        f"{champion.metric} fell from {loss.reference:.3f} to {loss.value:.3f} "
        f"on {len(group.outcome):,} outcomes: "
        f"a loss of {loss.loss_low:.3f} to {loss.loss_high:.3f}, {settings.max_loss:g} is tolerated"
    )
    return [Finding.of_window("performance", "decay", words, loss.loss, settings.max_loss)]


def _bias(group: Cohort, champion: Champion, settings: Monitor) -> list[Finding]:
    """The errors moved: the answers are too high or too low, though the metric may hold."""
    error = errors(group.outcome, group.answer, champion.contract.target.task)
    if not _mean_moved(error, champion, settings):
        return []
    words, reference = _means(group, champion.contract), float(champion.scored.errors.mean())
    return [Finding.of_window("drift", "bias", words, float(error.mean()), reference)]


def _mean_moved(error: Floats, champion: Champion, settings: Monitor) -> bool:
    """Whether the errors' location differs from that of the reference's errors."""
    profile = champion.scored.error_profile
    tests = shift(profile, tally(profile, error))
    (which,) = rejected([tests], settings.false_alarm, settings.min_psi)
    return bool(which[tests.names.index("location")])


def _means(group: Cohort, contract: Contract) -> str:
    """The mean outcome and the mean answer in words."""
    outcome, answer = group.outcome, group.answer
    if contract.target.task == "regression":
        answered = answer[:, 0].mean()
        return f"outcomes are {outcome.mean():.4g} on average, the answers were {answered:.4g}"
    if contract.target.task == "binary":
        name, expected = contract.target.classes[-1], answer[:, 1].mean()
        share = f'{outcome.mean():.1%} of the outcomes are "{name}"'
        return f"{share}, the answers expected {expected:.1%}"
    right, expected = (answer.argmax(axis=1) == outcome).mean(), answer.max(axis=1).mean()
    return f"{right:.1%} of the answers are right, they themselves expected {expected:.1%}"
