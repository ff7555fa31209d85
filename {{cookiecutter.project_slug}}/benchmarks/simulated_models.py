"""Two models of known quality on the same simulated rows, for `benchmarks.gate_errors`.

A row has a true score z and a level of a column with ten levels, a tenth of the rows each. A class
is drawn with the logistic probability of z, a number is z with noise. A model sees z with an error
of a known size, of which it shares a part with the other model, and answers as well as one can who
sees that: its probabilities are calibrated. What it scores is then known by integration.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import optimize, signal, special

from ml.contract import Categorical, Contract, Datetime, Target
from ml.release.gate.comparison import Comparison
from ml.statistics.metric_loss import Reference

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ml.contract import Task

    Floats = NDArray[np.float64]

SPREAD = 2.0  # standard deviation of the true score
ERROR = 1.0  # of the champion's view of it
NOISE = 1.0  # of a number around its true score
SHARED = 0.75  # part of an error's variance that both models have in common
LEVELS = tuple("abcdefghij")
AUTOREGRESSION = 0.9  # of errors that depend on each other in time
WARM_UP = 200  # rows of such a series that are dropped, because it starts at zero
# the true score's quantiles, for integration
GRID = SPREAD * special.ndtri((np.arange(4000) + 0.5) / 4000)


@dataclass(frozen=True)
class Case:
    """Two models and how often they are compared.

    Args:
        name: in words.
        task: of the target.
        metric: what the gate compares.
        rows: fresh rows.
        gain: points (of accuracy, or of r2) that the challenger is better on the rows but those of
            the slice.
        slice_gain: the same on the slice, the rows of one level; None: as elsewhere.
        in_time: rows in order of time, with errors that depend on each other.
        tried: models of the challenger's quality, of which the best on the rows is the challenger.
    """

    name: str
    task: Task
    metric: str
    rows: int = 2000
    gain: float = 0.0
    slice_gain: float | None = None
    in_time: bool = False
    tried: int = 1


def accuracy_at(error: float) -> float:
    """Accuracy of a model that sees the true score with an error of that standard deviation."""
    says_positive, positive = special.ndtr(GRID / max(error, 1e-9)), special.expit(GRID)
    right = positive * says_positive + (1 - positive) * (1 - says_positive)
    return float(right.mean())


def r2_at(error: float) -> float:
    """Share of the variance that the best answer from such a view explains."""
    return float(SPREAD**4 / (SPREAD**2 + error**2) / (SPREAD**2 + NOISE**2))


def error_for(task: Task, gain: float) -> float:
    """The error at which a model is so many points better than the champion."""
    score = r2_at if task == "regression" else accuracy_at
    wanted = score(ERROR) + gain
    return float(optimize.brentq(lambda error: score(error) - wanted, 0.0, 50.0))


def contract_for(case: Case) -> Contract:
    """What a row is."""
    level = Categorical(name="level", kind="categorical", levels=LEVELS)
    seen = Datetime(name="seen", kind="datetime", parts=("month",))
    classes = () if case.task == "regression" else ("no", "yes")
    return Contract(
        target=Target(name="y", task=case.task, classes=classes),
        time="seen" if case.in_time else None,
        columns=(level, seen),
    )


class Rows:
    """Simulated rows: true scores, outcomes, levels, and the error that all models share."""

    def __init__(self, case: Case, rng: np.random.Generator, rows: int) -> None:
        """Draw so many rows."""
        self.case, self.rng = case, rng
        self.z = rng.normal(0, SPREAD, rows)
        self.shared = self._errors(rows)
        self.level = rng.integers(0, len(LEVELS), rows)
        if case.task == "regression":
            self.y = self.z + rng.normal(0, NOISE, rows)
        else:
            self.y = (rng.random(rows) < special.expit(self.z)).astype(np.int64)

    def _errors(self, rows: int) -> Floats:
        """Standard normal errors, independent or a series."""
        if not self.case.in_time:
            return self.rng.standard_normal(rows)
        a = AUTOREGRESSION
        noise = self.rng.standard_normal(rows + WARM_UP) * np.sqrt(1 - a**2)
        return np.asarray(signal.lfilter([1.0], [1.0, -a], noise)[WARM_UP:])

    def answer(self, error: Floats | float) -> Floats:
        """A model's answer matrix; its error's size may differ row by row."""
        own = np.sqrt(SHARED) * self.shared + np.sqrt(1 - SHARED) * self._errors(len(self.z))
        expected = (self.z + error * own) * SPREAD**2 / (SPREAD**2 + np.square(error))
        if self.case.task == "regression":
            return np.asarray(expected[:, None])
        # the logistic function's mean over what is not known of z (MacKay 1992)
        unknown = SPREAD**2 * np.square(error) / (SPREAD**2 + np.square(error))
        positive = special.expit(expected / np.sqrt(1 + np.pi * unknown / 8))
        return np.column_stack([1 - positive, positive])

    def frame(self) -> pd.DataFrame:
        """The rows as a typed frame."""
        seen = pd.Timestamp("2025-01-01") + pd.to_timedelta(np.arange(len(self.z)), unit="h")
        levels = np.array(LEVELS, dtype=object)[self.level]
        return pd.DataFrame({"level": levels, "seen": seen.astype("datetime64[us]")})


def reference_for(case: Case, rng: np.random.Generator) -> Reference:
    """As many rows that the champion was judged by."""
    rows = Rows(case, rng, case.rows)
    outcome, answer = rows.y.astype(np.float64), rows.answer(ERROR)
    return Reference(case.metric, case.task, outcome, answer, case.in_time)


def drawn(case: Case, rng: np.random.Generator, reference: Reference | None = None) -> Comparison:
    """One comparison on fresh rows.

    Args:
        case: the models.
        rng: draws the rows and the models' errors.
        reference: of the champion; None: drawn too.
    """
    rows = Rows(case, rng, case.rows)
    contract, champion = contract_for(case), rows.answer(ERROR)
    answers = [rows.answer(_error(case, rows)) for _ in range(case.tried)]
    reference = reference or reference_for(case, rng)
    each = [
        Comparison(
            metric=case.metric,
            y=rows.y,
            challenger=answer,
            champion=champion,
            frame=rows.frame(),
            contract=contract,
            reference=reference,
            tried=case.tried,
        )
        for answer in answers
    ]
    return max(each, key=lambda one: one.gain.value) if case.tried > 1 else each[0]


def _error(case: Case, rows: Rows) -> Floats | float:
    """The challenger's error, of another size in the slice."""
    elsewhere = error_for(case.task, case.gain)
    if case.slice_gain is None:
        return elsewhere
    return np.where(rows.level == 0, error_for(case.task, case.slice_gain), elsewhere)


def overall(case: Case, points: float) -> Case:
    """The case, with so many points more elsewhere that the gain on all rows is `points`."""
    share = 1 / len(LEVELS)
    lost = share * (case.slice_gain or 0.0)
    return replace(case, gain=(points - lost) / (1 - share))
