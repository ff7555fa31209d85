"""Loss of a metric against a reference, with its interval: what the monitor calls decay.

The gate of a release asks the same question of a challenger (`ml.release.gate`). The interval is
the bootstrap's (Efron 1979) on both sides, widened where the reference's errors depend on each
other in time.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import special

from ml.metrics import measure, resample
from ml.statistics.profile import Profile, number_profile

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ml.contract import Task

    Floats = NDArray[np.float64]

MIN_LABELLED = 100  # outcomes; with fewer the interval is too wide to decide anything
RESAMPLES = 100
RESAMPLED_ROWS = 2_000  # of a larger sample; its standard error is scaled


@dataclass(frozen=True, eq=False)  # what is fitted is kept with it
class Reference:
    """A model's answers on the rows that it was judged by when it was released.

    Args:
        metric: what the gate compares; higher is better.
        task: of the target.
        outcome: class codes or values, (n,).
        answer: the answer matrix, (n, k).
        in_order: whether the rows are in order of time.
    """

    metric: str
    task: Task
    outcome: Floats
    answer: Floats
    in_order: bool

    @cached_property
    def value(self) -> float:
        """The metric; NaN where the rows cannot define it."""
        return measure(self.metric, _codes(self.outcome, self.task), self.answer)

    @cached_property
    def deviation(self) -> float:
        """Standard error of the metric."""
        return deviation(self.metric, _codes(self.outcome, self.task), self.answer)

    @cached_property
    def errors(self) -> Floats:
        """Truth minus answer, (n,)."""
        return errors(self.outcome, self.answer, self.task)

    @cached_property
    def error_profile(self) -> Profile:
        """The distribution of the errors and their dependence in time."""
        return number_profile("error", self.errors, self.in_order)


@dataclass(frozen=True)
class Loss:
    """The metric's loss against the reference, and its interval."""

    value: float
    reference: float
    loss: float
    loss_low: float
    loss_high: float


def errors(outcome: Floats, answer: Floats, task: Task) -> Floats:
    """Truth minus answer: of the value, of the positive class, or of being right."""
    if task == "multiclass":
        right: Floats = (answer.argmax(axis=1) == outcome) - answer.max(axis=1)
        return right
    return outcome - answer[:, -1]  # the value, or the positive class's probability


def deviation(metric: str, outcome: NDArray[Any], answer: Floats) -> float:
    """Bootstrap standard error of a metric for independent rows, seeded."""
    rows, size = len(outcome), min(len(outcome), RESAMPLED_ROWS)
    values = resample(rows, lambda r: measure(metric, outcome[r], answer[r]), RESAMPLES, size)
    return float(np.nanstd(values, ddof=1) * np.sqrt(size / rows))


def metric_loss(
    outcome: NDArray[Any], answer: Floats, reference: Reference, alpha: float
) -> Loss | None:
    """The loss on rows with outcomes (n,) and answers (n, k), with one-sided limits.

    Args:
        outcome: class codes or values.
        answer: the answer matrix.
        reference: what the metric is compared with.
        alpha: probability that a loss of nothing lies beyond one of the limits.

    Returns:
        None where the rows are fewer than 100, or either side cannot define the metric.
    """
    if len(outcome) < MIN_LABELLED:
        return None
    outcome = _codes(outcome, reference.task)
    value = measure(reference.metric, outcome, answer)
    if np.isnan(value) or np.isnan(reference.value):
        return None
    reach = _reach(outcome, answer, reference, alpha)
    loss = reference.value - value
    return Loss(value, reference.value, loss, loss - reach, loss + reach)


def _codes(outcome: NDArray[Any], task: Task) -> NDArray[Any]:
    return outcome if task == "regression" else outcome.astype(np.int64)


def _reach(outcome: NDArray[Any], answer: Floats, reference: Reference, alpha: float) -> float:
    """One-sided confidence limit of the difference of the two sides' metrics (Student's t)."""
    inflation = reference.error_profile.dependence.at(len(outcome))
    of_rows = deviation(reference.metric, outcome, answer)
    error = np.hypot(of_rows, reference.deviation) * np.sqrt(inflation.largest)
    return float(special.stdtrit(min(inflation.freedom, 1e9), 1 - alpha) * error)
