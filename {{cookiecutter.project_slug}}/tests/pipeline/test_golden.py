"""A bundle's golden rows: valid for the service, the same each time, and nobody's."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from ml.contract import Contract, Integer, Numeric, Target, Text
from ml.dataset.frame import read_table, rows_of_frame
from ml.pipeline.golden import golden_rows
from ml.request_schema.rows import RequestSchema


def test_golden_rows_are_valid_requests_and_the_same_each_time(contract: Contract) -> None:
    rows = golden_rows(contract, 16)
    assert rows == golden_rows(contract, 16)
    parsed, single = RequestSchema(contract, 100).parse(json.dumps(rows).encode())
    assert (len(parsed), single) == (16, False)
    assert None not in rows[0].values()  # the page shows the first one
    for column in contract.columns:
        empty = [row[column.name] is None for row in rows]
        assert column.missing or not any(empty)


def test_golden_rows_copy_no_row(
    contract: Contract, make_frame: Callable[..., pd.DataFrame]
) -> None:
    real = rows_of_frame(make_frame(5000), contract)
    assert not [row for row in golden_rows(contract, 64) if row in real]


def test_a_column_without_a_range_and_a_text_have_values() -> None:
    columns = (
        Numeric(name="x", kind="numeric"),
        Numeric(name="y", kind="numeric", max=-5),
        Integer(name="n", kind="integer", min=7),
        Text(name="note", kind="text"),
    )
    target = Target(name="t", task="regression")
    for row in golden_rows(Contract(target=target, columns=columns), 8):
        assert 0 <= row["x"] <= 1
        assert -6 <= row["y"] <= -5
        assert row["n"] in (7, 8)
        assert row["note"] == "a short text"


@pytest.mark.slow
def test_a_released_bundle_holds_no_row_of_the_data(project: Path) -> None:
    golden = json.loads((project / "serving/champion/golden.json").read_text(encoding="utf-8"))
    contract = Contract.model_validate_json(
        (project / "serving/champion/contract.json").read_bytes()
    )
    tables = [
        read_table(project / "data" / name, contract) for name in ("train.parquet", "test.parquet")
    ]
    real = rows_of_frame(pd.concat(tables), contract)
    assert golden["rows"] == golden_rows(contract, len(golden["rows"]))
    charges = {row["charge"] for row in real} - {None}
    assert not [row for row in golden["rows"] if row["charge"] in charges]
