"""JSON texts of the journal as Arrow columns of the contract's types.

A row that was written under another contract, or that is not valid JSON, ends in missing values
that are counted, never in an error.
"""

from __future__ import annotations

import io
import json
import sys
from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from itertools import chain
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json

from ml.contract import Boolean, Categorical, Column, Contract, Datetime, Text
from ml.encode import parse_moment

MOMENT = pa.timestamp("us")  # naive, in UTC

Texts = tuple[str, ...]  # one of each entry: a JSON value, or an array with one for each row
Rows = tuple[int, ...]  # of each entry

_NO_ROW = object()  # stands for each value of what is no JSON object: it fits no column


def features_schema(contract: Contract) -> pa.Schema:
    """The contract's columns."""
    return pa.schema([(column.name, _arrow_type(column)) for column in contract.columns])


def _arrow_type(column: Column) -> pa.DataType:
    match column:
        case Categorical() | Text():
            return pa.string()
        case Datetime():
            return MOMENT
        case Boolean():
            return pa.bool_()
        case _:
            return pa.float64()


def read_features(texts: Texts, rows: Rows, schema: pa.Schema) -> tuple[pa.Table, Counter[str]]:
    """The entries' rows as a table of this schema; values that do not fit are null, and counted."""
    table, mistyped = read_objects(texts, rows, _written(schema))
    for place, field in enumerate(schema):
        if field.type == MOMENT:
            moments, unreadable = _moments(table.column(place))
            table = table.set_column(place, field, moments)
            mistyped[field.name] += unreadable
    return table, +mistyped


def _written(schema: pa.Schema) -> pa.Schema:
    """The schema as JSON has it: moments are texts."""
    return pa.schema([(f.name, pa.string() if f.type == MOMENT else f.type) for f in schema])


def no_features(rows: int, schema: pa.Schema) -> pa.Table:
    """A table of this schema in which every value is missing."""
    return pa.table([pa.nulls(rows, field.type) for field in schema], schema=schema)


def _moments(texts: pa.ChunkedArray) -> tuple[pa.ChunkedArray | pa.Array, int]:
    """Texts as timestamps, null for those that cannot be read, and how many these are."""
    try:
        # quick, and reads the form in which the service writes moments
        return pc.cast(texts, MOMENT), 0
    except pa.ArrowInvalid:
        return _moments_one_by_one(texts)


def _moments_one_by_one(texts: pa.ChunkedArray) -> tuple[pa.Array, int]:
    moments = pa.array([_moment(text) for text in texts.to_pylist()], MOMENT)
    return moments, moments.null_count - texts.null_count


def _moment(text: str | None) -> datetime | None:
    try:
        return None if text is None else parse_moment(text)
    except ValueError:
        return None


def read_objects(texts: Texts, rows: Rows, schema: pa.Schema) -> tuple[pa.Table, Counter[str]]:
    """Objects as a table; values that do not fit the schema are null, and counted by column."""
    try:
        table = _read(texts, schema)
        if len(table) == sum(rows) and _is_finite(table):
            return table, Counter()
    except pa.ArrowInvalid:
        pass  # a row of another contract, or no JSON: told apart value by value
    return _read_one_by_one(items(texts, rows), schema)


def _is_finite(table: pa.Table) -> bool:
    numbers = (column for column in table.columns if column.type == pa.float64())
    return all(pc.all(pc.is_finite(column)).as_py() is not False for column in numbers)


def _read(texts: Texts, schema: pa.Schema) -> pa.Table:
    """JSON objects, and arrays of them, as one table."""
    data = f'{{"rows":{_array(texts)}}}'.encode()
    table = _read_line(data, pa.schema([("rows", pa.list_(pa.struct(list(schema))))]))
    parts = [part.flatten() for part in table.column("rows").chunks]
    if len(table) != 1 or any(part.null_count for part in parts):
        raise pa.ArrowInvalid("a row is not one JSON object")
    return pa.Table.from_batches([pa.RecordBatch.from_struct_array(part) for part in parts], schema)


def _read_line(data: bytes, schema: pa.Schema) -> pa.Table:
    """One line of JSON as a table."""
    known = pa.json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore")
    # blocks end between lines, and this is one line
    in_one_block = pa.json.ReadOptions(block_size=len(data) + 1)
    return pa.json.read_json(io.BytesIO(data), parse_options=known, read_options=in_one_block)


def _array(texts: Iterable[str]) -> str:
    """Single JSON values, and arrays of them, as one array."""
    return f"[{','.join([text[1:-1] if text[:1] == '[' else text for text in texts])}]"


def items(texts: Texts, rows: Rows) -> list[Any]:
    """Single JSON values, and arrays of them, as one list.

    An entry that is not readable has None for each of its rows.
    """
    values = _values(texts)
    if len(values) == sum(rows):
        return values
    return list(chain.from_iterable(map(_items_of, texts, rows)))


def _items_of(text: str, rows: int) -> list[Any]:
    values = _values((text,))
    return values if len(values) == rows else [None] * rows


def _values(texts: Texts) -> list[Any]:
    """The texts' values in one list; none at all if one of them is not readable."""
    try:
        values: list[Any] = json.loads(_array(texts))
    except ValueError:
        return []
    return values


def _read_one_by_one(rows: list[Any], schema: pa.Schema) -> tuple[pa.Table, Counter[str]]:
    mistyped: Counter[str] = Counter()
    columns = {}
    for field in schema:
        values = [row.get(field.name) if isinstance(row, dict) else _NO_ROW for row in rows]
        columns[field.name], mistyped[field.name] = _column(values, field.type)
    return pa.table(columns, schema=schema), mistyped


def _column(values: list[Any], kind: pa.DataType) -> tuple[pa.Array, int]:
    """Values as an array, null for those of another kind, and how many these are."""
    fits = [value is None or _fits(value, kind) for value in values]
    kept = [value if fit else None for value, fit in zip(values, fits, strict=True)]
    if kind == pa.float64():  # PyArrow refuses an integer that a float rounds
        kept = [None if value is None else float(value) for value in kept]
    return pa.array(kept, kind), fits.count(False)


def _fits(value: Any, kind: pa.DataType) -> bool:
    if kind == pa.float64():
        return is_number(value)
    if kind == pa.bool_():
        return isinstance(value, bool)
    return isinstance(value, str) and _is_unicode(value)


def is_number(value: Any) -> bool:
    """Whether a value is a number that a float holds."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) <= sys.float_info.max


def _is_unicode(text: str) -> bool:
    """JSON may hold half of a surrogate pair, which no other format can."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
