"""How numbers are written, one column at a time: the format found, and the values it gives."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from ml.adopt.columns.infer import infer_column
from ml.adopt.columns.numbers import number_format
from ml.contract import Categorical, Integer, Numeric, Text
from ml.dataset.parser import numbers, texts_of


def _column(texts: list[str]) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(texts, pa.string())])


@pytest.mark.parametrize(
    ("texts", "values"),
    [
        (["1,234.50", "999.00", "1,234,567.25"], [1234.5, 999, 1234567.25]),
        (["1.234,50", "999,00", "1.234.567,25"], [1234.5, 999, 1234567.25]),
        (["1 234,5", "12\u00a0345,5", "7,25"], [1234.5, 12345.5, 7.25]),
        (["1'234.5", "12\u2019345", "7"], [1234.5, 12345, 7]),
        (["12,34,567.00", "1,23,456.50", "99.00"], [1234567, 123456.5, 99]),
        (["0,123", "0,5", "1,25"], [0.123, 0.5, 1.25]),
        (["0.123", "1.234", "12.345"], [0.123, 1.234, 12.345]),
        (["1,234", "12,345", "999"], [1234, 12345, 999]),
        (["$5", "$1,000.50", "-$3"], [5, 1000.5, -3]),
        (["5 €", "1.000,50 €", "-3 €"], [5, 1000.5, -3]),
        (["US$ 5", "US$ 7.5", "US$ 9"], [5, 7.5, 9]),
        (["EUR 5", "EUR 7.5", "EUR -9"], [5, 7.5, -9]),
        (["12%", "7.5 %", "-3%"], [12, 7.5, -3]),
        (["(12.5)", "3.5", "(1,000.0)"], [-12.5, 3.5, -1000]),
        (["\u22123.5", "2", "1e3"], [-3.5, 2, 1000]),
        (["20.5°C", "-3°C", "7 °C"], [20.5, -3, 7]),
        (["10 km/h", "7.5 km/h", "80 km/h"], [10, 7.5, 80]),
        (["1 year", "2 years", "10 years"], [1, 2, 10]),
    ],
)
def test_a_way_to_write_numbers(texts: list[str], values: list[float]) -> None:
    column = pa.array(texts, pa.string())
    fmt = number_format(column, np.ones(len(texts), np.int64))
    assert fmt is not None
    assert numbers(column, fmt).to_pylist() == values


@pytest.mark.parametrize(
    "texts",
    [
        ["€5M", "€7K", "€9M"],  # two units: a factor that nobody named
        ["$5", "€7", "£9"],  # three currencies
        ["12A", "13B", "14C"],  # seats
        ["5 kg", "7 lb", "9 kg"],
        ["1.2.3", "1.10.0", "2.0.1"],  # versions
        ["10+", "<1", "2-5"],
        ["1,2", "3;4", "5 6"],
        ["red", "green", "blue"],
    ],
)
def test_what_is_no_column_of_numbers(texts: list[str]) -> None:
    assert number_format(pa.array(texts, pa.string()), np.ones(len(texts), np.int64)) is None


def _inferred(name: str, texts: list[str]) -> object:
    return infer_column(name, texts_of(_column(texts))).column


def test_a_thousands_point_is_told_from_a_decimal_one() -> None:
    column = _inferred("x", [f"{i}.{i % 900 + 100},50" for i in range(1, 60)])
    assert isinstance(column, Numeric)
    assert (column.format.decimal, column.format.thousands) == (",", ".")


def test_levels_with_a_few_digits_among_them_are_levels() -> None:
    column = _inferred("holiday", ["0"] * 985 + ["a", "b", "c"] * 5)
    assert isinstance(column, Categorical)


def test_a_stray_word_among_many_numbers_is_missing_and_said() -> None:
    inferred = infer_column(
        "height", texts_of(_column([f"{i / 7:.2f}" for i in range(400)] + ["n.v."]))
    )
    assert isinstance(inferred.column, Numeric)
    assert inferred.blanks == ("n.v.",)
    assert "n.v." in inferred.doubts[0]


def test_minus_one_and_nines_close_by_are_values() -> None:
    near = infer_column("score", texts_of(_column([str(i % 1000) for i in range(2000)])))
    assert isinstance(near.column, Integer)
    assert near.column.format.sentinels == ()
    signed = infer_column("delta", texts_of(_column([str(i % 40 - 1) for i in range(400)])))
    assert isinstance(signed.column, Integer)
    assert signed.doubts == ("does -1 mean missing?",)


def test_several_units_are_named_as_a_doubt() -> None:
    inferred = infer_column(
        "value", texts_of(_column([f"€{i / 9:.2f}{'MK'[i % 2]}" for i in range(10, 400)]))
    )
    assert isinstance(inferred.column, Text)
    assert "several forms or units" in inferred.doubts[0]
