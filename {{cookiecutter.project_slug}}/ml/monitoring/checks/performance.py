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
from scipy import stats

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

MIN_LABELLED = 100  # outcomes; with fewer an interval says nothing
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
    return Cohort(
        window.span.name,
        int(window.mine.sum()),
        window.outcome[known],
        window.answer[known],
        window.lag[known],
    )


def errors(outcome: Floats, answer: Floats, contract: Contract) -> Floats:
    """Truth minus answer: of the value, of the positive class, or of being right."""
    match contract.target.task:
        case "regression":
            return outcome - answer[:, 0]
        case "binary":
            return outcome - answer[:, 1]
        case "multiclass":
            right: Floats = (answer.argmax(axis=1) == outcome) - answer.max(axis=1)
            return right


def deviation(metric: str, outcome: NDArray[Any], answer: Floats) -> float:
    """Bootstrap standard error of a metric for independent rows, seeded."""
    size = min(len(outcome), RESAMPLED_ROWS)

    def figure(rows: NDArray[np.int64]) -> float:
        return measure(metric, outcome[rows], answer[rows])

    values = resample(len(outcome), figure, RESAMPLES, size)
    return float(np.nanstd(values, ddof=1) * np.sqrt(size / len(outcome)))


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
    numbers: dict[str, Any] = {
        "window": group.window,
        "metric": champion.metric,
        "rows": len(group.outcome),
        "coverage": len(group.outcome) / group.rows if group.rows else 0.0,
        "median_lag_days": float(np.median(group.lag) / DAY_SECONDS) if len(group.lag) else None,
    }
    loss = _loss(group, champion, settings) if len(group.outcome) >= MIN_LABELLED else None
    if loss is None:
        return Performance(**numbers), []
    findings = [*_decay(loss, group, champion, settings), *_bias(group, champion, settings)]
    return Performance(**numbers, **vars(loss)), findings


def _loss(group: Cohort, champion: Champion, settings: Monitor) -> Loss | None:
    """The metric's loss against the reference with its interval; None where it has no value."""
    is_classification = champion.contract.is_classification
    outcome = group.outcome.astype(np.int64) if is_classification else group.outcome
    now = measure(champion.metric, outcome, group.answer)
    then = measure(champion.metric, champion.outcome, champion.answer)
    if np.isnan(now) or np.isnan(then):
        return None
    inflations, _, freedom = _error_profile(champion).dependence.at(len(outcome))
    independent = np.hypot(
        deviation(champion.metric, outcome, group.answer), _reference_deviation(champion)
    )
    error = independent * np.sqrt(inflations.max())
    reach = float(stats.t.ppf(1 - settings.false_alarm, min(freedom, 1e9)) * error)
    loss = then - now
    return Loss(now, then, loss, loss - reach, loss + reach)


@lru_cache(maxsize=2)
def _error_profile(champion: Champion) -> Profile:
    error = errors(champion.outcome, champion.answer, champion.contract)
    return number_profile("error", error, champion.contract.time is not None)


def _decay(loss: Loss, group: Cohort, champion: Champion, settings: Monitor) -> list[Finding]:
    if loss.loss_low <= settings.max_loss:
        return []
    words = (
        f"{champion.metric} fell from {loss.reference:.3f} to {loss.value:.3f} "
        f"on {len(group.outcome):,} outcomes: "
        f"a loss of {loss.loss_low:.3f} to {loss.loss_high:.3f}, {settings.max_loss:g} is tolerated"
    )
    return [
        Finding(
            check="performance",
            what="decay",
            column=None,
            words=words,
            value=loss.loss,
            limit=settings.max_loss,
        )
    ]


def _bias(group: Cohort, champion: Champion, settings: Monitor) -> list[Finding]:
    """The errors moved: the answers are too high or too low, though the metric may hold."""
    error = errors(group.outcome, group.answer, champion.contract)
    profile = _error_profile(champion)
    tests = shift(profile, tally(profile, error))
    which = rejected([tests], settings.false_alarm, settings.min_psi)[0]
    if not which[tests.names.index("location")]:
        return []
    before = errors(champion.outcome, champion.answer, champion.contract).mean()
    return [
        Finding(
            check="drift",
            what="bias",
            column=None,
            words=_means(group, champion.contract),
            value=float(error.mean()),
            limit=float(before),
        )
    ]


def _means(group: Cohort, contract: Contract) -> str:
    outcome, answer = group.outcome, group.answer
    match contract.target.task:
        case "regression":
            answered = answer[:, 0].mean()
            return f"outcomes are {outcome.mean():.4g} on average, the answers were {answered:.4g}"
        case "binary":
            name = contract.target.classes[-1]
            seen, expected = outcome.mean(), answer[:, 1].mean()
            return f'{seen:.1%} of the outcomes are "{name}", the answers expected {expected:.1%}'
        case "multiclass":
            right = (answer.argmax(axis=1) == outcome).mean()
            expected = answer.max(axis=1).mean()
            return f"{right:.1%} of the answers are right, they themselves expected {expected:.1%}"
