"""Which null hypotheses are rejected: all tests of all columns share one false-alarm allowance.

A test counts when its effect reaches `monitor.min_psi` and its probability passes Holm's step-down
procedure, so that a healthy window has any ticket at all with probability `monitor.false_alarm`.
The procedure is the weighted one of the same paper (Holm 1979): the tests share the allowance by
what each needs (`ml.monitoring.statistics.power`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ml.monitoring.statistics.column_tests import Shift

    Floats = NDArray[np.float64]

NEVER = 1.0  # p of a test whose effect is too small
# of the allowance; the rest is kept back for what the tests' distributions are wrong by
SPENT = 0.9


def holm(p: Floats, weight: Floats, alpha: float) -> NDArray[np.bool_]:
    """Weighted step-down procedure of Holm (1979) over the last axis: True where one is rejected.

    Args:
        p: probabilities (…, K).
        weight: share of the allowance of each hypothesis (K,), in any unit.
        alpha: largest probability that any true hypothesis is rejected.
    """
    order = np.argsort(p / weight, axis=-1, kind="stable")
    sorted_p, sorted_weight = np.take_along_axis(p, order, axis=-1), weight[order]
    left = np.flip(np.cumsum(np.flip(sorted_weight, axis=-1), axis=-1), axis=-1)
    passed = np.logical_and.accumulate(sorted_p / sorted_weight <= alpha / left, axis=-1)
    rejected = np.zeros(p.shape, dtype=bool)
    np.put_along_axis(rejected, order, passed, axis=-1)
    return rejected


def rejected(
    shifts: Sequence[Shift], false_alarm: float, min_psi: float
) -> list[NDArray[np.bool_]]:
    """For each column, which tests are rejected, (…, K); all columns share one allowance."""
    p = np.concatenate([np.where(s.effect >= min_psi, s.p, NEVER) for s in shifts], axis=-1)
    weight = np.concatenate([s.weight for s in shifts])
    ends = np.cumsum([len(s.names) for s in shifts])[:-1]
    return np.split(holm(p, weight, SPENT * false_alarm), ends, axis=-1)
