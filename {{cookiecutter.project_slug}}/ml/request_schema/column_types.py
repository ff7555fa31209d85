"""The type of each column's values in a request, and how a refusal says what is allowed.

Nothing passes that float32 cannot hold. `ml.dataset.checks` checks whole columns of a table for the
same.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, WithJsonSchema

from ml.contract import (
    FLOAT32_MAX,
    Boolean,
    Categorical,
    Column,
    Contract,
    Datetime,
    Integer,
    Numeric,
    Text,
    max_length,
)
from ml.encode import parse_moment
from ml.errors import listing
from ml.request_schema.objects import NO_NUL

MAX_ID_LENGTH = 512  # characters of a row's id
_MAX_ID = 2**63 - 1  # of an id that is a number: what a database's BIGINT holds


def field_types(contract: Contract) -> dict[str, Any]:
    """The type of each key's value of a row."""
    fields = {column.name: _field_type(column, contract) for column in contract.columns}
    # null where it is absent, so that all rows have all keys, which is quickest to check
    return {**fields, contract.id: _id_type()} if contract.id is not None else fields


def _field_type(column: Column, contract: Contract) -> Any:
    value = _value_type(column)
    return value | None if column.missing or column.name == contract.time else value


def _id_type() -> Any:
    text = Annotated[str, Field(max_length=MAX_ID_LENGTH, pattern=NO_NUL)]
    number = Annotated[int, Field(ge=-_MAX_ID, le=_MAX_ID)]
    return Annotated[text | number | None, Field(default=None)]


def _value_type(column: Column) -> Any:
    match column:
        case Numeric():
            return Annotated[float, Field(ge=-FLOAT32_MAX, le=FLOAT32_MAX)]
        case Integer():  # JSON knows one kind of number: 3.0 is a whole one
            return Annotated[float, Field(ge=-FLOAT32_MAX, le=FLOAT32_MAX, multiple_of=1)]
        case Boolean():
            return bool
        case Categorical(levels=levels, unseen="refuse"):
            return Literal[levels]
        case Datetime():
            return _MOMENT
        case Categorical() | Text():
            return Annotated[str, Field(max_length=max_length(column))]


def _moment(value: str) -> str:
    moment = parse_moment(value)
    # every third character of 2026-01-31T12:00:00: most clients write that form, and `isoformat`
    # takes long
    return value if len(value) == 19 and value[4::3] == "--T::" else moment.isoformat()


_MOMENT = Annotated[
    str, AfterValidator(_moment), WithJsonSchema({"type": "string", "format": "date-time"})
]


def allowed_id() -> str:
    """What a row's id may be, in words."""
    return (
        f"a text without NUL of at most {MAX_ID_LENGTH} characters "
        f"or a whole number within ±{_MAX_ID}"
    )


def allowed(column: Column) -> str:
    """What a column's value may be, in words."""
    return _allowed_value(column) + (" or null" if column.missing else "")


def _allowed_value(column: Column) -> str:
    match column:
        case Numeric():
            return f"a finite number within ±{FLOAT32_MAX:g}"
        case Integer():
            return f"a whole number within ±{FLOAT32_MAX:g}"
        case Boolean():
            return "true or false"
        case Categorical(levels=levels, unseen="refuse"):
            return f"one of {listing(levels)}"
        case Datetime():
            return "an ISO 8601 moment such as 2026-01-31T12:00:00"
        case Categorical() | Text():
            return f"a text of at most {max_length(column)} characters"
