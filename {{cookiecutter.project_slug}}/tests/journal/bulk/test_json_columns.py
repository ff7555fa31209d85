"""JSON texts become columns; what does not fit is missing and counted, never an error."""

from __future__ import annotations

from datetime import datetime

import pyarrow as pa
import pytest

from ml.contract import Boolean, Categorical, Contract, Datetime, Numeric, Target
from ml.journal.bulk.json_columns import MOMENT, features_schema, items, no_features, read_features

CONTRACT = Contract(
    target=Target(name="y", task="regression"),
    columns=(
        Numeric(name="a", kind="numeric"),
        Boolean(name="b", kind="boolean"),
        Categorical(name="c", kind="categorical", levels=("x",)),
        Datetime(name="d", kind="datetime"),
    ),
)
SCHEMA = features_schema(CONTRACT)
ROW = '{"a":1.5,"b":true,"c":"x","d":"2026-01-31T10:00:00"}'
READ = {"a": 1.5, "b": True, "c": "x", "d": datetime(2026, 1, 31, 10)}


def test_a_schema_has_the_contracts_types() -> None:
    assert SCHEMA.types == [pa.float64(), pa.bool_(), pa.string(), MOMENT]


def test_requests_of_one_row_and_of_several_are_one_table() -> None:
    table, mistyped = read_features((ROW, f"[{ROW},{ROW}]"), (1, 2), SCHEMA)
    assert table.to_pylist() == [READ] * 3
    assert mistyped == {}


@pytest.mark.parametrize(
    ("wrong", "counted"),
    [
        ('{"a":"1,5","b":1,"c":"x","d":"2026-01-31"}', {"a": 1, "b": 1}),
        ('{"a":1e999,"b":true,"c":"\\ud800","d":"yesterday"}', {"a": 1, "c": 1, "d": 1}),
        ("{", {"a": 1, "b": 1, "c": 1, "d": 1}),
        ("[1]", {"a": 1, "b": 1, "c": 1, "d": 1}),
    ],
)
def test_values_that_do_not_fit_are_missing_and_counted(
    wrong: str, counted: dict[str, int]
) -> None:
    table, mistyped = read_features((ROW, wrong), (1, 1), SCHEMA)
    assert table.num_rows == 2
    assert table.to_pylist()[0] == READ
    assert {name: n for name, n in mistyped.items() if n} == counted


def test_an_unreadable_entry_has_none_for_each_row() -> None:
    assert items(("1", "[2,3]"), (1, 2)) == [1, 2, 3]
    assert items(("1", "[2,3", "4"), (1, 2, 1)) == [1, None, None, 4]


def test_without_features_all_is_missing() -> None:
    assert no_features(2, SCHEMA).to_pylist() == [dict.fromkeys(READ)] * 2
