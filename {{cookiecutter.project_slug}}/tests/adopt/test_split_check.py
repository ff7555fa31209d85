"""Adopt refuses what `make flow` could not split, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ml.adopt.infer_contract import Request, infer_contract
from ml.adopt.source.inputs import read
from ml.adopt.split_check import WHOLE_CELLS, check_split
from ml.errors import UserError
from ml.params import Params

LARGE = WHOLE_CELLS  # rows of two columns
MOMENTS = pd.date_range("2020-01-01", periods=LARGE, freq="min").astype(str)


def _check(frame: pd.DataFrame, folder: Path, params: Params, **said: Any) -> None:
    path = folder / "t.csv"
    frame.to_csv(path, index=False)
    texts, source = read([path], ("first",))
    contract = infer_contract("t.csv", texts, source, Request("y", **said)).contract
    check_split("t.csv", texts, contract, params.split)


def _table(rows: int, latest: float = 0.0) -> pd.DataFrame:
    """Rows in time order, of which the latest share is of class `b`, the others mixed."""
    rng = np.random.default_rng(1)
    y = rng.choice(["a", "b"], rows, p=[0.7, 0.3])
    y[round(rows * (1 - latest)) :] = "b"
    x = rng.normal(0, 1, rows).round(3)
    return pd.DataFrame({"t": MOMENTS[:rows], "x": x, "g": np.arange(rows) % 2, "y": y})


@pytest.mark.parametrize("rows", [400, LARGE])
def test_a_time_after_which_one_class_is_left(rows: int, tmp_path: Path, params: Params) -> None:
    frame = _table(rows, latest=0.4)
    with pytest.raises(UserError, match="held-out rows hold one class only") as refused:
        _check(frame, tmp_path, params, time="t")
    assert "leave TIME out" in refused.value.then
    _check(frame, tmp_path, params)
    _check(_table(rows), tmp_path, params, time="t")


@pytest.mark.parametrize("rows", [400, LARGE])
def test_an_id_of_a_few_groups(rows: int, tmp_path: Path, params: Params) -> None:
    frame = _table(rows).drop(columns="t").assign(g="one")
    with pytest.raises(UserError, match="held-out rows hold one class only") as refused:
        _check(frame, tmp_path, params, id="g")
    assert 'another ID than "g"' in refused.value.then


def test_rows_of_rare_classes_are_none_to_learn_from(tmp_path: Path, params: Params) -> None:
    frame = _table(60).assign(y=["a"] * 8 + ["b"] * 8 + [f"rare {i}" for i in range(44)])
    with pytest.raises(UserError, match="16 rows with a target are too few"):
        _check(frame, tmp_path, params)


def test_rows_that_are_equal(tmp_path: Path, params: Params) -> None:
    frame = pd.DataFrame({"x": np.arange(80) % 2, "y": np.where(np.arange(80) % 2, "a", "b")})
    with pytest.raises(UserError, match="held-out rows hold one class only"):
        _check(frame, tmp_path, params)


def test_a_rare_class_of_a_large_table_is_no_reason(tmp_path: Path, params: Params) -> None:
    """A sample holds few of its rows, perhaps none."""
    frame = _table(LARGE).assign(y="a")
    frame.loc[frame.index % 5000 == 7, "y"] = "b"
    _check(frame, tmp_path, params, time="t")
    _check(frame.assign(y=frame["x"]), tmp_path, params, time="t")  # numbers have no classes
