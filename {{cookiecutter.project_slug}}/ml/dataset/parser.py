"""Columns of text → typed values, as a contract's column says they are written.

Each distinct text is read once, all of them in vectorised calls.

A text that stands in `Source.missing` or in the column's own `missing_texts` is missing, unless the
column lists it among its levels.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ml.contract import (
    FLOAT32_MAX,
    Boolean,
    Categorical,
    Column,
    Datetime,
    Integer,
    NumberFormat,
    Numeric,
    Text,
)

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import NDArray

NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
MICROS_MAX = 6.2e16  # since 1970: the year 3934, well before the calendar of Python ends
_SPACES = " \u00a0\u202f\u2009"  # what stands between thousands where a space does
_APOSTROPHES = "'\u2019"


@dataclass(frozen=True)
class Texts:
    """A column as its distinct texts (trimmed) and each row's position among them (-1: null)."""

    distinct: pa.Array
    codes: NDArray[np.int32]

    def counts(self) -> NDArray[np.int64]:
        """Rows of each distinct text."""
        return np.bincount(self.codes[self.codes >= 0], minlength=len(self.distinct))


@dataclass(frozen=True)
class Parsed:
    """Typed values of a column (null: missing) and what could not be read."""

    values: pa.Array
    bad: NDArray[np.int64]  # rows whose text is no value of this kind
    bad_text: str = ""  # the first of them


def texts_of(column: pa.ChunkedArray) -> Texts:
    """Distinct texts of a column.

    A typed one (from Parquet) is written out first, whole numbers without `.0`.
    """
    encoded = _dictionary_encoded(as_text(column))
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int32)
    # texts that differ in the spaces around them become one
    trimmed = pc.utf8_trim_whitespace(encoded.dictionary).dictionary_encode()
    merged = trimmed.indices.to_numpy(zero_copy_only=False).astype(np.int32)
    return Texts(trimmed.dictionary, np.append(merged, np.int32(-1))[codes])


def _dictionary_encoded(texts: pa.ChunkedArray | pa.Array) -> pa.DictionaryArray:
    """One array of positions and one of distinct texts, whatever the chunks were."""
    chunked = pa.chunked_array([texts]) if isinstance(texts, pa.Array) else texts
    joined = pc.dictionary_encode(chunked).unify_dictionaries().combine_chunks()
    return joined.chunk(0) if isinstance(joined, pa.ChunkedArray) else joined


def as_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The column as strings; moments as ISO 8601, numbers as short as they can be written."""
    kind = column.type
    if pa.types.is_string(kind):
        return column
    if pa.types.is_dictionary(kind):
        return as_text(column.cast(kind.value_type))
    if pa.types.is_timestamp(kind):
        return utc_moments(column).cast(pa.string())
    if pa.types.is_decimal(kind):
        return column.cast(pa.float64()).cast(pa.string())
    if pa.types.is_binary(kind) or pa.types.is_nested(kind):
        return pa.chunked_array([pa.nulls(len(column), pa.string())])
    return column.cast(pa.string())


def utc_moments(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Timestamps as naive microseconds in UTC."""
    return column.cast(pa.timestamp("us", tz=column.type.tz), safe=False).cast(pa.timestamp("us"))


def parse(column: pa.ChunkedArray, spec: Column, missing: Collection[str]) -> Parsed:
    """Read a column as what the contract says it is."""
    native = _native(column, spec)
    if native is not None:
        return Parsed(native, np.empty(0, np.int64))
    return parse_texts(texts_of(column), spec, missing)


def parse_served(column: pa.ChunkedArray, spec: Column) -> Parsed:
    """Read a column of a journal part.

    Its values are those of requests, none is trimmed, and no text means missing.
    """
    if isinstance(spec, Categorical | Text):
        return Parsed(as_text(column).combine_chunks(), np.empty(0, np.int64))
    if isinstance(spec, Numeric | Integer):
        spec = spec.model_copy(update={"format": NumberFormat()})
    return parse(column, spec, ())


def parse_texts(texts: Texts, spec: Column, missing: Collection[str]) -> Parsed:
    """Read distinct texts once each and spread the values over the rows.

    Args:
        texts: the column.
        spec: what the contract says it is.
        missing: texts that mean missing in every column.
    """
    listed = set(spec.levels) if isinstance(spec, Categorical) else set()
    values = blanked(texts.distinct, {*missing, *spec.missing_texts} - listed)
    read = read_values(values, spec)
    wrong = pc.and_(values.is_valid(), pc.invert(read.is_valid())).to_numpy(zero_copy_only=False)
    if isinstance(spec, Numeric | Integer) and spec.format.sentinels:
        read = without_sentinels(read, spec.format)
    return _spread(texts, read, wrong)


def _spread(texts: Texts, read: pa.Array, wrong: NDArray[np.bool_]) -> Parsed:
    rows = pa.array(texts.codes, mask=texts.codes < 0)
    bad = np.flatnonzero(np.append(wrong, False)[texts.codes])
    first = texts.distinct[int(texts.codes[bad[0]])].as_py() if len(bad) else ""
    return Parsed(read.take(rows), bad, first)


def blanked(texts: pa.Array, missing: Collection[str]) -> pa.Array:
    """The texts, null where they mean missing (or are empty)."""
    gone = pc.is_in(texts, value_set=pa.array(["", *missing], pa.string()))
    return pc.if_else(gone, pa.scalar(None, pa.string()), texts)


def _native(column: pa.ChunkedArray, spec: Column) -> pa.Array | None:
    """A typed column that needs no reading, or None."""
    kind = column.type
    number = pa.types.is_floating(kind) or pa.types.is_integer(kind)
    joined = column.combine_chunks()
    if isinstance(spec, Numeric | Integer) and number:
        values = joined.cast(pa.float64(), safe=False)
        return without_sentinels(pc.if_else(pc.is_nan(values), None, values), spec.format)
    if isinstance(spec, Boolean) and pa.types.is_boolean(kind):
        return joined
    if isinstance(spec, Datetime) and pa.types.is_timestamp(kind):
        return utc_moments(column).combine_chunks()
    return None


def read_values(texts: pa.Array, spec: Column) -> pa.Array:
    """Distinct texts → typed values, null where one cannot be read."""
    match spec:
        case Numeric():
            return numbers(texts, spec.format)
        case Integer():
            return whole(numbers(texts, spec.format))
        case Boolean():
            return booleans(texts, spec)
        case Datetime():
            return moments(texts, spec.format)
        case Categorical():
            return levels(texts, set(spec.levels))
        case Text():
            return texts


def numbers(texts: pa.Array, fmt: NumberFormat) -> pa.Array:
    """Texts → float64; null where a text is no number as `fmt` writes it, or exceeds float32."""
    plain = pc.match_substring_regex(texts, NUMBER)
    if (fmt.decimal, fmt.thousands, fmt.strip) != (".", "", ()) or not pc.all(plain).as_py():
        texts = _plain(texts, fmt)
        plain = pc.match_substring_regex(texts, NUMBER)
    values = pc.cast(pc.if_else(plain, texts, pa.scalar(None, pa.string())), pa.float64())
    return pc.if_else(pc.less_equal(pc.abs(values), FLOAT32_MAX), values, None)


def _plain(texts: pa.Array, fmt: NumberFormat) -> pa.Array:
    """Signs, currency and separators taken off: `-1.234,50 €` → `-1234.50`, `(12)` → `-12`."""
    texts = pc.replace_substring_regex(texts, r"^\((.*)\)$", r"-\1")
    texts = pc.replace_substring(texts, "\u2212", "-")
    for token in fmt.strip:
        quoted = re.escape(token)
        texts = pc.replace_substring_regex(texts, rf"^([+-]?)\s*{quoted}\s*|\s*{quoted}$", r"\1")
    if fmt.thousands:
        texts = _ungrouped(texts, fmt)
    if fmt.decimal == ".":
        return texts
    return pc.replace_substring(texts, fmt.decimal, ".")


def grouped(mark: str) -> str:
    """Regular expression of numbers with a thousands separator.

    It fits 1,234.5 and 12,34,567 (lakh), not 0,123 and 1,23.
    """
    either = _any_of(mark)
    return rf"^[+-]?[1-9]\d{{0,2}}({either}\d{{2,3}})*{either}\d{{3}}([.,]\d*)?$"


def _any_of(mark: str) -> str:
    """Regular expression of a thousands separator.

    A space stands for every space, an apostrophe for both.
    """
    same = next((marks for marks in (_SPACES, _APOSTROPHES) if mark in marks), mark)
    return f"[{re.escape(same)}]"


def _ungrouped(texts: pa.Array, fmt: NumberFormat) -> pa.Array:
    """Thousands separators taken out where they stand between thousands.

    Elsewhere they make the text unreadable.
    """
    marks = _any_of(fmt.thousands)
    without = pc.replace_substring_regex(texts, marks, "")
    loose = pc.if_else(pc.match_substring_regex(texts, marks), pa.scalar("unreadable"), texts)
    return pc.if_else(pc.match_substring_regex(texts, grouped(fmt.thousands)), without, loose)


def whole(values: pa.Array) -> pa.Array:
    """Numbers without a fraction; null for the others."""
    return pc.if_else(pc.equal(values, pc.floor(values)), values, None)


def without_sentinels(values: pa.Array, fmt: NumberFormat) -> pa.Array:
    """Null for numbers that mean missing."""
    if not fmt.sentinels:
        return values
    return pc.if_else(
        pc.is_in(values, value_set=pa.array(fmt.sentinels, pa.float64())), None, values
    )


def booleans(texts: pa.Array, spec: Boolean) -> pa.Array:
    """Spellings → true or false; `true` and `false` themselves are always understood."""
    true = pc.is_in(texts, value_set=pa.array([*spec.true, "true"], pa.string()))
    false = pc.is_in(texts, value_set=pa.array([*spec.false, "false"], pa.string()))
    return pc.if_else(pc.or_(true, false), true, pa.scalar(None, pa.bool_()))


def levels(texts: pa.Array, known: Collection[str]) -> pa.Array:
    """Level names.

    `3.0` is `3` where the contract lists `3` (a column of codes with gaps is often written so).
    """
    if not known:
        return texts
    short = pc.replace_substring_regex(texts, r"^([+-]?\d+)\.0+$", r"\1")
    listed = pa.array(sorted(known), pa.string())
    take = pc.and_(pc.is_in(short, value_set=listed), pc.invert(pc.is_in(texts, value_set=listed)))
    return pc.if_else(take, short, texts)


def moments(texts: pa.Array, fmt: str) -> pa.Array:
    """Texts → timestamp[us], naive UTC; null where a text does not follow `fmt`."""
    if fmt in ("epoch_s", "epoch_ms"):
        micros = pc.multiply(numbers(texts, NumberFormat()), 1e6 if fmt == "epoch_s" else 1e3)
        micros = pc.if_else(pc.less(pc.abs(micros), MICROS_MAX), micros, None)
        return pc.cast(pc.cast(micros, pa.int64(), safe=False), pa.timestamp("us"))
    return pa.array(_pandas_moments(texts, fmt), pa.timestamp("us"))


def _pandas_moments(texts: pa.Array, fmt: str) -> Any:
    import pandas as pd

    listed = pd.Series(texts.to_pylist(), dtype=object)
    read = pd.to_datetime(listed, format=fmt, utc=True, errors="coerce")
    return read.dt.tz_localize(None).astype("datetime64[us]").to_numpy()
