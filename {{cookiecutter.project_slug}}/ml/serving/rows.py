"""What a request may hold: JSON → rows that are valid for the contract, or a list of what is wrong with them.

The types are made from the contract at start: any column name, strict (no "1" for a number, no true for 1), nothing
unknown, nothing that float32 cannot hold. Parsing and checking are one pass in pydantic-core.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, NotRequired

from pydantic import (
    AfterValidator,
    ConfigDict,
    FailFast,
    Field,
    TypeAdapter,
    ValidationError,
    WithJsonSchema,
    with_config,
)
from typing_extensions import TypedDict  # typing's own is not accepted by pydantic before Python 3.12

from ml.contract import FLOAT32_MAX, Boolean, Categorical, Column, Contract, Datetime, Integer, Numeric
from ml.encode import parse_moment

Row = dict[str, Any]
Detail = dict[str, Any]  # {"type", "loc", "msg"}

NO_NUL = r"^[^\x00]*$"  # PostgreSQL keeps no text with one, and would refuse all that is committed with it
_SHOWN = 60  # characters of a refused value that are repeated to the caller
_LISTED = 12  # allowed levels that a message lists


class RefusedError(Exception):
    """A request that cannot be answered: HTTP status and what is wrong, in the API's one error shape."""

    def __init__(self, status: int, details: list[Detail], headers: Mapping[str, str] | None = None) -> None:
        super().__init__(details[0]["msg"])
        self.status = status
        self.details = details
        self.headers = dict(headers or {})


def refusal(status: int, kind: str, msg: str, loc: tuple[str | int, ...] = ("body",), **headers: str) -> RefusedError:
    """A `RefusedError` with one detail; header names are given with underscores."""
    return RefusedError(
        status,
        [{"type": kind, "loc": list(loc), "msg": msg}],
        {name.replace("_", "-"): value for name, value in headers.items()},
    )


class Rows:
    """The rows of one contract's requests.

    Args:
        contract: what a row is.
        max_rows: rows in one request at most.
    """

    def __init__(self, contract: Contract, max_rows: int) -> None:
        self._contract = contract
        self._max_rows = max_rows
        row = _row_type(contract)
        self._one: TypeAdapter[Row] = TypeAdapter(row)
        self._many: TypeAdapter[list[Row]] = TypeAdapter(_rows_type(row, max_rows))

    def parse(self, body: bytes) -> tuple[list[Row], bool]:
        """One JSON object or an array of them → (rows, whether it was one object). Moments are left as text.

        Raises:
            RefusedError: not JSON, too many rows, or not valid for the contract; one detail for each value.
        """
        single = not body.lstrip(b" \t\r\n").startswith(b"[")
        try:
            rows = [self._one.validate_json(body)] if single else self._many.validate_json(body)
        except ValidationError as error:
            details = [self._detail(e) for e in error.errors(include_url=False)]
            raise RefusedError(422, list({d["msg"]: d for d in details}.values())) from None
        if self._contract.time is not None:
            _stamp(rows, self._contract.time)
        return rows, single

    def json_schema(self) -> dict[str, Any]:
        """JSON schema of one row."""
        return self._one.json_schema()

    def _detail(self, error: Any) -> Detail:
        loc, kind = list(error["loc"]), error["type"]
        names = [part for part in loc if isinstance(part, str)]
        return {"type": kind, "loc": ["body", *loc], "msg": self._message(kind, names[0] if names else None, error)}

    def _message(self, kind: str, name: str | None, error: Any) -> str:
        if kind == "json_invalid":
            return f"not valid JSON: {error['ctx']['error']}"
        if kind == "too_long":
            return f"a request holds at most {self._max_rows} rows"
        if name is None:
            return "expected one row (an object with a value for each column) or an array of rows"
        if kind == "missing":
            return f'column "{name}" is missing: it holds {self._allowed(name)}'
        if kind == "extra_forbidden":
            near = difflib.get_close_matches(name, self._contract.names, 1)
            hint = f'; did you mean "{near[0]}"?' if near else f"; there are: {_some(self._contract.names)}"
            return f'column "{_cut(name)}" is not in the contract{hint}'
        return f'column "{name}": {shown(error["input"])} is not {self._allowed(name)}'

    def _allowed(self, name: str) -> str:
        column = self._contract.get(name)
        if column is None:
            return "a text without NUL or a whole number"
        return _allowed(column) + (" or null" if column.missing else "")


def _stamp(rows: list[Row], time: str) -> None:
    now: str | None = None
    for row in rows:
        if row.get(time) is None:
            now = now or datetime.now(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds")
            row[time] = now


def _row_type(contract: Contract) -> Any:
    fields: dict[str, Any] = {}
    for column in contract.columns:
        optional = column.missing or column.name == contract.time
        value = _value_type(column)
        fields[column.name] = NotRequired[value | None] if optional else value
    if contract.id is not None:
        fields[contract.id] = NotRequired[Annotated[str, Field(max_length=512, pattern=NO_NUL)] | int | None]
    made: Any = TypedDict("Row", fields)  # type: ignore[misc]  # the columns are known when the contract is
    return with_config(ConfigDict(strict=True, extra="forbid", allow_inf_nan=False))(made)


def _rows_type(row: Any, max_rows: int) -> Any:
    # FailFast: a thousand rows with the same mistake need to be told once
    return Annotated[list[row], FailFast(), Field(max_length=max_rows)]


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
            return Annotated[str, AfterValidator(_moment), WithJsonSchema({"type": "string", "format": "date-time"})]
        case _:
            return str


def _moment(value: str) -> str:
    try:
        parse_moment(value)
    except OverflowError:
        raise ValueError("beyond the calendar") from None
    return value


def _allowed(column: Column) -> str:
    match column:
        case Numeric():
            return f"a finite number within ±{FLOAT32_MAX:g}"
        case Integer():
            return f"a whole number within ±{FLOAT32_MAX:g}"
        case Boolean():
            return "true or false"
        case Categorical(levels=levels, unseen="refuse"):
            return f"one of {_some(levels)}"
        case Datetime():
            return "an ISO 8601 moment such as 2026-01-31T12:00:00"
        case _:
            return "a text"


def _some(names: Any) -> str:
    listed = ", ".join(f'"{_cut(n)}"' for n in names[:_LISTED])
    return listed + (f" and {len(names) - _LISTED} more" if len(names) > _LISTED else "")


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


def shown(value: Any) -> str:
    """A refused value as a person would recognize it, in at most sixty characters or so."""
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "an array"
    if isinstance(value, int) and value.bit_length() > 256:
        return "a number of more than 70 digits"
    return _cut(json.dumps(value, ensure_ascii=False))
