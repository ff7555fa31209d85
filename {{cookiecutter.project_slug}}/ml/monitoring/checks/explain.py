"""A column's shift in words: from what to what, how large, how much it matters to the model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ml.contract import Categorical
from ml.encode import DAY_SECONDS
from ml.errors import printable

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from ml.monitoring.inputs.reference import Champion
    from ml.monitoring.inputs.window import Window
    from ml.monitoring.statistics.profile import Profile

    Floats = NDArray[np.float64]

ORDINALS = (
    "",
    "second ",
    "third ",
    "fourth ",
    "fifth ",
    "sixth ",
    "seventh ",
    "eighth ",
    "ninth ",
    "tenth ",
)


def explain(name: str, test: str, psi: float, cell: int, window: Window, champion: Champion) -> str:
    """One sentence about the column whose test is rejected."""
    profile = champion.profiles[name]
    if test == "missing":
        now, before = _missing(name, window), _was_missing(profile)
        change = f"`{name}` is missing in {now:.1%} of the rows, was in {before:.1%}"
    elif test == "new_level":
        names = ", ".join(
            f'"{printable(level)}"' for level, _ in window.columns[name].unlisted.most_common(3)
        )
        share = _share(name, cell=-1, window=window)
        change = f"`{name}`: {share:.1%} of the rows hold levels never seen ({names})"
    elif profile.levels:
        change = _level(name, cell, window, champion)
    else:
        change = _number(name, test, window, champion)
    return f"{change}, PSI {psi:.2f}{importance(name, champion)}"


def importance(name: str, champion: Champion) -> str:
    """How the column ranks among those that the model's answers depend on."""
    ranked = [
        key for key, value in sorted(champion.importance.items(), key=lambda i: -i[1]) if value > 0
    ]
    if name not in champion.contract.names:
        return ""
    if name not in ranked:
        return ", of no importance to the model"
    place = ranked.index(name)
    if place >= len(ORDINALS):
        return f", feature {place + 1} by importance"
    return f", {ORDINALS[place]}most important feature"


def _missing(name: str, window: Window) -> float:
    tally = window.columns[name].tally
    return (
        0.0 if tally is None else float(tally.missing) / max(float(tally.missing + tally.rows), 1.0)
    )


def _was_missing(profile: Profile) -> float:
    return profile.missing / max(profile.missing + profile.rows, 1)


def _share(name: str, cell: int, window: Window) -> float:
    tally = window.columns[name].tally
    return 0.0 if tally is None else float(tally.cells[cell]) / max(float(tally.rows), 1.0)


def _level(name: str, cell: int, window: Window, champion: Champion) -> str:
    profile = champion.profiles[name]
    before, now = profile.cells[cell] / max(profile.rows, 1), _share(name, cell, window)
    verb = "rose" if now > before else "fell"
    level = _level_name(name, cell, champion)
    return f"`{name}`: {level} {verb} from {before:.1%} to {now:.1%} of the rows"


def _level_name(name: str, cell: int, champion: Champion) -> str:
    column = champion.contract.get(name)
    if column is None:
        levels: tuple[object, ...] = champion.contract.target.classes
    else:
        levels = column.levels if isinstance(column, Categorical) else (False, True)
    return f'"{printable(str(levels[cell]))}"' if cell < len(levels) else "unlisted levels"


def _number(name: str, test: str, window: Window, champion: Champion) -> str:
    before, now = _numbers(name, window, champion)
    a, b = np.nanquantile(before, [0.25, 0.5, 0.75]), np.nanquantile(now, [0.25, 0.5, 0.75])
    if test in ("wider", "narrower"):
        spans = f"spans {_g(b[2] - b[0])} instead of {_g(a[2] - a[0])}"
        return f"`{name}` became {test}: its middle half {spans}"
    if a[1] == b[1] or test in ("shape", "cell"):
        return f"`{name}` changed its shape (median {_g(a[1])} before, {_g(b[1])} now)"
    return f"`{name}` {'rose' if b[1] > a[1] else 'fell'} from {_g(a[1])} to {_g(b[1])} (median)"


def _numbers(name: str, window: Window, champion: Champion) -> tuple[Floats, Floats]:
    if name in champion.contract.names:
        return _floats(champion.reference[name]), _floats(window.sample[name])
    return champion.answer[:, -1], window.answer[window.mine][:, -1]


def _floats(column: pd.Series) -> Floats:
    import pandas as pd

    if column.dtype.kind == "M":
        return np.asarray(
            column.sub(pd.Timestamp(0)).dt.total_seconds() / DAY_SECONDS, dtype=np.float64
        )
    if column.dtype == object:
        column = column.map(len, na_action="ignore")
    return np.asarray(column, dtype=np.float64)


def _g(value: float) -> str:
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
