"""Columns of text → typed values, as a contract's column says they are written.

Each distinct text is read once, all of them in vectorised calls.

A text that stands in `Source.missing` or in the column's own `missing_texts` is missing, unless the
column lists it among its levels.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
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
NO_TEXT = pa.scalar(None, pa.string())
EPOCH_MICROS = {"epoch_s": 1e6, "epoch_ms": 1e3}  # format → microseconds of one unit
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
    # rows whose text is no value of this kind
    bad: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    bad_text: str = ""  # the first of them


def texts_of(column: pa.ChunkedArray) -> Texts:
    """Distinct texts of a column.

    A typed one (from Parquet) is written out first, whole numbers without `.0`.
    """
    encoded = _dictionary_encoded(as_text(column))
    # texts that differ in the spaces around them become one
    trimmed = pc.utf8_trim_whitespace(encoded.dictionary).dictionary_encode()
    merged = np.append(_int32(trimmed.indices), np.int32(-1))
    return Texts(trimmed.dictionary, merged[_int32(encoded.indices.fill_null(-1))])


def _int32(indices: pa.Array) -> NDArray[np.int32]:
    return np.asarray(indices.to_numpy(zero_copy_only=False).astype(np.int32))


def _dictionary_encoded(texts: pa.ChunkedArray | pa.Array) -> pa.DictionaryArray:
    """One array of positions and one of distinct texts, whatever the chunks were."""
    chunked = pa.chunked_array([texts]) if isinstance(texts, pa.Array) else texts
    joined = pc.dictionary_encode(chunked).unify_dictionaries().combine_chunks()
    return joined.chunk(0) if isinstance(joined, pa.ChunkedArray) else joined


def as_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The column as strings; moments as ISO 8601, numbers as short as they can be written."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return as_text(column.cast(kind.value_type))
    if pa.types.is_binary(kind) or pa.types.is_nested(kind):
        return pa.chunked_array([pa.nulls(len(column), pa.string())])
    return _writable(column).cast(pa.string())


def _writable(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Moments in UTC and decimals as float64, whose text has no zeros at its end."""
    if pa.types.is_timestamp(column.type):
        return utc_moments(column)
    return column.cast(pa.float64()) if pa.types.is_decimal(column.type) else column


def utc_moments(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Timestamps as naive microseconds in UTC."""
    return column.cast(pa.timestamp("us", tz=column.type.tz), safe=False).cast(pa.timestamp("us"))


def parse(column: pa.ChunkedArray, spec: Column, missing: Collection[str]) -> Parsed:
    """Read a column as what the contract says it is."""
    native = _native(column, spec, missing)
    if native is not None:
        return Parsed(native)
    return parse_texts(texts_of(column), spec, missing)


def parse_served(column: pa.ChunkedArray, spec: Column) -> Parsed:
    """Read a column of a journal part.

    Its values are those of requests, none is trimmed, and no text means missing.
    """
    if isinstance(spec, Categorical | Text):
        return Parsed(as_text(column).combine_chunks())
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
    values = _missing_as_null(texts.distinct, spec, missing)
    read = read_values(values, spec)
    wrong = pc.and_(values.is_valid(), read.is_null()).to_numpy(zero_copy_only=False)
    if isinstance(spec, Numeric | Integer):
        read = without_sentinels(read, spec.format)
    return _spread(texts, read, wrong)


def _spread(texts: Texts, read: pa.Array, wrong: NDArray[np.bool_]) -> Parsed:
    """The values of distinct texts, over the rows."""
    rows = pa.array(texts.codes, mask=texts.codes < 0)
    bad = np.flatnonzero(np.append(wrong, False)[texts.codes])
    return Parsed(read.take(rows), bad, _text_of_row(texts, bad[0]) if len(bad) else "")


def _text_of_row(texts: Texts, row: np.int64) -> str:
    return str(texts.distinct[int(texts.codes[row])].as_py())


def _missing_as_null(texts: pa.Array, spec: Column, missing: Collection[str]) -> pa.Array:
    """The texts, null where they are empty or mean missing; a listed level never does."""
    listed = set(spec.levels) if isinstance(spec, Categorical) else set()
    absent = is_among(texts, ["", *({*missing, *spec.missing_texts} - listed)])
    return pc.if_else(absent, NO_TEXT, texts)


def is_among(values: pa.Array, listed: Collection[Any]) -> pa.Array:
    """Which values are listed; a null is not."""
    return pc.is_in(values, value_set=pa.array(listed, values.type))


def _native(column: pa.ChunkedArray, spec: Column, missing: Collection[str]) -> pa.Array | None:
    """A typed column that needs no reading, or None."""
    match spec:
        case Numeric() | Integer():
            return _native_numbers(column, spec.format, {*missing, *spec.missing_texts})
        case Boolean() if pa.types.is_boolean(column.type):
            return column.combine_chunks()
        case Datetime() if pa.types.is_timestamp(column.type):
            return utc_moments(column).combine_chunks()
    return None


def _native_numbers(
    column: pa.ChunkedArray, fmt: NumberFormat, missing: Collection[str]
) -> pa.Array | None:
    if not _is_number(column.type):
        return None
    values = column.combine_chunks().cast(pa.float64(), safe=False)
    present = _without_infinite(pc.if_else(pc.is_nan(values), None, values), missing)
    return without_sentinels(present, fmt)


def _without_infinite(values: pa.Array, missing: Collection[str]) -> pa.Array:
    """Null for numbers beyond float32 whose text means missing, as `inf` may."""
    beyond = pc.greater(pc.abs(values), FLOAT32_MAX)
    if not pc.any(beyond).as_py():
        return values
    is_absent = pc.and_(beyond, is_among(values.cast(pa.string()), missing))
    return pc.if_else(is_absent, None, values)


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_floating(kind) or pa.types.is_integer(kind))


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
    if _has_marks(fmt) or not pc.all(plain).as_py():
        texts = _plain(texts, fmt)
        plain = pc.match_substring_regex(texts, NUMBER)
    values = pc.cast(pc.if_else(plain, texts, NO_TEXT), pa.float64())
    return pc.if_else(pc.less_equal(pc.abs(values), FLOAT32_MAX), values, None)


def _has_marks(fmt: NumberFormat) -> bool:
    return (fmt.decimal, fmt.thousands, fmt.strip) != (".", "", ())


def _plain(texts: pa.Array, fmt: NumberFormat) -> pa.Array:
    """Signs, currency and separators taken off: `-1.234,50 €` → `-1234.50`, `(12)` → `-12`."""
    texts = _without_units(_with_plain_minus(texts), fmt.strip)
    if fmt.thousands:
        texts = _ungrouped(texts, fmt)
    return texts if fmt.decimal == "." else pc.replace_substring(texts, fmt.decimal, ".")


def _with_plain_minus(texts: pa.Array) -> pa.Array:
    """Brackets of accountants and the typographic minus as a hyphen."""
    texts = pc.replace_substring_regex(texts, r"^\((.*)\)$", r"-\1")
    return pc.replace_substring(texts, "\u2212", "-")


def _without_units(texts: pa.Array, units: tuple[str, ...]) -> pa.Array:
    for unit in map(re.escape, units):
        texts = pc.replace_substring_regex(texts, rf"^([+-]?)\s*{unit}\s*|\s*{unit}$", r"\1")
    return texts


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
    is_grouped = pc.match_substring_regex(texts, grouped(fmt.thousands))
    loose = pc.if_else(pc.match_substring_regex(texts, marks), pa.scalar("unreadable"), texts)
    return pc.if_else(is_grouped, pc.replace_substring_regex(texts, marks, ""), loose)


def whole(values: pa.Array) -> pa.Array:
    """Numbers without a fraction; null for the others."""
    return pc.if_else(pc.equal(values, pc.floor(values)), values, None)


def without_sentinels(values: pa.Array, fmt: NumberFormat) -> pa.Array:
    """Null for numbers that mean missing."""
    if not fmt.sentinels:
        return values
    return pc.if_else(is_among(values, fmt.sentinels), None, values)


def booleans(texts: pa.Array, spec: Boolean) -> pa.Array:
    """Spellings → true or false; `true` and `false` themselves are always understood."""
    true = is_among(texts, [*spec.true, "true"])
    false = is_among(texts, [*spec.false, "false"])
    return pc.if_else(pc.or_(true, false), true, pa.scalar(None, pa.bool_()))


def levels(texts: pa.Array, known: Collection[str]) -> pa.Array:
    """Level names.

    `3.0` is `3` where the contract lists `3` (a column of codes with gaps is often written so).
    """
    if not known:
        return texts
    short = pc.replace_substring_regex(texts, r"^([+-]?\d+)\.0+$", r"\1")
    is_meant = pc.and_not(is_among(short, known), is_among(texts, known))
    return pc.if_else(is_meant, short, texts)


def moments(texts: pa.Array, fmt: str) -> pa.Array:
    """Texts → timestamp[us], naive UTC; null where a text does not follow `fmt`."""
    if fmt in EPOCH_MICROS:
        return _epoch_moments(texts, EPOCH_MICROS[fmt])
    return pa.array(_pandas_moments(texts, fmt), pa.timestamp("us"))


def _epoch_moments(texts: pa.Array, unit: float) -> pa.Array:
    """Numbers since 1970, of `unit` microseconds each."""
    micros = pc.multiply(numbers(texts, NumberFormat()), unit)
    micros = pc.if_else(pc.less(pc.abs(micros), MICROS_MAX), micros, None)
    return pc.cast(pc.cast(micros, pa.int64(), safe=False), pa.timestamp("us"))


def _pandas_moments(texts: pa.Array, fmt: str) -> Any:
    import pandas as pd

    listed = pd.Series(texts.to_pylist(), dtype=object)
    read = pd.to_datetime(listed, format=fmt, utc=True, errors="coerce")
    return read.dt.tz_localize(None).astype("datetime64[us]").to_numpy()
