"""Texts of one column become typed values, as the contract says that they are written."""

from __future__ import annotations

import datetime as dt
import decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from ml.contract import (
    Boolean,
    Categorical,
    Column,
    Datetime,
    Integer,
    NumberFormat,
    Numeric,
    Text,
)
from ml.dataset.parser import moments, parse, parse_served, texts_of
from tests.conftest import read_frame
from tests.dataset.written_part import CONTRACT, HEADER

GERMAN = Numeric(kind="numeric", name="x", format=NumberFormat(decimal=",", thousands="."))


def _column(values: list[object], kind: pa.DataType | None = None) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(values, kind)])


def test_texts_are_trimmed_and_told_apart_once() -> None:
    texts = texts_of(pa.chunked_array([["a ", "b"], [None, "a"]]))
    assert texts.distinct.to_pylist() == ["a", "b"]
    assert texts.codes.tolist() == [0, 1, -1, 0]
    assert texts.counts().tolist() == [2, 1]


@pytest.mark.parametrize(
    ("values", "kind", "texts"),
    [
        ([1, None], pa.int64(), ["1", None]),
        ([1.0, 2.5], pa.float64(), ["1", "2.5"]),
        ([decimal.Decimal("1.50")], pa.decimal128(5, 2), ["1.5"]),
        (
            [dt.datetime(2024, 1, 31, 12)],
            pa.timestamp("s", "Europe/Oslo"),
            ["2024-01-31 12:00:00.000000"],
        ),
        ([[1, 2]], pa.list_(pa.int64()), [None]),
    ],
)
def test_typed_values_are_written_out(
    values: list[object], kind: pa.DataType, texts: list[str | None]
) -> None:
    read = texts_of(_column(values, kind))
    written = [None if code < 0 else read.distinct[int(code)].as_py() for code in read.codes]
    assert written == texts


def test_a_thousands_point_in_the_wrong_place_is_refused() -> None:
    read = parse(_column(["1.234,5", "12.34", "1.23,4", "1234,5"]), GERMAN, ())
    assert read.values.to_pylist() == [1234.5, None, None, 1234.5]
    assert read.bad.tolist() == [1, 2]
    assert read.bad_text == "12.34"


@pytest.mark.parametrize(
    ("column", "texts", "values", "bad"),
    [
        (Integer(kind="integer", name="x"), ["1", "1.0", "1.5"], [1, 1, None], [2]),
        (
            Numeric(kind="numeric", name="x", format=NumberFormat(sentinels=(-999,))),
            ["1", "-999", "1e39"],
            [1, None, None],
            [2],
        ),
        (
            Boolean(kind="boolean", name="x", true=("ja",), false=("nein",)),
            ["ja", "nein", "true", "yes"],
            [True, False, True, None],
            [3],
        ),
        (
            Categorical(kind="categorical", name="x", levels=("1", "NA")),
            ["1.0", "NA", "", "other"],
            ["1", "NA", None, "other"],
            [],
        ),
        (
            Text(kind="text", name="x", missing_texts=("-",)),
            ["a", "-", "NA"],
            ["a", None, None],
            [],
        ),
    ],
)
def test_each_kind_reads_its_spellings(
    column: Column, texts: list[object], values: list[object], bad: list[int]
) -> None:
    read = parse(_column(texts), column, ("NA",))
    assert read.values.to_pylist() == values
    assert read.bad.tolist() == bad


def test_typed_columns_need_no_reading() -> None:
    moment = dt.datetime(2024, 1, 31, 12)
    zoned = _column([moment], pa.timestamp("ns", "Europe/Oslo"))
    when = Datetime(kind="datetime", name="x", format="%d.%m.%Y")
    assert parse(zoned, when, ()).values.to_pylist() == [moment]
    numbers = _column([float("nan"), 7.0], pa.float32())
    assert parse(numbers, GERMAN, ()).values.to_pylist() == [None, 7]


def test_what_was_served_is_taken_as_it_is() -> None:
    """A request's text is not trimmed, none of it means missing, and its numbers are JSON's."""
    text = Text(kind="text", name="x", missing_texts=("-",))
    assert parse_served(_column([" a ", "-"]), text).values.to_pylist() == [" a ", "-"]
    assert parse_served(_column(["1234.5"]), GERMAN).values.to_pylist() == [1234.5]


@pytest.mark.parametrize(
    ("text", "fmt"),
    [("1706659200", "epoch_s"), ("1706659200000", "epoch_ms"), ("31.01.2024", "%d.%m.%Y"),
     ("2024-01-31T02:00:00+02:00", "ISO8601")],
)  # fmt: skip
def test_one_moment_in_several_forms(text: str, fmt: str) -> None:
    read = moments(pa.array([text, "never"]), fmt).to_pylist()
    assert read == [dt.datetime(2024, 1, 31), None]


def test_a_wide_number_format_is_exact(tmp_path: Path) -> None:
    """Every digit that a float64 holds survives the way from text."""
    rng = np.random.default_rng(0)
    values = rng.normal(0, 1e6, 300)
    lines = [f"01.02.2024;k;{repr(float(v)).replace('.', ',')};1;pro;ja;x;yes" for v in values]
    (tmp_path / "p.csv").write_text(HEADER + "\n".join(lines), encoding="utf-8")
    assert read_frame(tmp_path / "p.csv", CONTRACT)["Betrag"].tolist() == values.tolist()


def test_infinite_numbers_of_parquet_are_missing_where_their_text_is() -> None:
    """Adopt reads texts, in which `inf` may stand for missing."""
    column = pa.chunked_array([pa.array([1.5, float("inf"), float("-inf"), 1e300, None])])
    spec = Numeric(kind="numeric", name="x", missing_texts=("inf", "1e+300"))
    assert parse(column, spec, ()).values.to_pylist() == [1.5, None, float("-inf"), None, None]
