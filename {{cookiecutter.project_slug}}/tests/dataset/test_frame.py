"""Rows as pandas: dtypes that do not depend on the values, and the way back to JSON."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ml.contract import Contract
from ml.dataset.frame import answer_columns, frame_of_rows, rows_of_frame, target_codes, typed

DTYPES = {
    "charge": "float64", "calls": "float64", "paperless": "object", "plan": "object",
    "city": "object", "seen": "datetime64[us]", "left": "object",
}  # fmt: skip


@pytest.mark.parametrize("rows", [0, 1, 50])
def test_dtypes_are_those_of_the_contract(
    rows: int, contract: Contract, make_frame: Callable[..., pd.DataFrame]
) -> None:
    frame = make_frame(50)[:rows]
    assert {name: str(frame[name].dtype) for name in DTYPES} == DTYPES
    absent = typed(frame.assign(charge=None, plan=np.nan, seen=None), contract)
    assert {name: str(absent[name].dtype) for name in DTYPES} == DTYPES
    assert absent["plan"].tolist() == [None] * rows


def test_columns_that_the_contract_does_not_name_stay(
    contract: Contract, make_frame: Callable[..., pd.DataFrame]
) -> None:
    frame = make_frame(3).assign(other=[1, 2, 3])
    assert typed(frame, contract)["other"].dtype == np.int64


@pytest.mark.parametrize(
    "moment", ["2025-01-31T02:00:00+02:00", "2025-01-31", pd.Timestamp("2025-01-31")]
)
def test_moments_become_naive_utc(moment: Any, contract: Contract) -> None:
    frame = frame_of_rows([{"seen": moment}, {"seen": None}], contract)
    assert frame["seen"].tolist() == [pd.Timestamp("2025-01-31"), pd.NaT]


def test_rows_and_frames_are_inverse(
    contract: Contract, make_frame: Callable[..., pd.DataFrame]
) -> None:
    rows = rows_of_frame(make_frame(100), contract)
    assert rows_of_frame(frame_of_rows(rows, contract), contract) == rows
    assert {type(row["calls"]) for row in rows} == {int}
    assert {type(row["seen"]) for row in rows} == {str}


def test_a_target_is_its_position_among_the_classes(
    contract: Contract, make_frame: Callable[..., pd.DataFrame]
) -> None:
    frame = make_frame(50)
    codes = target_codes(frame, contract)
    assert [contract.target.classes[code] for code in codes] == frame["left"].tolist()


def test_an_answer_is_a_label_and_the_probability_of_each_class(contract: Contract) -> None:
    columns = answer_columns(np.array([[0.7, 0.3], [0.2, 0.8]]), contract)
    assert {name: values.tolist() for name, values in columns.items()} == {
        "prediction": ["no", "yes"],
        "probability:no": [0.7, 0.2],
        "probability:yes": [0.3, 0.8],
    }
