"""How good the champion's answers were, by outcomes. A cohort: the rows predicted in one window.

Decay is a loss of the contract's metric whose interval excludes the tolerated one
(`monitor.max_loss`). The interval is the bootstrap's (Efron 1979) on both sides, the window's and
the reference's, widened where the reference's errors depend on each other in time.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import special

from ml.encode import DAY_SECONDS
from ml.metrics import measure, resample
from ml.monitoring.statistics.column_tests import shift
from ml.monitoring.statistics.multiple_testing import rejected
from ml.monitoring.statistics.profile import Profile, number_profile, tally
from ml.monitoring.verdict import Finding, Performance

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ml.contract import Contract
    from ml.monitoring.inputs.reference import Champion
    from ml.monitoring.inputs.window import Window
    from ml.params import Monitor

    Floats = NDArray[np.float64]

MIN_LABELLED = 100  # outcomes; with fewer the interval is too wide to decide anything
RESAMPLES = 100
RESAMPLED_ROWS = 2_000  # of a larger sample; its standard error is scaled


@dataclass(frozen=True)
class Cohort:
    """The champion's predictions of one window with an outcome (n,), of `rows` in all.

    `lag` is in seconds.
    """

    window: str
    rows: int
    outcome: Floats
    answer: Floats
    lag: Floats


def cohort(window: Window) -> Cohort:
    """The window's own cohort."""
    known = window.mine & ~np.isnan(window.outcome)
    columns = (values[known] for values in (window.outcome, window.answer, window.lag))
    return Cohort(window.span.name, int(window.mine.sum()), *columns)


def errors(outcome: Floats, answer: Floats, contract: Contract) -> Floats:
    """Truth minus answer: of the value, of the positive class, or of being right."""
    if contract.target.task == "multiclass":
        right: Floats = (answer.argmax(axis=1) == outcome) - answer.max(axis=1)
        return right
    return outcome - answer[:, -1]  # the value, or the positive class's probability


def deviation(metric: str, outcome: NDArray[Any], answer: Floats) -> float:
    """Bootstrap standard error of a metric for independent rows, seeded."""
    rows, size = len(outcome), min(len(outcome), RESAMPLED_ROWS)
    values = resample(rows, lambda r: measure(metric, outcome[r], answer[r]), RESAMPLES, size)
    return float(np.nanstd(values, ddof=1) * np.sqrt(size / rows))


@lru_cache(maxsize=2)
def _reference_deviation(champion: Champion) -> float:
    return deviation(champion.metric, champion.outcome, champion.answer)


@dataclass(frozen=True)
class Loss:
    """The metric's loss against the reference, and its interval."""

    value: float
    reference: float
    loss: float
    loss_low: float
    loss_high: float


def performance(
    group: Cohort, champion: Champion, settings: Monitor
) -> tuple[Performance, list[Finding]]:
    """What the cohort's outcomes say: the numbers for verdict.json, and the findings."""
    numbers = _numbers(group, champion)
    loss = _loss(group, champion, settings) if len(group.outcome) >= MIN_LABELLED else None
    if loss is None:
        return Performance(**numbers), []
    findings = [*_decay(loss, group, champion, settings), *_bias(group, champion, settings)]
    return Performance(**numbers, **vars(loss)), findings


def _numbers(group: Cohort, champion: Champion) -> dict[str, Any]:
    """What is known of a cohort of any size."""
    return {
        "window": group.window,
        "metric": champion.metric,
        "rows": len(group.outcome),
        "coverage": len(group.outcome) / group.rows if group.rows else 0.0,
        "median_lag_days": float(np.median(group.lag) / DAY_SECONDS) if len(group.lag) else None,
    }


def _loss(group: Cohort, champion: Champion, settings: Monitor) -> Loss | None:
    """The metric's loss against the reference with its interval; None where it has no value."""
    is_classification = champion.contract.is_classification
    outcome = group.outcome.astype(np.int64) if is_classification else group.outcome
    value = measure(champion.metric, outcome, group.answer)
    reference = measure(champion.metric, champion.outcome, champion.answer)
    if np.isnan(value) or np.isnan(reference):
        return None
    reach = _reach(outcome, group.answer, champion, settings.false_alarm)
    loss = reference - value
    return Loss(value, reference, loss, loss - reach, loss + reach)


def _reach(outcome: NDArray[Any], answer: Floats, champion: Champion, alpha: float) -> float:
    """One-sided confidence limit of the difference of the two sides' metrics (Student's t)."""
    inflation = _error_profile(champion).dependence.at(len(outcome))
    of_window, of_reference = (
        deviation(champion.metric, outcome, answer),
        _reference_deviation(champion),
    )
    error = np.hypot(of_window, of_reference) * np.sqrt(inflation.largest)
    return float(special.stdtrit(min(inflation.freedom, 1e9), 1 - alpha) * error)


def _reference_errors(champion: Champion) -> Floats:
    return errors(champion.outcome, champion.answer, champion.contract)


@lru_cache(maxsize=2)
def _error_profile(champion: Champion) -> Profile:
    is_ordered = champion.contract.time is not None
    return number_profile("error", _reference_errors(champion), is_ordered)


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
    error = errors(group.outcome, group.answer, champion.contract)
    if not _mean_moved(error, champion, settings):
        return []
    words, reference = _means(group, champion.contract), float(_reference_errors(champion).mean())
    return [Finding.of_window("drift", "bias", words, float(error.mean()), reference)]


def _mean_moved(error: Floats, champion: Champion, settings: Monitor) -> bool:
    """Whether the errors' location differs from that of the reference's errors."""
    profile = _error_profile(champion)
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
