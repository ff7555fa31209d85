"""Rows as tables of other protocols: MLflow's JSON forms, its CSV, KServe's instances.

All become an array of rows as `POST /predict` reads it. NaN, which pandas writes for a missing
value, is null. A client may send the whole table that the contract was made from: the target and
the columns that the contract has dropped are left out.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NotRequired

from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config

# typing's own is not accepted by pydantic before Python 3.12
from typing_extensions import TypedDict

from ml.contract import Boolean, Categorical, Column, Contract, Integer, Numeric
from ml.errors import RefusedError, listing, printable, refusal
from ml.serving.api.json_body import json_details

Row = dict[str, Any]


class Split(TypedDict):
    """A pandas frame as `to_dict(orient="split")` gives it."""

    columns: list[str]
    data: list[list[Any]]
    index: NotRequired[Any]


@with_config(ConfigDict(extra="allow"))
class Invocation(TypedDict):
    """A body of `POST /invocations`: exactly one of the four."""

    dataframe_split: NotRequired[Split]
    dataframe_records: NotRequired[list[Row]]
    instances: NotRequired[list[Row | list[Any]]]
    inputs: NotRequired[dict[str, Any] | list[Row | list[Any]]]


@with_config(ConfigDict(extra="allow"))
class Instances(TypedDict):
    """A body of KServe's first protocol."""

    instances: list[Row | list[Any]]


INVOCATION, INSTANCES = TypeAdapter(Invocation), TypeAdapter(Instances)
FORMS = ("dataframe_split", "dataframe_records", "instances", "inputs")


def read_invocation(body: bytes, contract: Contract) -> bytes:
    """The rows of a body of MLflow's scoring server.

    Raises:
        RefusedError: it has none of the four forms. Values are looked at with the rows.
    """
    table: Any = _parsed(INVOCATION, body)
    given = [form for form in FORMS if form in table]
    if len(given) != 1:
        msg = f"send exactly one of {listing(FORMS)}; here: {listing(given) or 'none'}"
        raise _refused("form", msg)
    value = table[given[0]]
    if given[0] == "dataframe_split":
        rows = _named_rows(value["columns"], value["data"])
    elif isinstance(value, dict):
        rows = _from_columns(value)
    else:
        rows = _from_records(value, contract)
    return _as_json(rows, contract)


def read_instances(body: bytes, contract: Contract) -> bytes:
    """The rows of a body of KServe's first protocol.

    Raises:
        RefusedError: it has no `instances`. Values are looked at with the rows.
    """
    return _as_json(_from_records(_parsed(INSTANCES, body)["instances"], contract), contract)


def read_csv(body: bytes, contract: Contract) -> bytes:
    """The rows of a CSV with a header, as pandas writes it.

    Raises:
        RefusedError: it is no CSV in UTF-8. Values are looked at with the rows.
    """
    try:
        names, *lines = csv.reader(io.StringIO(body.decode("utf-8-sig"), newline=""), strict=True)
    except (UnicodeDecodeError, csv.Error, ValueError) as error:
        reason = "there is no header" if type(error) is ValueError else str(error)
        raise _refused("csv", f"not valid CSV: {reason}") from None
    columns = [contract.get(name) for name in names]
    rows = [
        [_typed(column, text, contract) for column, text in zip(columns, line, strict=False)]
        if len(line) == len(names)
        else line
        for line in lines
        if line
    ]
    return _as_json(_named_rows(names, rows), contract)


def _parsed(form: TypeAdapter[Any], body: bytes) -> Any:
    try:
        return form.validate_json(body)
    except ValidationError as error:
        raise RefusedError(422, json_details(error)) from None


def _named_rows(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[Row]:
    if len(set(names)) != len(names):
        raise _refused("columns", "a column is named twice")
    for i, row in enumerate(rows):
        if len(row) != len(names):
            raise _refused("row", f"row {i} has {len(row)} values for {len(names)} columns")
    return [dict(zip(names, row, strict=True)) for row in rows]


def _from_columns(columns: Mapping[str, Any]) -> list[Row]:
    """Rows of `{"age": [31, 4], …}`, or of one row's values."""
    if not any(isinstance(values, list) for values in columns.values()):
        return [dict(columns)]
    lists = {n: v if isinstance(v, list) else [v] for n, v in columns.items()}
    if len({len(values) for values in lists.values()}) != 1:
        raise _refused("inputs", "columns differ in length")
    return [dict(zip(lists, row, strict=True)) for row in zip(*lists.values(), strict=True)]


def _from_records(records: Sequence[Row | list[Any]], contract: Contract) -> list[Row]:
    """Rows as objects, or as arrays in the order of the contract's columns."""
    names = contract.names
    return [
        record if isinstance(record, dict) else _named_rows(names, [record])[0]
        for record in records
    ]


def _as_json(rows: Iterable[Row], contract: Contract) -> bytes:
    left_out = {contract.target.name, "", *(dropped.name for dropped in contract.dropped)}
    kept = [
        {
            # NaN is the one value that differs from itself
            name: None if value != value else value
            for name, value in row.items()
            if name not in left_out
        }
        for row in rows
    ]
    return json.dumps(kept).encode()


def _typed(column: Column | None, text: str, contract: Contract) -> Any:
    """A CSV's text as its column's value; one that is none stays, and is refused with the rows."""
    if _is_missing(column, text, contract):
        return None
    if isinstance(column, Boolean):
        return {"true": True, "false": False}.get(text.lower(), text)
    if isinstance(column, Numeric | Integer) and "_" not in text:
        try:
            return float(text)
        except ValueError:
            return text
    return text


def _is_missing(column: Column | None, text: str, contract: Contract) -> bool:
    """Whether a text means that there is no value, as it does in the files under data/raw."""
    if isinstance(column, Categorical) and text in column.levels:
        return False
    return text == "" or text in contract.source.missing


def _refused(kind: str, msg: str) -> RefusedError:
    return refusal(422, kind, printable(msg, 400))


def predictions_of(answers: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What `POST /predict` answers in the envelope of MLflow and KServe, with ids for labels."""
    versions = sorted({answer["model_version"] for answer in answers})
    return {
        "predictions": [answer["prediction"] for answer in answers],
        "prediction_ids": [answer["prediction_id"] for answer in answers],
        "model_version": ", ".join(versions),
    }
