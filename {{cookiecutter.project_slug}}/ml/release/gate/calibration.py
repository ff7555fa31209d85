"""The rule on calibration: probabilities as right, and numbers as unbiased, as the champion's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import special

from ml.release.gate.comparison import squared_errors
from ml.release.gate.decision import Check
from ml.release.gate.paired import ALPHA

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ml.params import Release
    from ml.release.gate.comparison import Comparison
    from ml.release.gate.paired import Inflation

    Floats = NDArray[np.float64]

CALIBRATED = "calibration not worse"
BINS = 10  # of equal counts, for the expected calibration error
THEN = "raise release.max_calibration_loss in params.yaml; null switches the rule off"


def calibrated(compared: Comparison, release: Release) -> Check | None:
    """Is no loss of calibration beyond `release.max_calibration_loss` shown? null: off.

    Classes: the rise of the Brier score, the mean squared error of the probabilities, may not
    surely exceed the square of the margin. Numbers: the mean error's size, in standard deviations
    of the target, may not surely grow by more than the margin. The lower one-sided 95 % limit of a
    paired difference decides.
    """
    if release.max_calibration_loss is None:
        return None
    rule = _probabilities if compared.contract.is_classification else _bias
    return rule(compared, release.max_calibration_loss)


def _probabilities(compared: Comparison, margin: float) -> Check:
    ours, theirs = (
        squared_errors(compared.y, answer, compared.contract)
        for answer in (compared.challenger, compared.champion)
    )
    rise, at_least = _rise(ours - theirs, compared.inflation)
    error, champion_error = (
        expected_calibration_error(compared.y, answer)
        for answer in (compared.challenger, compared.champion)
    )
    figures = (
        f"Brier score {ours.mean():.4f}, champion {theirs.mean():.4f}: {rise:+.4f}, at least "
        f"{at_least:+.4f}, may rise {margin**2:g}; calibration error {error:.3f}, "
        f"champion {champion_error:.3f}"
    )
    values = {
        "brier": float(ours.mean()),
        "champion_brier": float(theirs.mean()),
        "rise_at_least": at_least,
        "max_rise": margin**2,
        "calibration_error": error,
        "champion_calibration_error": champion_error,
    }
    return Check(CALIBRATED, at_least <= margin**2, figures, values, THEN)


def _bias(compared: Comparison, margin: float) -> Check:
    scale = float(compared.y.std()) or 1.0
    ours, theirs = (
        (compared.y - answer[:, 0]) / scale for answer in (compared.challenger, compared.champion)
    )
    # the size of a mean, row by row: its sign is what the rows say together
    growth = np.sign(ours.mean()) * ours - np.sign(theirs.mean()) * theirs
    rise, at_least = _rise(growth, compared.inflation)
    figures = (
        f"mean error {ours.mean():+.3f} standard deviations, champion {theirs.mean():+.3f}: "
        f"{rise:+.3f} in size, at least {at_least:+.3f}, may grow {margin:g}"
    )
    values = {
        "bias": float(ours.mean()),
        "champion_bias": float(theirs.mean()),
        "growth_at_least": at_least,
        "max_growth": margin,
    }
    return Check(CALIBRATED, at_least <= margin, figures, values, THEN)


def _rise(difference: Floats, inflation: Inflation) -> tuple[float, float]:
    """The mean of the rows' differences, and its lower one-sided 95 % limit (Student's t)."""
    by, freedom = inflation
    error = difference.std(ddof=1) * np.sqrt(by / len(difference))
    reach = special.stdtrit(min(freedom, len(difference) - 1), 1 - ALPHA) * error
    return float(difference.mean()), float(difference.mean() - reach)


def expected_calibration_error(y: NDArray[Any], answer: Floats) -> float:
    """Mean distance of probability and frequency over bins of equal counts (Naeini 2015).

    Of the last class where there are two, else of the class that is answered.
    """
    if answer.shape[1] == 2:
        probability, happened = answer[:, 1], y == 1
    else:
        probability, happened = answer.max(axis=1), answer.argmax(axis=1) == y
    bins = np.array_split(np.argsort(probability, kind="stable"), min(BINS, len(y)))
    distance = [abs(probability[rows].mean() - happened[rows].mean()) for rows in bins]
    return float(np.average(distance, weights=[len(rows) for rows in bins]))
