"""Which rows are judged by themselves."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from ml.contract import Contract
from ml.dataset.slices import slices_of
from ml.params import Params

Make = Callable[..., pd.DataFrame]


def test_each_level_of_each_column_is_a_slice(
    contract: Contract, params: Params, make_frame: Make
) -> None:
    frame = make_frame(600)
    found = slices_of(frame, contract, params.evaluate)
    names = [(each.column, each.level) for each in found]
    assert names == [
        ("paperless", True),
        ("paperless", False),
        ("plan", "basic"),
        ("plan", "plus"),
        ("plan", "pro"),
        ("city", "Oslo"),
        ("city", "Łódź"),
    ]
    for column, level, rows in found:
        assert (frame[column].to_numpy()[rows] == level).all()
        assert len(rows) == (frame[column] == level).sum()


def test_a_level_with_few_rows_is_none(
    contract: Contract, params: Params, make_frame: Make
) -> None:
    frame = make_frame(600)
    frame.loc[np.arange(600) >= 29, "plan"] = "basic"
    frame.loc[:28, "plan"] = "pro"
    levels = [each.level for each in slices_of(frame, contract, params.evaluate)]
    assert "basic" in levels
    assert "pro" not in levels


def test_none_is_asked_for(contract: Contract, params: Params, make_frame: Make) -> None:
    off = params.evaluate.model_copy(update={"slices": 0})
    assert slices_of(make_frame(100), contract, off) == []
