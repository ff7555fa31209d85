"""Rows → one float32 matrix, numpy only: the one place where a row becomes numbers.

Training, export, serving and offline scoring all call it, so that none can differ from another:
numbers as they are, booleans 0/1, levels as their position in the contract (-1: missing or unseen),
moments as their parts, words as hashed counts, missing numbers as NaN.
"""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import repeat
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.contract import (
    Boolean,
    Categorical,
    Column,
    Contract,
    DatePart,
    Datetime,
    Integer,
    Numeric,
    Text,
)

Matrix = NDArray[np.float32]
Values = Sequence[Any] | NDArray[Any]

NAN = math.nan
UNSEEN = -1.0
FEW_ROWS = 8  # with more, a column at a time is quicker than a row at a time
_WORD = re.compile(r"\w+")
DAY_SECONDS = 86_400
_EPOCH = datetime(1970, 1, 1)


@dataclass(frozen=True)
class Feature:
    """One column of the matrix."""

    name: str
    column: str  # of the contract, from which it is made
    levels: int = 0  # number of levels of a categorical column, 0 for numbers


def features(contract: Contract) -> list[Feature]:
    """The matrix's columns, in order."""
    return [feature for column in contract.columns for feature in features_of(column)]


def features_of(column: Column) -> list[Feature]:
    """The matrix's columns of one column of the contract; none where it is only carried along."""
    if column.use == "audit":
        return []
    match column:
        case Categorical():
            return [Feature(column.name, column.name, len(column.levels))]
        case Datetime():
            return [Feature(f"{column.name}.{part}", column.name) for part in column.parts]
        case Text():
            return [Feature(f"{column.name}#{i}", column.name) for i in range(column.buckets)]
        case Numeric() | Integer() | Boolean():
            return [Feature(column.name, column.name)]


class Encoder:
    """Encodes rows of one contract; it has no state but the contract's.

    Args:
        contract: what a row is. Values are expected to be valid for it (see `ml.pipeline.validate`
            and `ml.request_schema`); a level it does not list becomes -1.
    """

    def __init__(self, contract: Contract) -> None:
        self.features = features(contract)
        self._columns = [c for c in contract.columns if features_of(c)]
        self._row = [(c.name, _scalar(c), len(features_of(c)) == 1) for c in self._columns]

    def rows(self, rows: Sequence[Mapping[str, Any]]) -> Matrix:
        """Encode JSON-like rows → (n, k).

        Args:
            rows: numbers, booleans, texts and ISO 8601 moments; None or absent: missing.
        """
        if len(rows) > FEW_ROWS:
            return self._column_by_column(rows)
        return np.array([self._one(row) for row in rows], dtype=np.float32).reshape(
            len(rows), len(self.features)
        )

    def _column_by_column(self, rows: Sequence[Mapping[str, Any]]) -> Matrix:
        matrix = np.empty((len(rows), len(self.features)), dtype=np.float32)
        at = 0
        for column, (name, encode, _) in zip(self._columns, self._row, strict=True):
            values = _values(rows, name)
            if isinstance(column, Datetime | Text):  # as requests carry them, not as tables do
                block = np.array([encode(value) for value in values], dtype=np.float32).reshape(
                    len(rows), -1
                )
            else:
                block = _block(column, values)
            matrix[:, at : at + block.shape[1]] = block
            at += block.shape[1]
        return matrix

    def _one(self, row: Mapping[str, Any]) -> list[float]:
        values: list[float] = []
        for name, encode, single in self._row:
            value = row.get(name)
            if single:
                values.append(encode(value))
            else:
                values.extend(encode(value))
        return values

    def columns(self, columns: Mapping[str, Values]) -> Matrix:
        """Encode whole columns → (n, k).

        Args:
            columns: numbers, booleans, texts or datetime64; None or NaN: missing.
        """
        n = len(next(iter(columns.values()))) if columns else 0
        matrix = np.empty((n, len(self.features)), dtype=np.float32)
        at = 0
        for column in self._columns:
            width = len(features_of(column))
            matrix[:, at : at + width] = _block(column, columns[column.name])
            at += width
        return matrix


def _values(rows: Sequence[Mapping[str, Any]], name: str) -> list[Any]:
    """A column of rows; None where it is absent."""
    try:
        return list(map(itemgetter(name), rows))
    except KeyError:  # absent from some rows
        return [row.get(name) for row in rows]


def _scalar(column: Column) -> Callable[[Any], Any]:
    match column:
        case Categorical():
            codes = {level: float(i) for i, level in enumerate(column.levels)}
            return lambda value: codes.get(value, UNSEEN)
        case Datetime(parts=parts):
            if len(parts) == 1:
                return lambda value: _moment_parts(value, parts)[0]
            return lambda value: _moment_parts(value, parts)
        case Text(buckets=buckets):
            if buckets == 1:
                return lambda value: _hashed(value, buckets)[0]
            return lambda value: _hashed(value, buckets)
        case Numeric() | Integer() | Boolean():
            return lambda value: NAN if value is None else value


def _block(column: Column, values: Values) -> NDArray[Any]:
    match column:
        case Categorical():
            codes = {level: i for i, level in enumerate(column.levels)}
            listed = values.tolist() if isinstance(values, np.ndarray) else values
            coded = np.fromiter(map(codes.get, listed, repeat(UNSEEN)), np.float32, len(values))
            return coded[:, None]
        case Datetime(parts=parts):
            return _date_block(np.asarray(values, dtype="datetime64[us]"), parts)
        case Text(buckets=buckets):
            counts = np.array([_hashed(value, buckets) for value in values], dtype=np.float32)
            return counts.reshape(len(values), buckets)
        case Numeric() | Integer() | Boolean():
            return np.asarray(values, np.float64)[:, None]  # None becomes NaN


def parse_moment(value: str) -> datetime:
    """An ISO 8601 text as a naive moment in UTC, the form in which the whole project keeps time.

    Requests are validated with it and the journal's readers use it too: what one accepts, the other
    can read.

    Raises:
        ValueError: not an ISO 8601 text, or its offset leads beyond the calendar.
    """
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is None:
        return moment
    try:
        return moment.astimezone(UTC).replace(tzinfo=None)
    except OverflowError:
        raise ValueError("beyond the calendar") from None


def _moment_parts(value: str | datetime | None, parts: tuple[DatePart, ...]) -> list[float]:
    if value is None:
        return [NAN] * len(parts)
    moment = parse_moment(value) if isinstance(value, str) else value
    return [_moment_part(moment, part) for part in parts]


def _moment_part(moment: datetime, part: DatePart) -> float:
    if part == "days":
        return float((moment - _EPOCH).days)
    return float(moment.weekday() if part == "weekday" else getattr(moment, part))


def _date_block(
    moments: NDArray[np.datetime64], parts: tuple[DatePart, ...]
) -> NDArray[np.float64]:
    columns = [np.where(np.isnat(moments), NAN, _date_part(moments, part)) for part in parts]
    return np.stack(columns, axis=1) if columns else np.empty((len(moments), 0))


def _date_part(moments: NDArray[np.datetime64], part: DatePart) -> NDArray[np.int64]:
    if part == "weekday":
        return (_whole(moments, "D") + 3) % 7  # 1970-01-01 was a Thursday; Monday is 0
    if part in _UNITS:
        unit, within = _UNITS[part]
        start = moments.astype(f"datetime64[{within}]")
        first = 1 if part in ("month", "day") else 0
        return _whole(moments, unit) - _whole(start, unit) + first
    return _whole(moments, "D") if part == "days" else _whole(moments, "Y") + 1970


# each part is counted in the first unit since the start of the second
_UNITS = {"month": ("M", "Y"), "day": ("D", "M"), "hour": ("h", "D"), "minute": ("m", "h")}


def _whole(moments: NDArray[np.datetime64], unit: str) -> NDArray[np.int64]:
    whole: NDArray[np.int64] = moments.astype(f"datetime64[{unit}]").astype(np.int64)
    return whole


def _hashed(value: Any, buckets: int) -> list[float]:
    counts = [0.0] * buckets
    if isinstance(value, str):
        for word in _WORD.findall(value.lower()):
            counts[zlib.crc32(word.encode()) % buckets] += 1.0
    return counts
