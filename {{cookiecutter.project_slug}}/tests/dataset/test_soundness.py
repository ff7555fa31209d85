"""The quick look leaves to pandera whatever breaks the contract, and calls sound tables sound."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from ml.contract import Contract
from ml.dataset.checks import findings
from ml.dataset.soundness import are_sound_features, is_sound
from ml.params import Params, Validate


def table(frame: pd.DataFrame) -> pa.Table:
    return pa.Table.from_pandas(frame, preserve_index=False)


def test_sound_rows_are_sound(
    contract: Contract, params: Params, make_frame: Callable[..., pd.DataFrame]
) -> None:
    frame = make_frame(200)
    assert is_sound([table(frame)], contract, params.validate_)
    assert are_sound_features(table(frame.drop(columns="left")), contract, params.validate_)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("plan", "gold"),
        ("calls", float("nan")),
        ("calls", 2.5),
        ("city", "x" * 201),
        ("charge", 1e39),
        ("left", "perhaps"),
        ("left", None),
        ("seen", pd.NaT),
    ],
)
def test_each_break_is_left_to_pandera(
    contract: Contract,
    params: Params,
    make_frame: Callable[..., pd.DataFrame],
    column: str,
    value: Any,
) -> None:
    frame = make_frame(200)
    frame.loc[17, column] = value
    assert findings(frame, contract, params.validate_)
    assert not is_sound([table(frame)], contract, params.validate_)
    is_target = column == contract.target.name
    assert are_sound_features(table(frame), contract, params.validate_) == is_target


@pytest.mark.parametrize("name", ["plan", "left"])
def test_an_absent_column_is_not_sound(
    contract: Contract, params: Params, make_frame: Callable[..., pd.DataFrame], name: str
) -> None:
    assert not is_sound([table(make_frame(50).drop(columns=name))], contract, params.validate_)


@pytest.mark.parametrize("allowed", [0.0, 0.05, 0.5])
@pytest.mark.parametrize("share", [0.0, 0.05, 0.06, 1.0])
def test_both_count_values_beyond_the_range_alike(
    contract: Contract, make_frame: Callable[..., pd.DataFrame], allowed: float, share: float
) -> None:
    ranged = contract.model_copy(
        update={
            "columns": tuple(
                c.model_copy(update={"min": 0.0, "max": 50.0}) if c.name == "calls" else c
                for c in contract.columns
            )
        }
    )
    frame, params = make_frame(200), Validate(max_out_of_range=allowed)
    frame["calls"] = [99.0] * round(200 * share) + [1.0] * (200 - round(200 * share))
    sound = not findings(frame, ranged, params)
    assert is_sound([table(frame)], ranged, params) == sound
    parts = [table(frame[:30]), table(frame[30:])]  # the share counts of all rows, not of each part
    assert is_sound(parts, ranged, params) == sound


def test_texts_where_numbers_belong_are_not_sound(
    contract: Contract, params: Params, make_frame: Callable[..., pd.DataFrame]
) -> None:
    frame = make_frame(50).assign(charge="much")
    assert not is_sound([table(frame)], contract, params.validate_)
