"""The rows of a replay: those that train the first version, and the windows that follow.

Reads: contract.yaml, data/raw. The demo's stream is drawn: twelve months that follow its table,
with three incidents. Any other table is its own stream, in order of the contract's time, else of
its rows.
"""

from __future__ import annotations

import math
import tempfile
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ml.adopt import demo_data
from ml.adopt.demo_project import holds_demo
from ml.dataset.reader import raw_parts
from ml.encode import DAY_SECONDS
from ml.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from numpy.typing import NDArray

    from ml.contract import Contract
    from ml.loop.replay.options import Options

    Moments = NDArray[np.float64]

DAY_ONE = 1_767_225_600.0  # 2026-01-01: the first day of a stream that has no time of its own
SHORTEST = 3600.0  # seconds of a window; the work on shorter ones would outlast them
FEWEST_ROWS = 20  # of the first version, and of a window

DEMO_MONTHS = 12
DEMO_ROWS = 1500  # a month
# month of the demo's stream → what was done to it, and the arguments of `simulate`
DEMO_INCIDENTS: Mapping[int, tuple[str, Mapping[str, Any]]] = {
    3: ("other customers: younger, by app", {"shift": 0.6}),
    5: ("monthly_fee in cents", {"fault": "cents"}),
    **{
        month: ("contracts stop holding, app users leave", {"concept": 1.0})
        for month in range(7, DEMO_MONTHS + 1)
    },
}


@dataclass(frozen=True)
class Slice:
    """One window of a stream: typed rows in order, and when each of them is sent.

    Args:
        number: from 1.
        rows: the typed frame, with target and id.
        moments: unix seconds (n,), strictly increasing.
        end: unix seconds at which the next window begins.
        incident: what was done to these rows.
    """

    number: int
    rows: pd.DataFrame
    moments: Moments
    end: float
    incident: str | None = None

    @property
    def start(self) -> float:
        """Unix seconds of the first row."""
        return float(self.moments[0])


@dataclass(frozen=True)
class Stream:
    """The rows of the first version, and the windows that follow them."""

    name: str
    first: pd.DataFrame
    windows: tuple[Slice, ...]


def read_stream(contract: Contract, options: Options) -> Stream:
    """The stream of the project in the current folder.

    Raises:
        UserError: there is no table, or it is too short for the windows asked for.
    """
    if holds_demo():
        return demo_stream(contract, options)
    return table_stream(_read_table(contract), contract, options)


def _read_table(contract: Contract) -> pd.DataFrame:
    import pyarrow as pa

    from ml.contract import JOURNALED
    from ml.dataset.frame import typed
    from ml.dataset.typed import read_typed

    parts = [read_typed(path, contract).table for path in raw_parts()]
    table = pa.concat_tables(parts, promote_options="default").to_pandas()
    return typed(table.drop(columns=contract.added(JOURNALED), errors="ignore"), contract)


def table_stream(frame: pd.DataFrame, contract: Contract, options: Options) -> Stream:
    """A typed table as a stream.

    Args:
        frame: the rows, in any order where the contract names a time.
        contract: what they are.
        options: `train_first`, `window` and `last`.
    """
    if contract.time:
        frame = frame.sort_values(contract.time, kind="stable", na_position="first")
    first = round(len(frame) * options.train_first)
    cuts = window_cuts(len(frame) - first, options.window) + first
    _refuse_short(len(frame), first, len(cuts) - 1, options)
    cuts = cuts[-options.last - 1 :] if options.last else cuts
    known = frame.iloc[cuts[0] - first : cuts[0]].reset_index(drop=True)
    frame = frame.iloc[cuts[0] :].reset_index(drop=True)
    moments = _moments(frame, contract, cuts - cuts[0])
    windows = _slices(frame, moments, cuts - cuts[0])
    return Stream(Path.cwd().name, known, windows)


def _refuse_short(rows: int, first: int, windows: int, options: Options) -> None:
    if first < FEWEST_ROWS or windows < 1 or options.window < FEWEST_ROWS:
        raise UserError(
            f"data/raw: {rows} rows give {first} to the first version and {windows} windows of "
            f"{options.window} rows; at least {FEWEST_ROWS} rows and one window are needed",
            "ml replay --train-first 0.3 --window 100, or a longer table",
        )


def window_cuts(rows: int, window: int) -> NDArray[np.int64]:
    """Where windows begin, and the end of the last one: (windows + 1,).

    Rows that do not fill a window belong to the one before them, or are one of their own from half
    a window on.
    """
    whole, rest = divmod(rows, window)
    count = whole + (2 * rest >= window)
    return np.append(np.arange(count) * window, rows) if count else np.zeros(1, np.int64)


def _moments(frame: pd.DataFrame, contract: Contract, cuts: NDArray[np.int64]) -> Moments:
    """When each row is sent, and the end of the stream: (n + 1,).

    The rows' own time; a day for each window where they have none, or a shorter one.
    """
    by_day = _evenly(cuts)
    if not contract.time:
        return DAY_ONE + by_day
    seconds = _unix_seconds(frame[contract.time])
    own = spread(seconds)
    if own[0] > 0 and np.median(np.diff(own[cuts])) >= SHORTEST:
        return own
    latest = max(float(seconds[-1]), DAY_ONE)  # no row is ahead of the clock
    return math.ceil(latest / DAY_SECONDS) * DAY_SECONDS + by_day


def _evenly(cuts: NDArray[np.int64]) -> Moments:
    """Seconds of each row (n + 1,), a day for each window."""
    days = np.interp(np.arange(cuts[-1] + 1), cuts, np.arange(len(cuts)))
    return np.asarray(days * DAY_SECONDS)


def _unix_seconds(moments: pd.Series) -> Moments:
    known = moments.bfill().ffill().to_numpy(dtype="datetime64[us]")
    seconds: Moments = known.astype(np.int64).astype(np.float64)
    return seconds / 1e6


def spread(seconds: Moments) -> Moments:
    """Moments in order, those that are equal spread up to the next one; the end behind them.

    Args:
        seconds: (n,), not decreasing. A date without an hour stands for its whole day.

    Returns:
        (n + 1,), strictly increasing.
    """
    distinct, place, count = np.unique(seconds, return_inverse=True, return_counts=True)
    gaps = np.diff(distinct)
    gaps = np.append(gaps, np.median(gaps) if len(gaps) else float(DAY_SECONDS))
    first = np.cumsum(count) - count
    within = (np.arange(len(seconds)) - first[place]) / count[place]
    return np.append(distinct[place] + gaps[place] * within, distinct[-1] + gaps[-1])


def _slices(frame: pd.DataFrame, moments: Moments, cuts: NDArray[np.int64]) -> tuple[Slice, ...]:
    return tuple(
        Slice(
            number=i,
            rows=frame.iloc[begin:end].reset_index(drop=True),
            moments=moments[begin:end],
            end=float(moments[end]),
        )
        for i, (begin, end) in enumerate(pairwise(cuts), 1)
    )


def demo_stream(contract: Contract, options: Options) -> Stream:
    """The year after the demo's table, a window for each month."""
    months = range(1, DEMO_MONTHS + 1)
    months = months[-options.last :] if options.last else months
    windows = [_demo_month(month, i, contract) for i, month in enumerate(months, 1)]
    return Stream("the demo", _typed_demo(demo_data.simulate(), contract), tuple(windows))


def _demo_month(month: int, number: int, contract: Contract) -> Slice:
    incident, how = DEMO_INCIDENTS.get(month, (None, {}))
    first = DEMO_MONTHS + month - 1
    drawn = demo_data.simulate(rows=DEMO_ROWS, months=1, first_month=first, **how)
    seconds = _unix_seconds(drawn[demo_data.TIME])
    end = demo_data.month_start(first + 1)
    return Slice(number, _typed_demo(drawn, contract), spread(seconds)[:-1], end, incident)


def _typed_demo(drawn: pd.DataFrame, contract: Contract) -> pd.DataFrame:
    """The demo's rows as the contract reads them from a file, whatever a person made of it."""
    from ml.dataset.frame import typed
    from ml.dataset.typed import read_typed

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "demo.csv"
        drawn.to_csv(path, index=False)
        return typed(read_typed(path, contract).table.to_pandas(), contract)
