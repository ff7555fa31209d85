"""JSON objects with known keys: a body → objects, or what is wrong with the first wrong one.

The types are made at start: any key's name, strict (no "1" for a number, no true for 1), nothing
unknown. pydantic-core parses and checks values in one pass; keys are checked here.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Annotated, Any

from pydantic import ConfigDict, FailFast, Field, TypeAdapter, ValidationError, with_config
from pydantic_core import ErrorDetails, from_json

# typing's own is not accepted by pydantic before Python 3.12
from typing_extensions import TypedDict

from ml.errors import (
    MAX_DETAILS,
    Detail,
    RefusedError,
    closest,
    display_value,
    listing,
    printable,
)

Row = dict[str, Any]

# PostgreSQL keeps no text with one, and would refuse all that is committed with it
NO_NUL = r"^[^\x00]*$"
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
        wrong = self._first_wrong_keys(rows[: named + 1] if errors else rows, named)
        loc: list[str | int] = ["body"] if single else ["body", wrong]
        return self._refused_object(rows[wrong], details if wrong == named else [], loc)

    def _first_wrong_keys(self, rows: Sequence[Row], default: int) -> int:
        """The place of the first object that lacks a key or has one too many."""
        return next((i for i, row in enumerate(rows) if not self._has_right_keys(row)), default)

    def _refused_object(
        self, row: Row, details: list[Detail], loc: list[str | int]
    ) -> RefusedError:
        """What is wrong with one object: `details` of its values, and its keys."""
        missing = [name for name in self._required if name not in row]
        unknown = [name for name in row if name not in self._names]
        count = len(details) + len(missing) + len(unknown)
        details += [self._missing_detail(name, loc) for name in missing[:MAX_DETAILS]]
        details += [
            self._unknown_detail(name, loc, hinted=i < _HINTED)
            for i, name in enumerate(unknown[:MAX_DETAILS])
        ]
        return RefusedError(422, details, count=count)

    def _missing_detail(self, name: str, loc: list[str | int]) -> Detail:
        msg = f'{self.key} "{name}" is missing: it holds {self._allowed(name)}'
        return {"type": "missing", "loc": [*loc, name], "msg": msg}

    def _unknown_detail(self, name: str, loc: list[str | int], hinted: bool) -> Detail:
        hint = self._hint(name) if hinted and len(name) <= _LONGEST_HINTED else ""
        msg = f'{self.key} "{printable(name)}" {self.unknown}{hint}'
        return {"type": "extra_forbidden", "loc": [*loc, printable(name)], "msg": msg}

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


def _values_type(fields: Mapping[str, Any]) -> Any:
    # the keys are known at run time
    values: Any = TypedDict("Row", dict(fields), total=False)  # type: ignore[misc]
    return with_config(ConfigDict(strict=True, extra="allow", allow_inf_nan=False))(values)


def _array_type(kind: Any, limit: int) -> Any:
    # FailFast: a thousand rows with the same mistake need to be told once
    return Annotated[list[kind], FailFast(), Field(max_length=limit)]
