"""One column of texts → its kind, or why it is no feature, with the doubts to look at."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ml.adopt.columns import name_hints
from ml.adopt.columns.categories import MAX_CLOSED, infer_levels, infer_words
from ml.adopt.columns.datetimes import (
    DatetimeFormat,
    epoch_format,
    parts_of,
    text_format,
    year_format,
)
from ml.adopt.columns.inferred import (
    MIN_UNIQUE_ROWS,
    InferredColumn,
    Values,
    quoted,
    stray_texts,
    values_of,
)
from ml.adopt.columns.numbers import ReadNumbers, column_format, leading_zeros, read_numbers
from ml.contract import (
    FLOAT32_MAX,
    Boolean,
    Column,
    Datetime,
    Integer,
    NumberFormat,
    Numeric,
    Source,
)
from ml.dataset.parser import NUMBER, Texts, moments, numbers
from ml.errors import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

TRUE = name_hints.listed("yes y true t 1 1.0 on ja oui si sí sim wahr vrai vero")
FALSE = name_hints.listed("no n false f 0 0.0 off nein non não falsch faux falso")
MAX_SPELLINGS = 8  # of a boolean
STRAY_AMONG = 20  # distinct numbers among which a text is stray: 0, 1, 2 and "a" are four levels
MIN_LONG_ID = 1e8  # unlike numbers of nine digits or more, all of one length, are no amounts
MIN_SERIES_ROWS = 100  # of a row number that has gaps


def infer_column(name: str, texts: Texts, is_time: bool = False) -> InferredColumn:
    """The kind of one column, or why it is dropped."""
    values = values_of(name, texts)
    if values.present == 0:
        return values.dropped("every value is missing")
    if is_time:
        return _moment(values, is_time=True) or infer_words(name, texts)
    if len(values.distinct) == 1 and values.missing == 0:
        return values.dropped(f'constant: always "{printable(values.distinct[0].as_py())}"')
    typed = _boolean(values) or _moment(values) or _number(values) or _too_large(values)
    return typed or infer_words(name, texts)


def _boolean(values: Values) -> InferredColumn | None:
    if len(values.distinct) > MAX_SPELLINGS:
        return None
    listed = values.distinct.to_pylist()
    true = tuple(sorted(t for t in listed if t.lower() in TRUE))
    false = tuple(sorted(t for t in listed if t.lower() in FALSE))
    if len(true) + len(false) < len(listed) or not _are_two_sides(values, true, false):
        return None
    share = values.counts[[t in true for t in listed]].sum() / values.present
    inferred = values.inferred(_boolean_column(values, true, false), facts=f"{share:.1%} true")
    return inferred if false else inferred.with_doubts(f"only {quoted(true)} and blanks")


def _boolean_column(values: Values, true: tuple[str, ...], false: tuple[str, ...]) -> Boolean:
    return Boolean(
        kind="boolean",
        name=values.name,
        missing=values.missing > 0,
        true=true,
        false=false or _opposite(true),
    )


def _are_two_sides(values: Values, true: tuple[str, ...], false: tuple[str, ...]) -> bool:
    """Whether both sides occur.

    Blanks may stand for no, though not beside digits, which may count something.
    """
    are_digits = all(text[0].isdigit() for text in (*true, *false))
    if not true or (are_digits and name_hints.is_measure(values.name)):
        return False
    return bool(false) or (not are_digits and values.missing > 0)


def _opposite(true: tuple[str, ...]) -> tuple[str, ...]:
    return ("no", "No") if true[0].lower().startswith("y") else ("false", "False")


def _moment(values: Values, is_time: bool = False) -> InferredColumn | None:
    written = _moment_format(values, is_time)
    if written is None:
        return None
    read = moments(values.distinct, written.format)
    wrong = ~read.is_valid().to_numpy(zero_copy_only=False)
    stray = stray_texts(values, wrong)
    if stray is None:
        return None
    missing = values.missing + values.rows_of(wrong)
    column = Datetime(
        kind="datetime",
        name=values.name,
        missing=missing > 0,
        format=written.format,
        parts=parts_of(read, is_time),
    )
    inferred = values.inferred(column, facts=_moment_range(read), stray=stray, missing=missing)
    doubts = [written.doubt] if written.doubt else []
    return inferred.with_doubts(*doubts, *_stray_doubt(stray, values.rows_of(wrong)))


def _moment_format(values: Values, is_time: bool) -> DatetimeFormat | None:
    """How the values that are not words for missing are written as moments."""
    distinct = values.distinct.filter(pa.array(~values.placeholders()))
    if len(distinct) == 0:
        return None
    return text_format(distinct) or _number_format(values.name, distinct, is_time)


def _moment_range(read: pa.Array) -> str:
    """First and last day, or time of day where the texts name no day (they are read as of 1900)."""
    first, last = pc.min(read).as_py(), pc.max(read).as_py()
    fmt = "%Y-%m-%d" if last.year > 1900 else "%H:%M"
    return f"{first:{fmt}} … {last:{fmt}}"


def _stray_doubt(stray: tuple[str, ...], rows: int) -> list[str]:
    return [f"{quoted(stray)} read as missing ({rows} rows)"] if stray else []


def _number_format(name: str, distinct: pa.Array, is_time: bool) -> DatetimeFormat | None:
    """How numbers are moments: since 1970, or years in the column that a person named as time."""
    if not is_time and (name_hints.is_count(name) or name_hints.is_id(name)):
        return None
    read = numbers(distinct, NumberFormat())
    if read.null_count:
        return None
    values = read.to_numpy(zero_copy_only=False)
    return epoch_format(values) or (year_format(values) if is_time else None)


def _number(values: Values) -> InferredColumn | None:
    read = _read_as_numbers(values)
    if read is None:
        return None
    stray = stray_texts(values, read.wrong)
    has_words = bool((read.wrong & ~values.placeholders()).any())
    if stray is None or (has_words and (~read.wrong).sum() < STRAY_AMONG):
        return None
    is_plain = read.is_whole and read.format == NumberFormat()
    return (_not_a_count(read) if is_plain else None) or _quantity(read, stray)


def _read_as_numbers(values: Values) -> ReadNumbers | None:
    """The values as numbers; None: they are not written so, or are codes such as 01234."""
    fmt = None if leading_zeros(values.distinct) else column_format(values)
    if fmt is None or (fmt.strip and name_hints.is_code(values.name)):
        return None
    return read_numbers(values, fmt)


def _quantity(read: ReadNumbers, stray: tuple[str, ...]) -> InferredColumn:
    """Numbers that measure or count something."""
    values = read.values
    low, high = float(read.present.min()), float(read.present.max())
    spec = {
        "name": values.name,
        "missing": read.missing > 0,
        "min": low,
        "max": high,
        "format": read.format,
    }
    column: Column = (
        Integer(kind="integer", **spec) if read.is_whole else Numeric(kind="numeric", **spec)
    )
    facts = f"{low:g} … {high:g}"
    inferred = values.inferred(column, facts=facts, stray=stray, missing=read.missing)
    return inferred.with_doubts(*_quantity_doubts(read, stray))


def _quantity_doubts(read: ReadNumbers, stray: tuple[str, ...]) -> list[str]:
    doubts = _stray_doubt(stray, read.values.rows_of(read.wrong))
    doubts += [*_format_doubt(read.format), *read.sentinel_doubts()]
    return doubts + (_whole_number_doubts(read) if read.is_whole else [])


def _too_large(values: Values) -> InferredColumn | None:
    """Numbers that the model's float32 cannot hold."""
    are_numbers = pc.all(pc.match_substring_regex(values.distinct, NUMBER)).as_py()
    if leading_zeros(values.distinct) or not are_numbers:
        return None
    return values.dropped(f"numbers beyond {FLOAT32_MAX:g}: scale them")


def _format_doubt(fmt: NumberFormat) -> list[str]:
    marks = [f"decimal {fmt.decimal!r}"] if fmt.decimal != "." else []
    marks += [f"thousands {fmt.thousands!r}"] if fmt.thousands else []
    marks += [f"{quoted(fmt.strip)} cut off"] if fmt.strip else []
    return [f"text: {', '.join(marks)}"] if marks else []


def _whole_number_doubts(read: ReadNumbers) -> list[str]:
    is_serial = name_hints.is_serial(read.values.name)
    identifier = ["an identifier? then DROP it"] if is_serial else []
    return [*_code_doubt(read.values.name, read.present), *identifier]


def _code_doubt(name: str, present: NDArray[np.float64]) -> list[str]:
    """What few whole numbers may mean besides a count."""
    if present.min() == -1 and len(present) > 2:
        return ["does -1 mean missing?"]
    are_few = len(present) <= 10 and not name_hints.is_count(name)
    return ["codes? then kind: categorical"] if are_few else []


def _not_a_count(read: ReadNumbers) -> InferredColumn | None:
    """Whole numbers that are row numbers, identifiers or codes."""
    if _is_row_number(read.values, read.read):
        return read.values.dropped("row number", is_id=True)
    return _identifier(read.values, read.read) or _codes(read)


def _identifier(values: Values, read: NDArray[np.float64]) -> InferredColumn | None:
    name, n, d = values.name, values.present, len(values.distinct)
    named = name_hints.is_id(name)
    if values.nearly_unique and (named or name_hints.is_serial(name) or _are_long(read)):
        return values.dropped(f"identifier: {d} different in {n} rows", is_id=d == n)
    if name_hints.is_entity(name) and d > MAX_CLOSED:
        return values.dropped(f"identifier: {d} different, each in several rows", is_id=True)
    if named and d > MAX_CLOSED and n < 10 * d:
        return values.dropped(f"identifier: {d} different in {n} rows")
    return None


def _are_long(read: NDArray[np.float64]) -> bool:
    """Whether all have the same number of digits, and at least nine."""
    low, high = read.min(), read.max()
    return bool(low >= MIN_LONG_ID) and len(str(int(low))) == len(str(int(high)))


def _codes(read: ReadNumbers) -> InferredColumn | None:
    """Levels of a category that are written as numbers, where the column's name says so."""
    values = read.values
    named = name_hints.is_code(values.name) or name_hints.is_id(values.name)
    if not named or len(values.distinct) <= 2 or read.absent.any():
        return None
    inferred = infer_levels(_without_fraction(values))
    return inferred and inferred.with_doubts("codes? if counts: kind integer")


def _without_fraction(values: Values) -> Values:
    """Codes without the `.0` that a column with gaps gives them."""
    short = pc.replace_substring_regex(values.distinct, r"\.0+$", "")
    return replace(values, distinct=short) if len(pc.unique(short)) == len(short) else values


def _is_row_number(values: Values, read: NDArray[np.float64]) -> bool:
    """Each number once, and every step the same (in any order) or few gaps down the file."""
    if not values.present == len(values.distinct) >= MIN_UNIQUE_ROWS:
        return False
    steps = np.diff(np.sort(read))
    named = name_hints.is_id(values.name) or values.name.startswith("column_")
    if (steps == steps[0]).all() and (steps[0] == 1 or named):
        return True
    return len(read) >= MIN_SERIES_ROWS and _rises_with_few_gaps(
        read[values.codes[values.codes >= 0]]
    )


def _rises_with_few_gaps(ordered: NDArray[np.float64]) -> bool:
    is_dense = len(ordered) > 0.5 * (ordered.max() - ordered.min() + 1)
    return bool((np.diff(ordered) > 0).all() and is_dense)


def missing_texts(blanks: Iterable[str]) -> tuple[str, ...]:
    """Texts of a column that mean missing, apart from the usual ones, which need no mention."""
    return tuple(sorted(set(blanks) - set(Source().missing)))
