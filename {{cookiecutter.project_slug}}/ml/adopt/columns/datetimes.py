"""Is a column of texts a column of moments, and how are they written?"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

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
SAMPLE = 400
MIN_SHARE = 0.95  # of the distinct texts that must be moments


@dataclass(frozen=True)
class Dates:
    """The format, and what a person should check."""

    format: str
    doubt: str = ""


def dates(distinct: pa.Array) -> Dates | None:
    """The format in which (nearly) all distinct texts are moments, or None."""
    step = max(1, len(distinct) // SAMPLE)
    sample = distinct.take(pa.array(range(0, len(distinct), step)))
    looks = sum(bool(LOOKS.search(text)) for text in sample.to_pylist())
    if looks < MIN_SHARE * len(sample):
        return None
    fitting = _best_formats(sample, distinct)
    if not fitting or not _plausible(distinct, fitting[0]):
        return None
    other = next((f for f in fitting if f != fitting[0] and _swapped(f) == fitting[0]), None)
    if other is None:
        return Dates(fitting[0])
    likelier = _likelier(distinct, fitting[0], other)
    return Dates(likelier, f"or {_swapped(likelier)}? no day is above 12")


def _best_formats(sample: pa.Array, distinct: pa.Array) -> list[str]:
    """The formats that read most of the texts, where they read nearly all."""
    shares = {f: _share(distinct, f) for f in FORMATS if _share(sample, f) >= MIN_SHARE}
    best = max(shares.values(), default=0)
    return [f for f, share in shares.items() if share == best >= MIN_SHARE]


def _plausible(distinct: pa.Array, fmt: str) -> bool:
    """Whether the years are those of records; any eight digits could be a date."""
    found = pc.drop_null(pc.year(moments(distinct, fmt)))
    return ("%d" not in fmt and fmt != "ISO8601") or pc.min(found).as_py() >= 1700


def _likelier(distinct: pa.Array, first: str, other: str) -> str:
    """Of month/day and day/month.

    The one whose days differ, for months at a fixed day are rarer than the reverse.
    """
    days = [len(pc.unique(pc.day(moments(distinct, fmt)))) for fmt in (first, other)]
    if min(days) == 1 < max(days):  # one day of each month: the first of the month
        return first if days[0] == 1 else other
    dotted = "." in first or "-" in first
    return first if first.startswith("%d" if dotted else "%m") else other


def _swapped(fmt: str) -> str:
    return fmt.replace("%d", "%_").replace("%m", "%d").replace("%_", "%m")


def _share(texts: pa.Array, fmt: str) -> float:
    return 1 - float(moments(texts, fmt).null_count) / len(texts)


def epoch(values: NDArray[np.float64]) -> Dates | None:
    """Numbers that all lie between 2000 and 2035 as (milli)seconds since 1970, over a day apart."""
    low, high = np.nanmin(values), np.nanmax(values)
    for fmt, (first, last) in (("epoch_s", EPOCH_S), ("epoch_ms", EPOCH_MS)):
        # days from 2000 to 2035
        if first <= low and high <= last and high - low > (last - first) / 12_784:
            return Dates(fmt, f"{'seconds' if fmt == 'epoch_s' else 'milliseconds'} since 1970?")
    return None


def years(values: NDArray[np.float64]) -> Dates | None:
    """Whole numbers that are years."""
    sound = bool((values % 1 == 0).all() and values.min() >= 1700 and values.max() <= 2200)
    return Dates("%Y") if sound else None


def parts_of(values: pa.Array, is_time: bool) -> tuple[DatePart, ...]:
    """The parts that vary. Of the time column only periodic ones that the data cover.

    A trend cannot repeat.
    """
    moment = values.drop_null()
    if len(moment) == 0:
        return ()
    days = (pc.max(moment).as_py() - pc.min(moment).as_py()).days
    parts: list[DatePart] = [] if is_time or days == 0 else ["days"]
    if days >= (547 if is_time else 60):
        parts.append("month")
    if days >= 14 and len(pc.unique(pc.day_of_week(moment))) > 1:
        parts.append("weekday")
    if len(pc.unique(pc.hour(moment))) > 1:
        parts.append("hour")
    return tuple(parts)
