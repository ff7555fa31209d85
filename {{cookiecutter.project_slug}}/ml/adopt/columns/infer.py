"""One column of texts → its kind, or the reason why it is no feature, with the doubts a person should look at."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ml.adopt.columns import name_hints
from ml.adopt.columns.categories import MAX_CLOSED, levels, words
from ml.adopt.columns.datetimes import Dates, dates, epoch, parts_of, years
from ml.adopt.columns.inferred import Found, Values, quoted, values_of
from ml.adopt.columns.numbers import leading_zeros, number_format, sentinels
from ml.contract import (
    FLOAT32_MAX,
    MAX_LEVEL_LENGTH,
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
STRAY_TEXTS = 5  # distinct texts among numbers or dates that may be taken for missing
STRAY_AMONG = 20  # distinct numbers that there must be: 0, 1, 2 and "a" are four levels


def infer(name: str, texts: Texts, is_time: bool = False) -> Found:
    """The kind of one column, or why it is dropped."""
    values = values_of(name, texts)
    if values.present == 0:
        return Found(name, None, values.missing, "every value is missing")
    if is_time:
        return _moment(values, is_time=True) or words(name, texts)
    if len(values.distinct) == 1 and values.missing == 0:
        return Found(name, None, 0, f'constant: always "{printable(values.distinct[0].as_py())}"')
    return (
        _boolean(values)
        or _moment(values)
        or _number(values)
        or _beyond(values)
        or words(name, texts)
    )


def _boolean(values: Values) -> Found | None:
    if len(values.distinct) > 8:
        return None
    listed = values.distinct.to_pylist()
    true = tuple(sorted(t for t in listed if t.lower() in TRUE))
    false = tuple(sorted(t for t in listed if t.lower() in FALSE))
    digits = all(t[0].isdigit() for t in listed)
    if (
        len(true) + len(false) < len(listed)
        or not true
        or (digits and (name_hints.is_measure(values.name) or not false))
    ):
        return None
    if not false and not values.missing:
        return None
    share = values.counts[[t in true for t in listed]].sum() / values.present
    column = Boolean(
        kind="boolean",
        name=values.name,
        missing=values.missing > 0,
        true=true,
        false=false or _opposite(true),
    )
    found = Found(
        values.name, column, values.missing, blanks=values.blanks, facts=f"{share:.1%} true"
    )
    return found if false else found.doubted(f"only {quoted(true)} and blanks")


def _opposite(true: tuple[str, ...]) -> tuple[str, ...]:
    return ("no", "No") if true[0].lower().startswith("y") else ("false", "False")


def _moment(values: Values, is_time: bool = False) -> Found | None:
    said = ~values.placeholders()
    distinct = values.distinct.filter(pa.array(said))
    found = (dates(distinct) or _epoch(values.name, distinct, is_time)) if len(distinct) else None
    if found is None:
        return None
    read = moments(values.distinct, found.format)
    wrong = ~read.is_valid().to_numpy(zero_copy_only=False)
    stray = _texts_at(values, wrong)
    if int((wrong & said).sum()) > STRAY_TEXTS or any(
        len(text) > MAX_LEVEL_LENGTH for text in stray
    ):
        return None
    missing = values.missing + values.rows_of(wrong)
    parts = parts_of(read, is_time)
    column = Datetime(
        kind="datetime", name=values.name, missing=missing > 0, format=found.format, parts=parts
    )
    show = "%Y-%m-%d" if pc.max(read).as_py().year > 1900 else "%H:%M"
    facts = f"{pc.min(read).as_py():{show}} … {pc.max(read).as_py():{show}}"
    verdict = Found(values.name, column, missing, blanks=(*values.blanks, *stray), facts=facts)
    return verdict.doubted(
        *([found.doubt] if found.doubt else []), *_stray(stray, values.rows_of(wrong))
    )


def _texts_at(values: Values, where: NDArray[np.bool_]) -> tuple[str, ...]:
    return (
        tuple(values.distinct.filter(pa.array(where)).slice(0, 100).to_pylist())
        if where.any()
        else ()
    )


def _stray(stray: tuple[str, ...], rows: int) -> list[str]:
    return [f"{quoted(stray)} read as missing ({rows} rows)"] if stray else []


def _epoch(name: str, distinct: pa.Array, is_time: bool) -> Dates | None:
    if not is_time and (name_hints.is_count(name) or name_hints.is_id(name)):
        return None
    read = numbers(distinct, NumberFormat())
    if read.null_count:
        return None
    good = read.to_numpy(zero_copy_only=False)
    return epoch(good) or (years(good) if is_time else None)


def _number(values: Values) -> Found | None:
    said = ~values.placeholders()
    distinct = values.distinct.filter(pa.array(said))
    if not len(distinct) or leading_zeros(distinct):
        return None
    fmt = number_format(distinct, values.counts[said])
    if fmt is None or (fmt.strip and name_hints.is_code(values.name)):
        return None
    read = numbers(values.distinct, fmt).to_numpy(zero_copy_only=False)
    wrong = np.isnan(read)
    stray = _texts_at(values, wrong)
    odd = int((wrong & said).sum())
    if odd > STRAY_TEXTS or (odd and (~wrong).sum() < STRAY_AMONG):
        return None
    if any(len(text) > MAX_LEVEL_LENGTH for text in stray):
        return None
    fmt = fmt.model_copy(update={"sentinels": sentinels(read[~wrong], values.counts[~wrong])})
    absent = wrong | np.isin(read, fmt.sentinels)
    whole = bool((read[~absent] % 1 == 0).all())
    apart = _not_a_count(values, read, absent) if whole and fmt == NumberFormat() else None
    if apart:
        return apart
    low, high = float(read[~absent].min()), float(read[~absent].max())
    missing = values.missing + values.rows_of(absent)
    spec = {"name": values.name, "missing": missing > 0, "min": low, "max": high, "format": fmt}
    column: Column = Integer(kind="integer", **spec) if whole else Numeric(kind="numeric", **spec)
    doubts = [*_stray(stray, values.rows_of(wrong)), *_written(fmt)]
    doubts += [f"{v:g} read as missing ({values.rows_of(read == v)} rows)" for v in fmt.sentinels]
    doubts += _small(values.name, read[~absent], whole)
    doubts += ["an identifier? then DROP it"] if whole and name_hints.is_serial(values.name) else []
    facts = f"{low:g} … {high:g}"
    return Found(
        values.name,
        column,
        missing,
        doubts=tuple(doubts),
        blanks=(*values.blanks, *stray),
        facts=facts,
    )


def _beyond(values: Values) -> Found | None:
    """Numbers that the model's float32 cannot hold."""
    if (
        leading_zeros(values.distinct)
        or not pc.all(pc.match_substring_regex(values.distinct, NUMBER)).as_py()
    ):
        return None
    return Found(values.name, None, values.missing, f"numbers beyond {FLOAT32_MAX:g}: scale them")


def _written(fmt: NumberFormat) -> list[str]:
    marks = [f"decimal {fmt.decimal!r}"] if fmt.decimal != "." else []
    marks += [f"thousands {fmt.thousands!r}"] if fmt.thousands else []
    marks += [f"{quoted(fmt.strip)} cut off"] if fmt.strip else []
    return [f"text: {', '.join(marks)}"] if marks else []


def _small(name: str, good: NDArray[np.float64], whole: bool) -> list[str]:
    if whole and good.min() == -1 and len(good) > 2:
        return ["does -1 mean missing?"]
    return (
        ["codes? then kind: categorical"]
        if whole and len(good) <= 10 and not name_hints.is_count(name)
        else []
    )


def _not_a_count(
    values: Values, read: NDArray[np.float64], absent: NDArray[np.bool_]
) -> Found | None:
    """Whole numbers that are row numbers, identifiers or codes."""
    n, d = values.present, len(values.distinct)
    if n >= 20 and d == n and _is_row_number(values, read):
        return Found(values.name, None, values.missing, "row number", is_id=True)
    long = (
        n >= 20
        and d > 0.95 * n
        and read.min() >= 1e8
        and len(str(int(read.min()))) == len(str(int(read.max())))
    )
    if long or (
        d > 0.95 * n
        and n >= 20
        and (name_hints.is_id(values.name) or name_hints.is_serial(values.name))
    ):
        return Found(
            values.name,
            None,
            values.missing,
            f"identifier: {d} different in {n} rows",
            is_id=d == n,
        )
    if name_hints.is_entity(values.name) and d > MAX_CLOSED:
        return Found(
            values.name,
            None,
            values.missing,
            f"identifier: {d} different, each in several rows",
            is_id=True,
        )
    if name_hints.is_id(values.name) and d > MAX_CLOSED and n < 10 * d:
        return Found(values.name, None, values.missing, f"identifier: {d} different in {n} rows")
    if (
        d > 2
        and not absent.any()
        and (name_hints.is_code(values.name) or name_hints.is_id(values.name))
    ):
        found = levels(_short(values))
        return found and found.doubted("codes? if counts: kind integer")
    return None


def _short(values: Values) -> Values:
    """Codes without the `.0` that a column with gaps gives them."""
    short = pc.replace_substring_regex(values.distinct, r"\.0+$", "")
    return replace(values, distinct=short) if len(pc.unique(short)) == len(short) else values


def _is_row_number(values: Values, read: NDArray[np.float64]) -> bool:
    """Every step the same (in any order), or rising down the file with few gaps."""
    steps = np.diff(np.sort(read))
    if (steps == steps[0]).all() and (
        steps[0] == 1 or name_hints.is_id(values.name) or values.name.startswith("column_")
    ):
        return True
    ordered = read[values.codes[values.codes >= 0]]
    return bool(
        (np.diff(ordered) > 0).all()
        and len(read) > 0.5 * (read.max() - read.min() + 1)
        and len(read) >= 100
    )


def missing_texts(blanks: Iterable[str]) -> tuple[str, ...]:
    """Texts of a column that mean missing, apart from the usual ones, which need no mention."""
    return tuple(sorted(set(blanks) - set(Source().missing)))
