"""Rows and columns give the same matrix, which is what training and serving rely on."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.contract import Categorical, Contract, Datetime, Numeric, Target, Text
from ml.dataset.frame import encode_frame, rows_of_frame
from ml.encode import Encoder, Values, features

PARTS = ("days", "year", "month", "day", "weekday", "hour", "minute")
TARGET = Target(name="y", task="regression")


def test_rows_and_columns_agree(
    contract: Contract, make_frame: Callable[..., pd.DataFrame]
) -> None:
    frame, encoder = make_frame(300), Encoder(contract)
    by_columns = encode_frame(frame, encoder)
    by_rows = encoder.rows(rows_of_frame(frame, contract))
    assert by_columns.dtype == by_rows.dtype == np.float32
    np.testing.assert_array_equal(by_columns, by_rows)
    alone = [encoder.rows([row]) for row in rows_of_frame(frame, contract)]
    np.testing.assert_array_equal(by_columns, np.concatenate(alone))


@settings(max_examples=200)
@given(st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1)))
def test_parts_of_a_moment_are_those_of_the_calendar(moment: datetime) -> None:
    contract = Contract(target=TARGET, columns=(Datetime(name="t", kind="datetime", parts=PARTS),))
    encoder = Encoder(contract)
    expected = [
        (moment - datetime(1970, 1, 1)).days,
        moment.year,
        moment.month,
        moment.day,
        moment.weekday(),
        moment.hour,
        moment.minute,
    ]
    assert encoder.rows([{"t": moment.isoformat()}])[0].tolist() == expected
    assert (
        encoder.columns({"t": np.array([moment], dtype="datetime64[us]")})[0].tolist() == expected
    )


def test_missing_and_unseen() -> None:
    columns = (
        Numeric(name="a", kind="numeric", missing=True),
        Categorical(name="b", kind="categorical", levels=("x", "y"), missing=True),
        Datetime(name="c", kind="datetime", missing=True, parts=("month", "day")),
    )
    encoder = Encoder(Contract(target=TARGET, columns=columns))
    matrix = encoder.rows(
        [{}, {"a": 1.5, "b": "y", "c": "2024-02-29T10:00:00+02:00"}, {"b": "never"}]
    )
    np.testing.assert_array_equal(
        matrix,
        np.array(
            [[np.nan, -1, np.nan, np.nan], [1.5, 1, 2, 29], [np.nan, -1, np.nan, np.nan]],
            np.float32,
        ),
    )
    np.testing.assert_array_equal(encoder.rows([{"b": "never"}] * 20)[19], matrix[2])
    nothing: dict[str, Values] = {
        "a": [None],
        "b": [None],
        "c": np.array(["NaT"], dtype="datetime64[us]"),
    }
    np.testing.assert_array_equal(encoder.columns(nothing)[0], matrix[0])


def test_words_are_counted_in_their_buckets() -> None:
    contract = Contract(
        target=TARGET, columns=(Text(name="note", kind="text", missing=True, buckets=8),)
    )
    encoder = Encoder(contract)
    one, same, none = encoder.rows(
        [{"note": "late late payment"}, {"note": "Payment, late. LATE!"}, {"note": None}]
    )
    assert one.sum() == 3
    np.testing.assert_array_equal(one, same)
    assert not none.any()
    np.testing.assert_array_equal(encoder.columns({"note": ["late late payment"]})[0], one)
    np.testing.assert_array_equal(encoder.rows([{"note": "late late payment"}] * 20)[19], one)


def test_features_name_their_columns(contract: Contract) -> None:
    assert [(f.name, f.column, f.levels) for f in features(contract)][-3:] == [
        ("city", "city", 2),
        ("seen.month", "seen", 0),
        ("seen.weekday", "seen", 0),
    ]


def test_a_column_for_audits_is_not_in_the_matrix(
    contract: Contract, make_frame: Callable[..., pd.DataFrame]
) -> None:
    plan = Categorical.model_validate({**dict(contract.columns[3]), "use": "audit"})
    audited = contract.model_copy(
        update={"columns": (*contract.columns[:3], plan, *contract.columns[4:])}
    )
    assert [f.name for f in features(audited)] == [
        f.name for f in features(contract) if f.name != "plan"
    ]
    frame = make_frame(20)
    rows = rows_of_frame(frame, audited)
    without = [{name: value for name, value in row.items() if name != "plan"} for row in rows]
    expected = np.delete(encode_frame(frame, Encoder(contract)), 3, axis=1)
    for given_rows in (rows, without, rows[:3]):
        matrix = Encoder(audited).rows(given_rows)
        np.testing.assert_array_equal(matrix, expected[: len(given_rows)])
