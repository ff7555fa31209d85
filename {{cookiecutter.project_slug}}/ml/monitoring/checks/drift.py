"""Which columns moved? Significance and effect size, corrected for the number of tests, in words.

`ml.monitoring.statistics` has the tests and the correction. A column gets one ticket however many
of its tests are rejected.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ml.monitoring.checks.explain import explain
from ml.monitoring.statistics.column_tests import Shift, shift
from ml.monitoring.statistics.multiple_testing import rejected
from ml.monitoring.verdict import Finding

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ml.monitoring.inputs.reference import Champion
    from ml.monitoring.inputs.window import Window
    from ml.params import Monitor

FOLLOWS = {"wider", "narrower", "shape", "cell"}  # rejected as well when a number only moves


def shifts(window: Window, champion: Champion, min_rows: int) -> dict[str, Shift]:
    """The tests of every watched column that the window holds enough of.

    The champion's own answers may be few in it.
    """
    return {
        name: shift(champion.profiles[name], column.tally)
        for name, column in window.columns.items()
        if column.tally is not None and column.tally.rows + column.tally.missing >= min_rows
    }


def drift(
    window: Window, champion: Champion, tested: dict[str, Shift], settings: Monitor
) -> list[Finding]:
    """One ticket for each column with a rejected test, important columns first."""
    if not tested:
        return []
    passed = rejected(list(tested.values()), settings.false_alarm, settings.min_psi)
    findings = [
        _finding(name, tests, which, window, champion)
        for (name, tests), which in zip(tested.items(), passed, strict=True)
        if which.any()
    ]
    return sorted(findings, key=lambda f: -champion.importance.get(f.column or "", 0.0))


def _finding(
    name: str, tests: Shift, which: NDArray[np.bool_], window: Window, champion: Champion
) -> Finding:
    best = _most_informative(tests, which)
    test, effect = tests.names[best], float(min(tests.effect[best], 99.0))
    words = explain(name, test, float(tests.psi), int(tests.cell), window, champion)
    return Finding(
        check="drift",
        what=test,
        column=name,
        words=words,
        value=effect,
        limit=float(tests.p[best]),
    )


def _most_informative(tests: Shift, which: NDArray[np.bool_]) -> int:
    """The most surprising rejected test, but a moved median rather than what follows from it."""
    best = int(np.where(which, tests.p / tests.weight, np.inf).argmin())
    if tests.names[best] not in FOLLOWS:
        return best
    location = tests.names.index("location")
    return location if which[location] else best
