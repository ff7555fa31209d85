"""Validation: sound rows pass; a break of the contract is told with column, count and value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from ml.contract import Contract
from ml.dataset.checks import findings, refuse
from ml.errors import UserError
from ml.params import Params


def test_sound_rows_pass(
    contract: Contract, params: Params, make_frame: Callable[..., pd.DataFrame]
) -> None:
    found = findings(make_frame(200), contract, params.validate_)
    assert found == []
    refuse(found, 200, "data/raw")


@pytest.mark.parametrize(
    ("column", "value", "problem"),
    [
        ("plan", "gold", "not one of the contract's levels"),
        ("calls", float("nan"), "is missing"),
        ("calls", 2.5, "not a whole number"),
        ("city", "x" * 201, "longer than 200 characters"),
        ("charge", 1e39, "does not fit a float32"),
        ("left", "perhaps", "not one of the contract's classes"),
        ("left", None, "is missing"),
        ("seen", pd.NaT, "is missing"),
    ],
)
def test_each_break_is_found(
    contract: Contract,
    params: Params,
    make_frame: Callable[..., pd.DataFrame],
    column: str,
    value: Any,
    problem: str,
) -> None:
    frame = make_frame(200)
    frame.loc[17, column] = value
    found = findings(frame, contract, params.validate_)
    assert [(f["column"], f["rows"], f["row"]) for f in found] == [(column, 1, 17)]
    assert problem in found[0]["problem"]
    with pytest.raises(UserError, match=f'column "{column}": 1 of 200'):
        refuse(found, len(frame), "data/raw")


def test_a_pooled_column_takes_any_level(
    contract: Contract, params: Params, make_frame: Callable[..., pd.DataFrame]
) -> None:
    assert findings(make_frame(50).assign(city="Nowhere"), contract, params.validate_) == []


def test_few_outliers_pass_and_a_changed_unit_does_not(
    contract: Contract, params: Params, make_frame: Callable[..., pd.DataFrame]
) -> None:
    frame = make_frame(200)
    frame.loc[:4, "charge"] = 900.0
    assert findings(frame, contract, params.validate_) == []
    frame["charge"] *= 100
    found = findings(frame, contract, params.validate_)
    assert [f["column"] for f in found] == ["charge"]
    assert "lies beyond 0 to 200" in found[0]["problem"]


def test_a_column_that_is_not_there(
    contract: Contract, params: Params, make_frame: Callable[..., pd.DataFrame]
) -> None:
    found = findings(make_frame(50).drop(columns="charge"), contract, params.validate_)
    assert [(f["column"], f["problem"]) for f in found] == [("charge", "is not in the table")]
