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
    from ml.monitoring.inputs.tallies import Column
    from ml.monitoring.inputs.window import Window

    Floats = NDArray[np.float64]

QUARTILES = (0.25, 0.5, 0.75)
NAMED = 3  # levels in a sentence
LEAST_ROWS = 5  # that hold a level which is named; what fewer hold may be somebody's name
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
    change = _change(name, test, cell, window, champion)
    return f"{change}, PSI {psi:.2f}{importance(name, champion)}"


def _change(name: str, test: str, cell: int, window: Window, champion: Champion) -> str:
    if test == "missing":
        return _missing_change(name, window, champion)
    if test == "new_level":
        return _new_levels(name, window.columns[name])
    if champion.profiles[name].levels:
        return _level_change(name, cell, window, champion)
    return _number_change(name, test, window, champion)


def importance(name: str, champion: Champion) -> str:
    """How the column ranks among those that the model's answers depend on."""
    if name not in champion.contract.names:
        return ""
    ranked = _by_importance(champion)
    if name not in ranked:
        return ", of no importance to the model"
    return f", {_rank(ranked.index(name))}"


def _rank(place: int) -> str:
    if place >= len(ORDINALS):
        return f"feature {place + 1} by importance"
    return f"{ORDINALS[place]}most important feature"


def _by_importance(champion: Champion) -> list[str]:
    """The columns that the model's answers depend on, the most important first."""
    ranked = sorted(champion.importance.items(), key=lambda item: -item[1])
    return [name for name, value in ranked if value > 0]


def _missing_change(name: str, window: Window, champion: Champion) -> str:
    tally, profile = window.columns[name].tally, champion.profiles[name]
    share = _share(tally.missing, tally.all_rows)
    usual = _share(profile.missing, profile.all_rows)
    return f"`{name}` is missing in {share:.1%} of the rows, was in {usual:.1%}"


def _new_levels(name: str, column: Column) -> str:
    share = _share(column.tally.cells[-1], column.tally.rows)
    return f"`{name}`: {share:.1%} of the rows hold levels never seen ({unlisted_levels(column)})"


def unlisted_levels(column: Column) -> str:
    """The commonest levels that the contract does not list, unless they are a few people's."""
    common = [level for level, n in column.unlisted.most_common(NAMED) if n >= LEAST_ROWS]
    named = ", ".join(f'"{printable(level)}"' for level in common)
    return named or f"each in fewer than {LEAST_ROWS} rows"


def _share(count: Floats | float, rows: Floats | float) -> float:
    return float(count) / max(float(rows), 1.0)


def _level_change(name: str, cell: int, window: Window, champion: Champion) -> str:
    profile, tally = champion.profiles[name], window.columns[name].tally
    usual, share = _share(profile.cells[cell], profile.rows), _share(tally.cells[cell], tally.rows)
    verb = "rose" if share > usual else "fell"
    level = _level_name(name, cell, champion)
    return f"`{name}`: {level} {verb} from {usual:.1%} to {share:.1%} of the rows"


def _level_name(name: str, cell: int, champion: Champion) -> str:
    levels = _levels(name, champion)
    return f'"{printable(str(levels[cell]))}"' if cell < len(levels) else "unlisted levels"


def _levels(name: str, champion: Champion) -> tuple[object, ...]:
    """The levels of a column or, of the prediction, the classes."""
    column = champion.contract.get(name)
    if column is None:
        return champion.contract.target.classes
    return column.levels if isinstance(column, Categorical) else (False, True)


def _number_change(name: str, test: str, window: Window, champion: Champion) -> str:
    reference, current = (
        np.nanquantile(values, QUARTILES) for values in _numbers(name, window, champion)
    )
    if test in ("wider", "narrower"):
        spans = f"spans {_spread(current)} instead of {_spread(reference)}"
        return f"`{name}` became {test}: its middle half {spans}"
    if reference[1] == current[1] or test in ("shape", "cell"):
        medians = f"(median {_digits(reference[1])} before, {_digits(current[1])} now)"
        return f"`{name}` changed its shape {medians}"
    verb = "rose" if current[1] > reference[1] else "fell"
    return f"`{name}` {verb} from {_digits(reference[1])} to {_digits(current[1])} (median)"


def _spread(quartiles: Floats) -> str:
    return _digits(quartiles[2] - quartiles[0])


def _digits(value: float) -> str:
    """A number with three significant digits, or its whole part if it is large."""
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def _numbers(name: str, window: Window, champion: Champion) -> tuple[Floats, Floats]:
    """A column's values in the reference and in the window."""
    if name in champion.contract.names:
        return _floats(champion.reference[name]), _floats(window.sample[name])
    return champion.answer[:, -1], window.answer[window.mine][:, -1]


def _floats(column: pd.Series) -> Floats:
    """Numbers; days of a moment, characters of a text."""
    import pandas as pd

    if column.dtype.kind == "M":
        column = column.sub(pd.Timestamp(0)).dt.total_seconds() / DAY_SECONDS
    if column.dtype == object:
        column = column.map(len, na_action="ignore")
    return np.asarray(column, dtype=np.float64)
