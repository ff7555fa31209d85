"""Which null hypotheses are rejected: all tests of all columns share one false-alarm allowance.

A test counts when its effect reaches `monitor.min_psi` and its p-value passes Holm's step-down
procedure, so that a healthy window has any ticket at all with probability `monitor.false_alarm`.
The procedure is the weighted one of the same paper (Holm 1979): the tests share the allowance by
what each needs (`ml.statistics.power`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ml.statistics.column_tests import Shift

    Floats = NDArray[np.float64]
    Marks = NDArray[np.bool_]

NEVER = 1.0  # p of a test whose effect is too small
# of the allowance; the rest is a reserve, because the tests' distributions are approximate
SPENT = 0.9


def holm(p_values: Floats, weight: Floats, alpha: float) -> Marks:
    """Weighted step-down procedure of Holm (1979) over the last axis: True where one is rejected.

    Args:
        p_values: probabilities (…, K).
        weight: share of the allowance of each hypothesis (K,), in any unit.
        alpha: largest probability that any true hypothesis is rejected.
    """
    p_weighted = p_values / weight
    order = np.argsort(p_weighted, axis=-1, kind="stable")
    p_sorted = np.take_along_axis(p_weighted, order, axis=-1)
    passed = np.logical_and.accumulate(p_sorted <= alpha / _weight_from(weight[order]), axis=-1)
    rejected = np.zeros(p_values.shape, dtype=bool)
    np.put_along_axis(rejected, order, passed, axis=-1)
    return rejected


def _weight_from(weight: Floats) -> Floats:
    """Weight of each hypothesis and of all after it."""
    return np.flip(np.cumsum(np.flip(weight, axis=-1), axis=-1), axis=-1)


def rejected(shifts: Sequence[Shift], false_alarm: float, min_psi: float) -> list[Marks]:
    """For each column, which tests are rejected, (…, K); all columns share one allowance."""
    p_values = [np.where(s.effect_sizes >= min_psi, s.p_values, NEVER) for s in shifts]
    weight = np.concatenate([s.weight for s in shifts])
    which = holm(np.concatenate(p_values, axis=-1), weight, SPENT * false_alarm)
    return np.split(which, np.cumsum([len(s.names) for s in shifts])[:-1], axis=-1)
