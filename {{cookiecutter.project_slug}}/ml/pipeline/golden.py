"""Synthetic rows for the bundle: a server answers them before it is ready; its page shows one.

They are drawn from the contract alone, column by column, because every image holds them and the
page is open to whoever reaches it. Where a table has few combinations of values, a drawn row may
equal a real one by chance.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from ml.contract import Boolean, Categorical, Column, Contract, Datetime, Integer, Numeric

if TYPE_CHECKING:
    from numpy.random import Generator

SEED = 0
MISSING_SHARE = 0.1  # of the values of a column that may be empty; the first row is complete
FIRST_DAY = datetime(2024, 1, 1)  # rows carry moments without a zone
DAYS = 366
TEXT = "a short text"


def golden_rows(contract: Contract, n: int) -> list[dict[str, Any]]:
    """`n` rows as a request carries them: each column is drawn by itself, with a fixed seed."""
    rng = np.random.default_rng(SEED)
    columns = [_values(column, n, rng) for column in contract.columns]
    return [dict(zip(contract.names, row, strict=True)) for row in zip(*columns, strict=True)]


def _values(column: Column, n: int, rng: Generator) -> list[Any]:
    values = _complete_values(column, n, rng)
    if not column.missing:
        return values
    empty = rng.random(n) < MISSING_SHARE
    return [values[0], *(None if empty[i] else values[i] for i in range(1, n))]


def _complete_values(column: Column, n: int, rng: Generator) -> list[Any]:
    match column:
        case Numeric():
            return [_short(value) for value in _numbers(column, n, rng)]
        case Integer():
            return [round(value) for value in _numbers(column, n, rng)]
        case Boolean():
            return [bool(value) for value in rng.random(n) < 0.5]
        case Categorical(levels=levels):
            return [levels[i] for i in rng.integers(0, len(levels), n)]
        case Datetime():
            return _midnights(n, rng)
        case _:
            return [TEXT] * n


def _short(value: float) -> float:
    """Eight significant digits: what a float32 holds, and a page can show."""
    return float(f"{value:.8g}")


def _midnights(n: int, rng: Generator) -> list[str]:
    days = rng.integers(0, DAYS, n).tolist()
    return [(FIRST_DAY + timedelta(days=day)).isoformat() for day in days]


def _numbers(column: Numeric | Integer, n: int, rng: Generator) -> list[float]:
    """Within what the adopted data held; one unit wide where the contract does not say."""
    low, width = _range(column)
    return [low + width * share for share in rng.random(n).tolist()]


def _range(column: Numeric | Integer) -> tuple[float, float]:
    """The lowest value and the width of the range."""
    low, high = column.min, column.max
    if low is None:
        low = 0.0 if high is None else high - 1
    return low, 1.0 if high is None else high - low
