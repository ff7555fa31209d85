"""Rows of a contract: what each kind refuses, and what becomes of moments."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ml.contract import Contract
from ml.errors import RefusedError
from ml.request_schema.rows import RequestSchema
from tests.serving.conftest import CLASSIFICATION, sample_rows

ROW = sample_rows(CLASSIFICATION, 1)[0]


def refused(schema: RequestSchema, row: dict[str, Any]) -> str:
    with pytest.raises(RefusedError) as raised:
        schema.parse(json.dumps(row).encode())
    return str(raised.value.details[0]["msg"])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"plan": "gold"}, '"gold" is not one of "'),
        ({"class": 2.5}, "2.5 is not a whole number within"),
        ({"class": True}, "true is not a whole number within"),
        ({"class": None}, "null is not a whole number within"),
        ({"monthly charge": "1"}, '"1" is not a finite number within ±3.4e+38 or null'),
        ({"customer id": 1.5}, "1.5 is not a text without NUL of at most 512 characters or a"),
    ],
)
def test_each_kind_says_what_it_allows(change: dict[str, Any], says: str) -> None:
    message = refused(RequestSchema(CLASSIFICATION, 10), {**ROW, **change})
    assert message.startswith(f'column "{next(iter(change))}": ')
    assert says in message


def test_a_row_without_a_moment_gets_the_present_one_and_none_lies_far_ahead(
    contract: Contract,
) -> None:
    timed = contract.model_copy(update={"time": "seen"})
    row: dict[str, Any] = {**dict.fromkeys(contract.names), "calls": 2}
    schema = RequestSchema(timed, 10, max_days_ahead=1)
    (filled,), single = schema.parse(json.dumps(row).encode())
    assert single
    age = datetime.now(UTC).replace(tzinfo=None) - datetime.fromisoformat(filled["seen"])
    assert timedelta() <= age < timedelta(minutes=1)
    far = (datetime.now(UTC) + timedelta(days=3)).replace(tzinfo=None).isoformat()
    assert "lies too far ahead of the clock (serve.max_days_ahead: 1)" in refused(
        schema, {**row, "seen": far}
    )
    assert schema.check({**row, "seen": far})["seen"] == far


def test_a_column_for_audits_may_be_sent_or_not() -> None:
    columns = CLASSIFICATION.model_dump()["columns"]
    audited = [{**c, "use": "audit"} if c["name"] == "plan" else c for c in columns]
    contract = Contract.model_validate({**CLASSIFICATION.model_dump(), "columns": audited})
    schema = RequestSchema(contract, 10)
    without = {name: value for name, value in ROW.items() if name != "plan"}
    for row in (ROW, without, {**ROW, "plan": None}):
        assert schema.parse(json.dumps(row).encode())[0][0].get("plan") == row.get("plan")
    assert '"gold" is not one of' in refused(schema, {**ROW, "plan": "gold"})
