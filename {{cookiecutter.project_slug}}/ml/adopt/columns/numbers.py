"""Is a column of texts a column of numbers, how are they written, and which of them mean missing?"""

from __future__ import annotations

import re
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ml.contract import NumberFormat
from ml.dataset.parser import grouped, numbers

if TYPE_CHECKING:
    from numpy.typing import NDArray

MIN_SHARE = 0.98  # of the rows with a value that must read as a number
_SIGNS = "$€£¥₹₽₺₩฿₫₪₦"
_CODES = "EUR|USD|GBP|CHF|JPY|INR|AUD|CAD|kr|Rs\\.?|zł"
PREFIX = re.compile(
    rf"^[+-]?\s*((?:US|A|C|R|HK|NZ|S)?[{_SIGNS}]|{_CODES})\s*(?=[+-]?[\d.])", re.IGNORECASE
)
SUFFIX = re.compile(rf"(?<=[\d.])\s*(%|[{_SIGNS}]|{_CODES})$", re.IGNORECASE)
UNIT = re.compile(r"(?<=[\d.])\s*(°?[^\W\d_][^\W\d]{0,11}(?:/[^\W\d]+)?[²³]?|°)$")
SAMPLE = 2000


def number_format(distinct: pa.Array, counts: NDArray[np.int64]) -> NumberFormat | None:
    """How numbers are written, if at least `MIN_SHARE` of the rows hold one; else None."""
    wanted = MIN_SHARE * counts.sum()
    plain = NumberFormat()
    if _rows_read(distinct, counts, plain) == counts.sum():
        return plain
    step = max(1, len(distinct) // SAMPLE)
    sample = distinct.take(pa.array(range(0, len(distinct), step))).to_pylist()
    if sum(any(c.isdigit() for c in text) for text in sample) < 0.5 * len(sample):
        return None
    strip = _strip(sample)
    likely = [NumberFormat(decimal=d, thousands=t, strip=strip) for d, t in _marks(sample, strip)]
    rows = {fmt: _rows_read(distinct, counts, fmt) for fmt in [plain, *likely]}
    best = max(rows, key=lambda fmt: rows[fmt])
    return best if rows[best] >= wanted else None


def _rows_read(distinct: pa.Array, counts: NDArray[np.int64], fmt: NumberFormat) -> int:
    read = numbers(distinct, fmt).is_valid().to_numpy(zero_copy_only=False)
    return int(counts[read].sum())


def _strip(sample: list[str]) -> tuple[str, ...]:
    """The one currency, percent sign or unit that values carry; several would need a conversion that nobody named."""
    bare = [re.sub(r"^\((.*)\)$", r"\1", text) for text in sample]
    money = {m.group(1) for text in bare for m in (PREFIX.search(text), SUFFIX.search(text)) if m}
    if money:
        return tuple(money) if len(money) == 1 else ()
    units = [m.group(1) if m else "" for m in map(UNIT.search, bare)]
    named = sorted(set(units) - {""}, key=len, reverse=True)
    if not named or units.count("") > 0.1 * len(units) or re.fullmatch(r"[eE]", named[0]):
        return ()
    plural = len(named) == 2 and named[0] == f"{named[1]}s"
    return tuple(named) if len(named) == 1 or plural else ()


def _marks(sample: list[str], strip: tuple[str, ...]) -> list[tuple[str, str]]:
    """Pairs of decimal mark and thousands separator that occur, the likelier first."""
    bare = pa.array(sample, pa.string())
    for token in strip:
        bare = pc.replace_substring_regex(bare, rf"\s*{re.escape(token)}\s*", "")
    texts = [text.strip("()") for text in bare.to_pylist()]
    comma = sum(
        bool(re.search(r"^[+-]?\d*,(\d{1,2}|\d{4,})$|^[+-]?0,\d+$|\.\d{3},\d", text))
        for text in texts
    )
    point = sum(
        bool(re.search(r"^[+-]?\d*\.(\d{1,2}|\d{4,})$|^[+-]?0\.\d+$|,\d{3}\.\d", text))
        for text in texts
    )
    groups = [g for g in ",. '" if any(re.match(grouped(g), text) for text in texts)]
    pairs = [(d, g) for d, g in product(",." if comma > point else ".,", ["", *groups]) if d != g]
    return sorted(pairs, key=lambda pair: (pair[0] == ",") != (comma > point))


def sentinels(values: NDArray[np.float64], counts: NDArray[np.int64]) -> tuple[float, ...]:
    """Repeated numbers of nines (-999, 9999 …) that lie far from all others: they stand for missing.

    Args:
        values: the distinct numbers of a column.
        counts: rows of each.
    """
    nines = [v for v in values.tolist() if _is_nines(v)]
    others = values[~np.isin(values, nines)]
    if not nines or len(others) < 2:
        return ()
    low, high = float(others.min()), float(others.max())
    spread = high - low
    often = {v: counts[values == v][0] >= 3 for v in nines}
    below = [v for v in nines if v < 0 and often[v] and (low >= 0 or low - v > spread)]
    above = [v for v in nines if v >= 999 and often[v] and v - high > max(spread, abs(high))]
    return tuple(below + above)


def _is_nines(value: float) -> bool:
    return (
        abs(value) >= 99 and value == int(value) and bool(re.fullmatch(r"-?9{2,}", f"{value:.0f}"))
    )


def leading_zeros(distinct: pa.Array) -> bool:
    """Whether texts such as 01234 occur: codes, not numbers."""
    return bool(pc.any(pc.match_substring_regex(distinct, r"^0\d+$")).as_py())
