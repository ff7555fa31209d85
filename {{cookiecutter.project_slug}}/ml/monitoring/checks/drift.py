"""Which columns moved? Significance and effect size, corrected for the number of tests, told in plain words.

A test counts when its effect reaches `monitor.min_psi` and its probability passes Holm's step-down
procedure, so that a healthy window has any ticket at all with probability `monitor.false_alarm`.
The procedure is the weighted one of the same paper (Holm 1979): the tests share the allowance by
what each needs (`ml.monitoring.statistics.power`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ml.monitoring.checks.explain import told
from ml.monitoring.finding import Finding
from ml.monitoring.statistics.column_tests import Shift, shift

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ml.monitoring.inputs.reference import Champion
    from ml.monitoring.inputs.window import Window
    from ml.params import Monitor

    Floats = NDArray[np.float64]

NEVER = 1.0
FOLLOWS = {"wider", "narrower", "shape", "cell"}  # these fall as well when a number only moves
# of the allowance; the rest is kept back for what the tests' distributions are wrong by
SPENT = 0.9


def holm(p: Floats, weight: Floats, alpha: float) -> NDArray[np.bool_]:
    """Weighted step-down procedure of Holm (1979) over the last axis: True where a hypothesis falls.

    Args:
        p: probabilities (…, K).
        weight: share of the allowance of each hypothesis (K,), in any unit.
        alpha: largest probability that any true hypothesis falls.
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
    """For each column, which of its tests want a ticket, (…, K); all columns share one allowance."""
    p = np.concatenate([np.where(s.effect >= min_psi, s.p, NEVER) for s in shifts], axis=-1)
    weight = np.concatenate([s.weight for s in shifts])
    ends = np.cumsum([len(s.names) for s in shifts])[:-1]
    return np.split(holm(p, weight, SPENT * false_alarm), ends, axis=-1)


def shifts(window: Window, champion: Champion, min_rows: int) -> dict[str, Shift]:
    """The tests of every watched column of which the window holds enough: the champion's answers may be few in it."""
    return {
        name: shift(champion.profiles[name], column.tally)
        for name, column in window.columns.items()
        if column.tally is not None and column.tally.rows + column.tally.missing >= min_rows
    }


def drift(
    window: Window, champion: Champion, found: dict[str, Shift], settings: Monitor
) -> list[Finding]:
    """One ticket for each column with a fallen test, by its most surprising one, important columns first."""
    if not found:
        return []
    passed = rejected(list(found.values()), settings.false_alarm, settings.min_psi)
    findings = [
        _finding(name, made, which, window, champion)
        for (name, made), which in zip(found.items(), passed, strict=True)
        if which.any()
    ]
    return sorted(findings, key=lambda f: -champion.importance.get(f.column or "", 0.0))


def _finding(
    name: str, made: Shift, which: NDArray[np.bool_], window: Window, champion: Champion
) -> Finding:
    best = _telling(made, which)
    test, size = made.names[best], float(min(made.effect[best], 99.0))
    words = told(name, test, float(made.psi), int(made.cell), window, champion)
    return Finding("drift", test, name, words, size, float(made.p[best]))


def _telling(made: Shift, which: NDArray[np.bool_]) -> int:
    """The fallen test to tell of: the most surprising one, but a moved median rather than what follows from it."""
    best = int(np.where(which, made.p / made.weight, np.inf).argmin())
    if made.names[best] not in FOLLOWS:
        return best
    moved = made.names.index("location")
    return moved if which[moved] else best
