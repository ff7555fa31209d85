"""Losses per row to the figures of a replay. Pure: arrays in, figures out.

Rows of one window share weather, model and season, so they are no independent draws: a standard
error counts windows, not rows. Windows that follow each other share a model too, so the errors of
neighbours are added with Bartlett's weights (Newey and West, 1987) up to a lag of 1.3 √W (Lazarus,
Lewis, Stock and Watson, HAR inference: recommendations for practice, 2018).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.loop.replay.story import Losses, Policy, Recovered

Values = NDArray[np.float64]
Codes = NDArray[np.integer[Any]]
PolicyLosses = Mapping[Policy, Values]

CLEAR_GAIN = 3.0  # standard errors; a share of a smaller gain is noise


def absolute_error(y: NDArray[Any], answer: NDArray[Any]) -> Values:
    """Absolute error of each row (n,) of a regression."""
    error: Values = np.abs(np.asarray(y, float) - np.asarray(answer, float).reshape(len(y)))
    return error


def brier(y: Codes, answer: NDArray[Any]) -> Values:
    """Half the sum of the squared differences of probability and outcome, (n,).

    Args:
        y: class codes (n,).
        answer: probabilities (n, classes).

    Source: Brier, Verification of forecasts expressed in terms of probability, 1950; halved, so
    that two classes give the squared error of one probability.
    """
    outcome = np.eye(answer.shape[1])[y]
    squares: Values = np.square(answer - outcome).sum(axis=1) / 2
    return squares


def mean_and_error(loss: Values) -> tuple[float | None, float | None]:
    """Mean of the known losses of one window, and its standard error as of independent rows."""
    known = loss[np.isfinite(loss)]
    if not len(known):
        return None, None
    spread = float(known.std(ddof=1) / len(known) ** 0.5) if len(known) > 1 else None
    return float(known.mean()), spread


def window_losses(losses: PolicyLosses) -> tuple[Losses, Losses]:
    """Means and standard errors of one window's rows, for each policy that was followed."""
    figures = {policy: mean_and_error(losses[policy]) for policy in losses}
    means = Losses(**{policy: mean for policy, (mean, _) in figures.items()})
    return means, Losses(**{policy: error for policy, (_, error) in figures.items()})


def comparable(losses: PolicyLosses) -> NDArray[np.bool_]:
    """Rows (n,) whose loss is known for every policy that was followed at all."""
    known = [np.isfinite(loss) for loss in losses.values()]
    followed = [rows for rows in known if rows.any()]
    if not followed:
        return np.zeros(len(known[0]) if known else 0, dtype=bool)
    rows: NDArray[np.bool_] = np.logical_and.reduce(followed)
    return rows


def total_losses(losses: PolicyLosses, window: Codes) -> tuple[Losses, Losses, int]:
    """Means over the comparable rows, their standard errors by window, and the number of rows.

    Args:
        losses: loss of each row (n,) for each policy; NaN where it is unknown.
        window: window number of each row (n,).
    """
    rows = comparable(losses)
    known = {p: loss[rows] for p, loss in losses.items() if np.isfinite(loss).any() and rows.any()}
    figures = {p: ratio(loss, np.ones(len(loss)), window[rows]) for p, loss in known.items()}
    means = Losses(**{policy: share for policy, (share, _) in figures.items()})
    errors = Losses(**{policy: error for policy, (_, error) in figures.items()})
    return means, errors, int(rows.sum())


def recovered(losses: PolicyLosses, window: Codes) -> Recovered:
    """(frozen - champion) / (frozen - every) over the comparable rows.

    None where retraining every window gains less than `CLEAR_GAIN` standard errors.
    """
    missing = [policy for policy in ("champion", "frozen", "every") if policy not in losses]
    if missing:
        return Recovered(reason=f"not followed: {', '.join(missing)}")
    rows = comparable(losses)
    champion, frozen, every = (losses[p][rows] for p in ("champion", "frozen", "every"))
    if not len(frozen):
        return Recovered(reason="no row has a known loss under all policies")
    gain, gain_error = ratio(frozen - every, np.ones(len(frozen)), window[rows])
    if gain_error is None:
        return Recovered(reason="fewer than two windows")
    if gain <= 0 or gain < CLEAR_GAIN * gain_error:
        return Recovered(reason=_no_gain(gain, gain_error))
    share, error = ratio(frozen - champion, frozen - every, window[rows])
    return Recovered(share=share, standard_error=error)


def _no_gain(gain: float, error: float) -> str:
    if gain <= 0:
        return f"retraining every window gains nothing ({gain:.4g})"
    return (
        f"retraining every window gains {gain:.4g}, less than {CLEAR_GAIN:g} standard errors "
        f"of {error:.4g}"
    )


def ratio(numerator: Values, denominator: Values, window: Codes) -> tuple[float, float | None]:
    """Ratio of two sums over rows (n,), and its standard error by window (delta method).

    Source: Cochran, Sampling Techniques, 1977, section 6.5; the windows are the sample. The error
    is None with fewer than two windows.
    """
    above, below = (_window_sums(values, window) for values in (numerator, denominator))
    share = float(above.sum() / below.sum())
    residual = above - share * below
    if len(residual) < 2:
        return share, None
    correction = len(residual) / (len(residual) - 1)
    variance = correction * _long_run_sum(residual) / float(below.sum()) ** 2
    return share, float(variance**0.5)


def _window_sums(values: Values, window: Codes) -> Values:
    """Sum of each window that has rows, in the order of the windows."""
    _, place = np.unique(window, return_inverse=True)
    sums: Values = np.bincount(place, weights=values).astype(np.float64)
    return sums


def _long_run_sum(residual: Values) -> float:
    """Variance of a sum of neighbours that depend on each other; never negative (Bartlett)."""
    lag = min(int(1.3 * len(residual) ** 0.5), len(residual) - 1)
    neighbours = (
        2 * (1 - k / (lag + 1)) * float(residual[k:] @ residual[:-k]) for k in range(1, lag + 1)
    )
    return max(float(residual @ residual) + sum(neighbours), 0.0)


def regret(matrix: Values, answered: Codes) -> Values:
    """How much more the version that answered lost than the best one, per window (W,).

    Args:
        matrix: mean loss of each version on each window (versions, W); NaN where unknown.
        answered: row of the matrix that answered in each window (W,).
    """
    best = np.where(np.isfinite(matrix), matrix, np.inf).min(axis=0)
    excess = matrix[answered, np.arange(matrix.shape[1])] - best
    return np.where(np.isfinite(excess), excess, np.nan)


def deploy_cost(matrix: Values, answered: Codes, promoted: Codes) -> Values:
    """Loss that waiting for a deployment added, per row of each window (W,); 0 without a wait.

    Args:
        matrix: mean loss of each version on each window (versions, W).
        answered: row of the matrix that answered in each window (W,).
        promoted: row of the version that had been promoted by then (W,).
    """
    window = np.arange(matrix.shape[1])
    cost: Values = matrix[answered, window] - matrix[promoted, window]
    return cost
