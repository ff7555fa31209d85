"""What a request may hold: JSON → rows that are valid for the contract, or what is wrong with them.

The types are made from the contract at start: any column name, strict (no "1" for a number, no true
for 1), nothing unknown, nothing that float32 cannot hold. pydantic-core parses and checks values in
one pass; keys are checked here.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

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
from pydantic_core import ErrorDetails, from_json

# typing's own is not accepted by pydantic before Python 3.12
from typing_extensions import TypedDict

from ml.contract import (
    FLOAT32_MAX,
    MAX_LEVEL_LENGTH,
    MAX_TEXT_LENGTH,
    Boolean,
    Categorical,
    Column,
    Contract,
    Datetime,
    Integer,
    Numeric,
    Text,
)
from ml.encode import parse_moment
from ml.errors import (
    MAX_DETAILS,
    Detail,
    RefusedError,
    closest,
    display_value,
    listing,
    printable,
    refusal,
)

Row = dict[str, Any]

# PostgreSQL keeps no text with one, and would refuse all that is committed with it
NO_NUL = r"^[^\x00]*$"
MAX_ID_LENGTH = 512  # characters of a row's id
_MAX_ID = 2**63 - 1  # of an id that is a number: what a database's BIGINT holds
_HINTED = 3  # unknown names that are compared with those of the contract, which takes time ...
_LONGEST_HINTED = 200  # ... that grows with their length


class ObjectSchema:
    """JSON objects with known keys: a body holds one of them, or an array.

    pydantic checks values only. For each unknown or missing key it would make an error that holds a
    copy of the object: an object with 150,000 unknown keys took seconds.

    Args:
        fields: the type of each key's value.
        optional: keys that may be absent.
        limit: objects in one body at most.
    """

    item, items, item_is = "object", "objects", "with known keys"
    key, unknown = "key", "is not known"

    def __init__(
        self, fields: Mapping[str, Any], optional: Collection[str | None], limit: int
    ) -> None:
        self._limit = limit
        self._listed = list(fields)
        self._names = frozenset(fields)
        self._required = {name: None for name in fields if name not in optional}.keys()  # in order
        kind = _values_type(fields)
        self._one: TypeAdapter[Row] = TypeAdapter(kind)
        self._many: TypeAdapter[list[Row]] = TypeAdapter(_array_type(kind, limit))

    def parse(self, body: bytes) -> tuple[list[Row], bool]:
        """One JSON object or an array of them → (objects, whether it was one object).

        Raises:
            RefusedError: not JSON, too many objects, or not valid; details of the first wrong
                object.
        """
        single = not body.lstrip(b" \t\r\n").startswith(b"[")
        try:
            rows = [self._one.validate_json(body)] if single else self._many.validate_json(body)
        except ValidationError as error:
            raise self._refused(body, single, error.errors(include_url=False)) from None
        if not self._have_all_keys(rows) and not all(map(self._has_right_keys, rows)):
            raise self._refused(body, single, [])
        return rows, single

    def json_schema(self) -> dict[str, Any]:
        """JSON schema of one object."""
        required = {"required": list(self._required)} if self._required else {}
        return {**self._one.json_schema(), **required, "additionalProperties": False}

    def _have_all_keys(self, rows: Sequence[Row]) -> bool:
        """Whether each object has every key, optional ones too, and no other: the usual case.

        One look at the last key decides it quickly: pydantic puts unknown ones behind the known.
        """
        if len(rows) == 1:
            return len(rows[0]) == len(self._names) and next(reversed(rows[0])) in self._names
        every_length = set(map(len, rows)) == {len(self._names)}
        return every_length and self._names.issuperset(map(next, map(reversed, rows)))

    def _has_right_keys(self, row: Row) -> bool:
        return self._names.issuperset(row) and self._required <= row.keys()

    def _refused(self, body: bytes, single: bool, errors: Sequence[ErrorDetails]) -> RefusedError:
        """What is wrong with the first wrong object: `errors` of its values, and its keys."""
        details = list({d["msg"]: d for d in map(self._value_detail, errors)}.values())
        if errors and not errors[0]["loc"][0 if single else 1 :]:  # no JSON, or no object
            return RefusedError(422, details)
        rows = [from_json(body)] if single else from_json(body)
        named = int(errors[0]["loc"][0]) if errors and not single else 0  # the errors' object
        checked = rows[: named + 1] if errors else rows
        wrong = next((i for i, row in enumerate(checked) if not self._has_right_keys(row)), named)
        if wrong < named:
            details = []
        return self._refused_object(rows[wrong], details, ["body"] if single else ["body", wrong])

    def _refused_object(
        self, row: Row, details: list[Detail], loc: list[str | int]
    ) -> RefusedError:
        """What is wrong with one object: `details` of its values, and its keys."""
        missing = [name for name in self._required if name not in row]
        unknown = [name for name in row if name not in self._names]
        count = len(details) + len(missing) + len(unknown)
        return RefusedError(422, details + self._key_details(missing, unknown, loc), count=count)

    def _key_details(
        self, missing: Sequence[str], unknown: Sequence[str], loc: list[str | int]
    ) -> list[Detail]:
        details: list[Detail] = []
        for name in missing[:MAX_DETAILS]:
            msg = f'{self.key} "{name}" is missing: it holds {self._allowed(name)}'
            details.append({"type": "missing", "loc": [*loc, name], "msg": msg})
        for i, name in enumerate(unknown[:MAX_DETAILS]):
            hint = self._hint(name) if i < _HINTED and len(name) <= _LONGEST_HINTED else ""
            msg = f'{self.key} "{printable(name)}" {self.unknown}{hint}'
            details.append({"type": "extra_forbidden", "loc": [*loc, printable(name)], "msg": msg})
        return details

    def _value_detail(self, error: ErrorDetails) -> Detail:
        loc, kind = list(error["loc"]), error["type"]
        name = next((part for part in loc if isinstance(part, str)), None)
        if kind == "json_invalid":
            msg = f"not valid JSON: {error['ctx']['error']}"
        elif kind == "too_long":
            msg = f"a request holds at most {self._limit} {self.items}"
        elif name is None:
            msg = f"expected one {self.item} (an object {self.item_is}) or an array of {self.items}"
        else:
            msg = (
                f'{self.key} "{name}": {display_value(error["input"])} is not {self._allowed(name)}'
            )
        return {"type": kind, "loc": ["body", *loc], "msg": msg}

    def _allowed(self, name: str) -> str:
        raise NotImplementedError

    def _hint(self, name: str) -> str:
        near = closest(name, self._listed)
        return f'; did you mean "{near[0]}"?' if near else f"; there are: {listing(self._listed)}"


class RequestSchema(ObjectSchema):
    """The rows of one contract's requests.

    Args:
        contract: what a row is.
        max_rows: rows in one request at most.
        max_days_ahead: how far ahead of the clock the contract's time column may lie; None: any
            distance.
    """

    item, items, item_is = "row", "rows", "with a value for each column"
    key, unknown = "column", "is not in the contract"

    def __init__(
        self, contract: Contract, max_rows: int, max_days_ahead: float | None = None
    ) -> None:
        self._contract = contract
        self._max_days_ahead = max_days_ahead
        self._latest = ""  # moments up to this one need no look at the clock
        optional = [c.name for c in contract.columns if c.missing or c.name == contract.time]
        super().__init__(_field_types(contract), {*optional, contract.id}, max_rows)

    def parse(self, body: bytes) -> tuple[list[Row], bool]:
        """One JSON object or an array of them → (rows, whether it was one object).

        Moments are texts in one form, naive UTC as `datetime.isoformat` writes it: each reader of
        the journal can read it, and it sorts by time.

        Raises:
            RefusedError: not JSON, too many rows, or not valid for the contract.
        """
        rows, single = super().parse(body)
        if self._contract.time is not None:
            _fill_time(rows, self._contract.time)
            if self._max_days_ahead is not None:
                self._refuse_future(rows, self._contract.time, self._max_days_ahead, single)
        return rows, single

    def check(self, row: object) -> Row:
        """A row of the journal as `parse` gives it; its time column is neither filled nor bounded.

        Raises:
            RefusedError: it is not valid for the contract.
        """
        rows, _ = super().parse(json.dumps([row]).encode())
        return rows[0]

    def _refuse_future(self, rows: list[Row], time: str, days: float, single: bool) -> None:
        """Refuse rows that lie too far ahead of the clock.

        The latest rows are held out for the release gate: no client may date its own behind all
        others.
        """
        for i, row in enumerate(rows):
            if row[time] <= self._latest:
                continue
            self._latest = latest_moment(datetime.now(UTC), days)
            if row[time] > self._latest:
                msg = (
                    f'column "{time}": {row[time]} lies too far ahead of the clock '
                    f"(serve.max_days_ahead: {days:g})"
                )
                loc = ("body", time) if single else ("body", i, time)
                raise refusal(422, "in_the_future", msg, loc)

    def _allowed(self, name: str) -> str:
        column = self._contract.get(name)
        if column is None:
            return (
                f"a text without NUL of at most {MAX_ID_LENGTH} characters "
                f"or a whole number within ±{_MAX_ID}"
            )
        return _allowed(column) + (" or null" if column.missing else "")


def _values_type(fields: Mapping[str, Any]) -> Any:
    # the keys are known at run time
    values: Any = TypedDict("Row", dict(fields), total=False)  # type: ignore[misc]
    return with_config(ConfigDict(strict=True, extra="allow", allow_inf_nan=False))(values)


def _array_type(kind: Any, limit: int) -> Any:
    # FailFast: a thousand rows with the same mistake need to be told once
    return Annotated[list[kind], FailFast(), Field(max_length=limit)]


def latest_moment(clock: datetime, max_days_ahead: float) -> str:
    """The latest moment that the time column may hold when a clock (with zone) shows this time."""
    try:
        latest = clock.astimezone(UTC) + timedelta(days=max_days_ahead)
    except OverflowError:
        latest = datetime.max
    return latest.replace(tzinfo=None).isoformat()


def _fill_time(rows: list[Row], time: str) -> None:
    """Give the rows without a moment the present one."""
    now: str | None = None
    for row in rows:
        if row.get(time) is None:
            now = now or datetime.now(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds")
            row[time] = now


def _field_types(contract: Contract) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for column in contract.columns:
        value = _value_type(column)
        fields[column.name] = (
            value | None if column.missing or column.name == contract.time else value
        )
    if contract.id is not None:
        text = Annotated[str, Field(max_length=MAX_ID_LENGTH, pattern=NO_NUL)]
        number = Annotated[int, Field(ge=-_MAX_ID, le=_MAX_ID)]
        # null where it is absent, so that all rows have all keys, which is quickest to check
        fields[contract.id] = Annotated[text | number | None, Field(default=None)]
    return fields


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
            return Annotated[
                str,
                AfterValidator(_moment),
                WithJsonSchema({"type": "string", "format": "date-time"}),
            ]
        case Categorical() | Text():
            return Annotated[str, Field(max_length=_max_length(column))]


def _max_length(column: Categorical | Text) -> int:
    """Characters of a text, or of a level that need not be listed; listed ones may be longer."""
    if isinstance(column, Text):
        return MAX_TEXT_LENGTH
    return max([MAX_LEVEL_LENGTH, *map(len, column.levels)])


def _moment(value: str) -> str:
    moment = parse_moment(value)
    # every third character of 2026-01-31T12:00:00: most clients write that form, and `isoformat`
    # takes long
    return value if len(value) == 19 and value[4::3] == "--T::" else moment.isoformat()


def _allowed(column: Column) -> str:
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
            return f"a text of at most {_max_length(column)} characters"
