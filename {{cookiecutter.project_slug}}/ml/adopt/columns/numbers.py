"""Columns of numbers: whether a column is one, how it is written, which numbers mean missing."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ml.adopt.columns.inferred import Values, sampled
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
# a mark that separates no thousands: not followed by three digits, after a 0, or after such a group
DECIMAL_COMMA = re.compile(r"^[+-]?\d*,(\d{1,2}|\d{4,})$|^[+-]?0,\d+$|\.\d{3},\d")
DECIMAL_POINT = re.compile(r"^[+-]?\d*\.(\d{1,2}|\d{4,})$|^[+-]?0\.\d+$|,\d{3}\.\d")
SAMPLE = 2000
MIN_SENTINEL_ROWS = 3  # of a number that means missing


@dataclass(frozen=True)
class ReadNumbers:
    """A column's distinct texts read as numbers."""

    values: Values
    format: NumberFormat  # with the numbers that mean missing
    read: NDArray[np.float64]  # NaN: the text is no number
    wrong: NDArray[np.bool_]  # which texts are no number
    absent: NDArray[np.bool_]  # which of them are no number, or one that means missing

    @property
    def present(self) -> NDArray[np.float64]:
        """The numbers that mean what they say."""
        return self.read[~self.absent]

    @property
    def is_whole(self) -> bool:
        """Whether no number has a fraction."""
        return bool((self.present % 1 == 0).all())

    @property
    def missing(self) -> int:
        """Rows without a number."""
        return self.values.missing + self.values.rows_of(self.absent)

    def sentinel_doubts(self) -> list[str]:
        """A doubt for each number that is read as missing."""
        return [
            f"{number:g} read as missing ({self.values.rows_of(self.read == number)} rows)"
            for number in self.format.sentinels
        ]


def column_format(values: Values) -> NumberFormat | None:
    """How a column's numbers are written, if nearly all values are numbers or words for missing."""
    are_values = ~values.placeholders()
    distinct = values.distinct.filter(pa.array(are_values))
    return number_format(distinct, values.counts[are_values]) if len(distinct) else None


def read_numbers(values: Values, fmt: NumberFormat) -> ReadNumbers:
    """Read a column's values as `fmt` writes them, and find the numbers that mean missing."""
    read = numbers(values.distinct, fmt).to_numpy(zero_copy_only=False)
    wrong = np.isnan(read)
    fmt = fmt.model_copy(update={"sentinels": sentinels(read[~wrong], values.counts[~wrong])})
    return ReadNumbers(values, fmt, read, wrong, wrong | np.isin(read, fmt.sentinels))


def number_format(distinct: pa.Array, counts: NDArray[np.int64]) -> NumberFormat | None:
    """How numbers are written, if at least `MIN_SHARE` of the rows hold one; else None."""
    plain, total = NumberFormat(), counts.sum()
    if _rows_read(distinct, counts, plain) == total:
        return plain
    candidates = _candidates(sampled(distinct, SAMPLE).to_pylist())
    rows = {fmt: _rows_read(distinct, counts, fmt) for fmt in candidates}
    best = max(rows, key=lambda fmt: rows[fmt], default=None)
    return best if best and rows[best] >= MIN_SHARE * total else None


def _candidates(sample: list[str]) -> list[NumberFormat]:
    """Formats that the texts may have, the likelier first; none if few texts hold a digit."""
    if sum(any(c.isdigit() for c in text) for text in sample) < 0.5 * len(sample):
        return []
    strip = _strip(sample)
    marks = _marks(_without(sample, strip))
    formats = [NumberFormat(decimal=d, thousands=t, strip=strip) for d, t in marks]
    return [NumberFormat(), *formats]


def _rows_read(distinct: pa.Array, counts: NDArray[np.int64], fmt: NumberFormat) -> int:
    read = numbers(distinct, fmt).is_valid().to_numpy(zero_copy_only=False)
    return int(counts[read].sum())


def _strip(sample: list[str]) -> tuple[str, ...]:
    """The one currency, percent sign or unit that values carry.

    Several would need a conversion that nobody named.
    """
    bare = [re.sub(r"^\((.*)\)$", r"\1", text) for text in sample]
    matches = [pattern.search(text) for text in bare for pattern in (PREFIX, SUFFIX)]
    signs = {match.group(1) for match in matches if match}
    if signs:
        return tuple(signs) if len(signs) == 1 else ()
    return _unit(bare)


def _unit(bare: list[str]) -> tuple[str, ...]:
    """The unit after nearly all numbers, and its plural."""
    units = [m.group(1) if m else "" for m in map(UNIT.search, bare)]
    named = sorted(set(units) - {""}, key=len, reverse=True)
    is_rare = units.count("") > 0.1 * len(units)
    return tuple(named) if _are_one_unit(named) and not is_rare else ()


def _are_one_unit(named: list[str]) -> bool:
    """A single unit, or its plural and itself; an exponent such as the e of 1e is none."""
    if not named or re.fullmatch(r"[eE]", named[0]):
        return False
    return len(named) == 1 or (len(named) == 2 and named[0] == f"{named[1]}s")


def _without(sample: list[str], strip: tuple[str, ...]) -> list[str]:
    """The texts without currency, unit and brackets."""
    bare = pa.array(sample, pa.string())
    for token in strip:
        bare = pc.replace_substring_regex(bare, rf"\s*{re.escape(token)}\s*", "")
    return [text.strip("()") for text in bare.to_pylist()]


def _marks(texts: list[str]) -> list[tuple[str, str]]:
    """Pairs of decimal mark and thousands separator that occur, the likelier first."""
    is_comma = _count(DECIMAL_COMMA, texts) > _count(DECIMAL_POINT, texts)
    groups = [g for g in ",. '" if any(re.match(grouped(g), text) for text in texts)]
    pairs = [(d, g) for d, g in product(",." if is_comma else ".,", ["", *groups]) if d != g]
    return sorted(pairs, key=lambda pair: (pair[0] == ",") != is_comma)


def _count(pattern: re.Pattern[str], texts: list[str]) -> int:
    return sum(bool(pattern.search(text)) for text in texts)


def sentinels(values: NDArray[np.float64], counts: NDArray[np.int64]) -> tuple[float, ...]:
    """Repeated numbers of nines (-999, 9999 …) that lie far from all others.

    They stand for missing.

    Args:
        values: the distinct numbers of a column.
        counts: rows of each.
    """
    nines = [v for v in values.tolist() if _is_nines(v)]
    others = values[~np.isin(values, nines)]
    if not nines or len(others) < 2:
        return ()
    low, high = float(others.min()), float(others.max())
    repeated = [v for v in nines if counts[values == v][0] >= MIN_SENTINEL_ROWS]
    below = [v for v in repeated if v < 0 and _is_far_below(v, low, high)]
    above = [v for v in repeated if v >= 999 and _is_far_above(v, low, high)]
    return tuple(below + above)


def _is_far_below(value: float, low: float, high: float) -> bool:
    return low >= 0 or low - value > high - low


def _is_far_above(value: float, low: float, high: float) -> bool:
    return value - high > max(high - low, abs(high))


def _is_nines(value: float) -> bool:
    return (
        abs(value) >= 99 and value == int(value) and bool(re.fullmatch(r"-?9{2,}", f"{value:.0f}"))
    )


def leading_zeros(distinct: pa.Array) -> bool:
    """Whether texts such as 01234 occur: codes, not numbers."""
    return bool(pc.any(pc.match_substring_regex(distinct, r"^0\d+$")).as_py())
