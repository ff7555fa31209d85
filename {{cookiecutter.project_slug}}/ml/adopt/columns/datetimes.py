"""Columns of moments: whether a column of texts or numbers is one, and how it is written."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ml.adopt.columns.inferred import sampled
from ml.dataset.parser import moments

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ml.contract import DatePart

DAYS = (
    "%m/%d/%Y", "%d/%m/%Y", "%Y/%m/%d", "%d.%m.%Y", "%Y.%m.%d", "%d-%m-%Y", "%m-%d-%Y", "%d-%b-%Y",
    "%d %b %Y",
    "%d %B %Y", "%b %d, %Y", "%B %d, %Y", "%b %d %Y", "%d/%b/%Y", "%m/%d/%y", "%d/%m/%y",
    "%d.%m.%y", "%d-%b-%y",
    "%y-%m-%d", "%Y%m%d",
)  # fmt: skip
TIMES = (
    "",
    " %H:%M",
    " %H:%M:%S",
    " %H:%M:%S.%f",
    " %I:%M %p",
    " %I:%M:%S %p",
    "T%H:%M:%S",
    ":%H:%M:%S",
    ", %H:%M",
)
ODD = (
    "%Y-%m-%d %H:%M:%S UTC", "%Y-%m-%d %H:%M UTC", "%H:%M", "%H:%M:%S", "%a %b %d %H:%M:%S %Y",
    "%a, %d %b %Y %H:%M:%S", "%Y-%m-%d %I:%M:%S %p", "%Y-%m-%d %I:%M %p", "%d/%b/%Y:%H:%M:%S %z",
    "%b %Y", "%b-%Y",
    "%b-%y", "%B %Y", "%m/%Y",
)  # fmt: skip
FORMATS = ("ISO8601", *(day + time for day, time in product(DAYS, TIMES)), *ODD)
LOOKS = re.compile(
    r"\d[-/.: ]\w{1,9}[-/.:, ]|[^\W\d]{3,9}[ -]\d{1,2},? |^\d{8}$|^\d{1,2}:\d\d|^\d{4}-\d\d$"
    r"|^[A-Z][a-z]{2,8}[ -](\d\d|\d{4})$|^\d\d?/\d{4}$"
)
# 2000 to 2035
EPOCH_S, EPOCH_MS = (946_684_800, 2_051_222_400), (946_684_800_000, 2_051_222_400_000)
EPOCH_DAYS = 12_784  # between these bounds
FIRST_YEAR, LAST_YEAR = 1700, 2200  # of records
# days that a column must span for its month or weekday to be a part; the month of the time column
# must come twice
MONTH_DAYS, TIME_MONTH_DAYS, WEEKDAY_DAYS = 60, 547, 14
SAMPLE = 400
MIN_SHARE = 0.95  # of the distinct texts that must be moments


@dataclass(frozen=True)
class DatetimeFormat:
    """How moments are written, and what a person should check."""

    format: str
    doubt: str = ""


def text_format(distinct: pa.Array) -> DatetimeFormat | None:
    """The format in which (nearly) all distinct texts are moments, or None."""
    sample = sampled(distinct, SAMPLE)
    if not _look_like_moments(sample.to_pylist()):
        return None
    fitting = _best_formats(sample, distinct)
    if not fitting or not _is_plausible(distinct, fitting[0]):
        return None
    return _day_or_month_first(distinct, fitting)


def _look_like_moments(texts: list[str]) -> bool:
    """A quick look before any format is tried."""
    return sum(bool(LOOKS.search(text)) for text in texts) >= MIN_SHARE * len(texts)


def _day_or_month_first(distinct: pa.Array, fitting: list[str]) -> DatetimeFormat:
    """The first of the formats, or the one with day and month swapped, which may fit as well."""
    first, *others = fitting
    swapped = next((fmt for fmt in others if _swapped(fmt) == first), None)
    if swapped is None:
        return DatetimeFormat(first)
    likelier = _likelier(distinct, first, swapped)
    return DatetimeFormat(likelier, f"or {_swapped(likelier)}? no day is above 12")


def _best_formats(sample: pa.Array, distinct: pa.Array) -> list[str]:
    """The formats that read most of the texts, where they read nearly all."""
    shares = {f: _share(distinct, f) for f in FORMATS if _share(sample, f) >= MIN_SHARE}
    best = max(shares.values(), default=0)
    return [f for f, share in shares.items() if share == best >= MIN_SHARE]


def _is_plausible(distinct: pa.Array, fmt: str) -> bool:
    """Whether the years are those of records; any eight digits could be a date."""
    years = pc.drop_null(pc.year(moments(distinct, fmt)))
    return ("%d" not in fmt and fmt != "ISO8601") or pc.min(years).as_py() >= FIRST_YEAR


def _likelier(distinct: pa.Array, first: str, other: str) -> str:
    """Of month/day and day/month the one that is meant.

    If one of them gives a single day, the table holds the first of each month; else the one that is
    usual for the separator.
    """
    days = [len(pc.unique(pc.day(moments(distinct, fmt)))) for fmt in (first, other)]
    if min(days) == 1 < max(days):
        return first if days[0] == 1 else other
    dotted = "." in first or "-" in first
    return first if first.startswith("%d" if dotted else "%m") else other


def _swapped(fmt: str) -> str:
    return fmt.replace("%d", "%_").replace("%m", "%d").replace("%_", "%m")


def _share(texts: pa.Array, fmt: str) -> float:
    return 1 - float(moments(texts, fmt).null_count) / len(texts)


def epoch_format(values: NDArray[np.float64]) -> DatetimeFormat | None:
    """Numbers that all lie between 2000 and 2035 as (milli)seconds since 1970, over a day apart."""
    if _are_within(values, *EPOCH_S):
        return DatetimeFormat("epoch_s", "seconds since 1970?")
    if _are_within(values, *EPOCH_MS):
        return DatetimeFormat("epoch_ms", "milliseconds since 1970?")
    return None


def _are_within(values: NDArray[np.float64], first: int, last: int) -> bool:
    low, high = np.nanmin(values), np.nanmax(values)
    day = (last - first) / EPOCH_DAYS
    return bool(first <= low and high <= last and high - low > day)


def year_format(values: NDArray[np.float64]) -> DatetimeFormat | None:
    """Whole numbers that are years."""
    are_whole = bool((values % 1 == 0).all())
    are_years = are_whole and values.min() >= FIRST_YEAR and values.max() <= LAST_YEAR
    return DatetimeFormat("%Y") if are_years else None


def parts_of(values: pa.Array, is_time: bool) -> tuple[DatePart, ...]:
    """The parts that vary; of the time column only periodic ones that the data cover.

    The days of the time column never repeat, so they tell a model nothing about later rows.
    """
    present = values.drop_null()
    if len(present) == 0:
        return ()
    days = (pc.max(present).as_py() - pc.min(present).as_py()).days
    months_needed = TIME_MONTH_DAYS if is_time else MONTH_DAYS
    varies: dict[DatePart, bool] = {
        "days": not is_time and days > 0,
        "month": days >= months_needed,
        "weekday": days >= WEEKDAY_DAYS and _vary(pc.day_of_week(present)),
        "hour": _vary(pc.hour(present)),
    }
    return tuple(part for part, does in varies.items() if does)


def _vary(values: pa.Array) -> bool:
    return len(pc.unique(values)) > 1
