"""Which columns moved? Significance and effect size, corrected for the number of tests, in words.

`ml.statistics` has the tests and the correction. A column gets one ticket however many
of its tests are rejected.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ml.monitoring.checks.explain import explain
from ml.monitoring.verdict import Finding
from ml.statistics.column_tests import Shift, shift
from ml.statistics.multiple_testing import rejected

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ml.monitoring.inputs.reference import Champion
    from ml.monitoring.inputs.window import Window
    from ml.params import Monitor

    Marks = NDArray[np.bool_]

FOLLOWS = {"wider", "narrower", "shape", "cell"}  # rejected as well when a number only moves
MAX_EFFECT = 99.0  # a level that the reference never had has an infinite effect


def shifts(window: Window, champion: Champion, min_rows: int) -> dict[str, Shift]:
    """The tests of every watched column that the window holds enough of.

    The champion's own answers may be few in it.
    """
    return {
        name: shift(champion.profiles[name], column.tally)
        for name, column in window.columns.items()
        if column.tally.all_rows >= min_rows
    }


def drift(
    window: Window, champion: Champion, tested: dict[str, Shift], settings: Monitor
) -> list[Finding]:
    """One ticket for each column with a rejected test, important columns first."""
    if not tested:
        return []
    by_column = rejected(list(tested.values()), settings.false_alarm, settings.min_psi)
    findings = [
        _finding(name, tests, which, window, champion)
        for (name, tests), which in zip(tested.items(), by_column, strict=True)
        if which.any()
    ]
    return sorted(findings, key=lambda f: -champion.importance.get(f.column or "", 0.0))


def _finding(name: str, tests: Shift, which: Marks, window: Window, champion: Champion) -> Finding:
    place = _most_informative(tests, which)
    test = tests.names[place]
    return Finding(
        check="drift",
        what=test,
        column=name,
        words=explain(name, test, float(tests.psi), int(tests.cell), window, champion),
        value=float(min(tests.effect_sizes[place], MAX_EFFECT)),
        limit=float(tests.p_values[place]),
    )


def _most_informative(tests: Shift, which: Marks) -> int:
    """The most surprising rejected test, but a moved median rather than what follows from it."""
    smallest = int(np.where(which, tests.p_values / tests.weight, np.inf).argmin())
    if tests.names[smallest] not in FOLLOWS:
        return smallest
    location = tests.names.index("location")
    return location if which[location] else smallest
