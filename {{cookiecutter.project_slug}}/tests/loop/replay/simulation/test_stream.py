"""A table is cut into first rows and windows, and every row gets a moment of its own."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.adopt import demo_data
from ml.contract import Contract
from ml.encode import DAY_SECONDS
from ml.errors import UserError
from ml.loop.replay.options import Options
from ml.loop.replay.simulation.stream import (
    DAY_ONE,
    DEMO_INCIDENTS,
    DEMO_ROWS,
    demo_stream,
    spread,
    table_stream,
    window_cuts,
)
from tests.adopt.table import Table, as_csv

DEMO = {"target": demo_data.TARGET, "time": demo_data.TIME, "id": demo_data.ID}

Frames = Callable[..., pd.DataFrame]


@given(st.integers(0, 5000), st.integers(1, 700))
def test_windows_hold_every_row_once(rows: int, window: int) -> None:
    cuts = window_cuts(rows, window)
    sizes = np.diff(cuts)
    assert sizes.sum() in (rows, 0)
    assert (sizes == window)[:-1].all()
    assert ((window / 2 <= sizes) & (sizes < 1.5 * window)).all()
    assert len(sizes) or rows < window / 2


@given(st.lists(st.integers(0, 20), min_size=1, max_size=60))
def test_moments_increase_and_keep_their_distance(days: list[int]) -> None:
    own = np.sort(np.array(days, dtype=float)) * DAY_SECONDS
    moments = spread(own)
    assert (np.diff(moments) > 0).all()
    assert (moments[:-1] >= own).all()  # no row is ahead of the clock
    assert set(own) <= set(moments)


def test_a_date_stands_for_its_day() -> None:
    assert spread(np.array([0.0, 0.0, 24.0, 24.0, 24.0])).tolist() == [0, 12, 24, 32, 40, 48]


def test_a_table_in_order_of_its_time(contract: Contract, make_frame: Frames) -> None:
    frame = make_frame(1000).sample(frac=1, random_state=1)
    stream = table_stream(frame, contract, Options(window=100))
    assert len(stream.first) == 300
    assert [len(window.rows) for window in stream.windows] == [100] * 7
    together = pd.concat([stream.first, *(window.rows for window in stream.windows)])
    assert together["seen"].is_monotonic_increasing
    assert sorted(together["customer"]) == sorted(frame["customer"])
    first = stream.windows[0]
    assert first.start == first.rows["seen"][0].timestamp()
    assert first.end == stream.windows[1].start


def test_the_newest_windows_with_the_rows_before_them(
    contract: Contract, make_frame: Frames
) -> None:
    frame = make_frame(1000)
    every = table_stream(frame, contract, Options(window=100))
    last = table_stream(frame, contract, Options(window=100, last=2))
    assert [len(window.rows) for window in last.windows] == [100, 100]
    pd.testing.assert_frame_equal(last.windows[0].rows, every.windows[5].rows)
    assert len(last.first) == len(every.first)
    assert last.first["seen"].max() < last.windows[0].rows["seen"].min()
    assert last.windows[0].number == 1


def test_without_a_time_a_window_is_a_day(contract: Contract, make_frame: Frames) -> None:
    without = contract.model_copy(update={"time": None})
    stream = table_stream(make_frame(400), without, Options(window=70))
    assert [window.start for window in stream.windows] == [
        DAY_ONE + day * DAY_SECONDS for day in range(4)
    ]
    assert stream.first["customer"].tolist() == [f"c{i}" for i in range(120)]


def test_a_window_of_seconds_becomes_a_day_behind_every_row(
    contract: Contract, make_frame: Frames
) -> None:
    frame = make_frame(400)
    frame["seen"] = pd.Timestamp("2031-05-05") + pd.to_timedelta(np.arange(400), unit="s")
    stream = table_stream(frame, contract, Options(window=70))
    assert stream.windows[0].end - stream.windows[0].start == DAY_SECONDS
    assert stream.windows[0].start > frame["seen"].max().timestamp()


def test_too_few_rows_are_an_error_that_names_them(contract: Contract, make_frame: Frames) -> None:
    with pytest.raises(UserError, match="60 rows give 18 to the first version and 0 windows"):
        table_stream(make_frame(60), contract, Options())


def test_the_demo_s_year(tmp_path: Path) -> None:
    table = Table("demo.csv", as_csv(demo_data.simulate()), DEMO)
    demo_contract = table.adopted(tmp_path)[1].contract
    stream = demo_stream(demo_contract, Options())
    assert len(stream.first) == 20_000
    assert [len(window.rows) for window in stream.windows] == [DEMO_ROWS] * 12
    assert stream.first["observed_at"].max() < stream.windows[0].rows["observed_at"].min()
    told = {window.number: window.incident for window in stream.windows if window.incident}
    assert set(told) == set(DEMO_INCIDENTS)
    assert len(set(told.values())) == 3
    fees = [window.rows["monthly_fee"].median() for window in stream.windows]
    assert np.argmax(fees) + 1 == next(n for n, what in told.items() if "cents" in str(what))
    for before, after in pairwise(stream.windows):
        assert before.moments[-1] < before.end <= after.start
