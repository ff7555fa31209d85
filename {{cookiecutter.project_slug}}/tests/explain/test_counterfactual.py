"""The nearest change: it flips the class, keeps what is fixed, takes only seen values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ml.contract import Contract
from ml.encode import Encoder, Matrix
from ml.explain.counterfactual import GRID, MOST_CHANGES, Movable, Search, movable
from ml.explain.references import _groups

CONTRACT = Contract.model_validate(
    {
        "target": {"name": "left", "task": "binary", "classes": ["no", "yes"]},
        "time": "at",
        "columns": [
            {"kind": "numeric", "name": "fee", "min": 0, "max": 100, "missing": True},
            {"kind": "integer", "name": "calls"},
            {"kind": "boolean", "name": "annual"},
            {
                "kind": "categorical",
                "name": "plan",
                "levels": ["basic", "plus", "pro"],
                "unseen": "pool",
                "missing": True,
            },
            {"kind": "datetime", "name": "at", "parts": ["month"]},
            {"kind": "text", "name": "note", "buckets": 2, "missing": True},
        ],
    }
)
ROW = {"fee": 80.0, "calls": 5, "annual": False, "plan": "basic", "at": "2025-05-01", "note": "x"}


def pool() -> Matrix:
    """200 rows; two fees lie beyond the contract, nobody has the plan `pro`."""
    rng = np.random.default_rng(0)
    rows = [
        {
            "fee": None if i % 20 == 0 else round(float(rng.uniform(0, 100)), 2),
            "calls": int(rng.integers(0, 10)),
            "annual": bool(rng.integers(0, 2)),
            "plan": [None, "basic", "plus", "other"][i % 4],
            "at": "2025-01-01",
            "note": "y",
        }
        for i in range(198)
    ]
    rows += [{**rows[1], "fee": 500.0}, {**rows[1], "fee": -3.0}]
    return Encoder(CONTRACT).rows(rows)


def shares(yes: Any) -> Matrix:
    p = np.clip(np.asarray(yes, dtype=np.float64), 0, 1)
    return np.stack([1 - p, p], axis=1).astype(np.float32)


def search(model: Any, fixed: tuple[str, ...] = (), row: dict[str, Any] = ROW) -> Search:
    columns = movable(CONTRACT, pool(), fixed)
    return Search(model, Encoder(CONTRACT).rows([row])[0], columns)


def named(change: tuple[tuple[Movable, float], ...] | None) -> dict[str, Any]:
    assert change is not None
    return {column.column.name: column.as_json(value) for column, value in change}


def by_fee(x: Matrix) -> Matrix:
    return shares(0.2 + 0.6 * (np.nan_to_num(x[:, 0]) > 41.5))


def by_fee_and_plan(x: Matrix) -> Matrix:
    """Neither alone flips it."""
    return shares(0.9 - 0.25 * (x[:, 0] < 50) - 0.25 * (x[:, 3] == 1))


def test_the_nearest_seen_value_that_flips_is_proposed() -> None:
    """Of all fees below the threshold the highest one that a reference row has."""
    fees = pool()[:, 0]
    nearest = float(fees[fees <= 41.5].max())
    assert named(search(by_fee).nearest())["fee"] == pytest.approx(nearest)
    assert len(movable(CONTRACT, pool(), ())[0].seen) > GRID


def test_values_beyond_the_contract_unseen_levels_and_missing_ones_are_never_proposed() -> None:
    columns = {m.column.name: m for m in movable(CONTRACT, pool(), ())}
    assert set(columns) == {"fee", "calls", "annual", "plan"}  # no moment, no text
    assert columns["fee"].seen.min() >= 0
    assert columns["fee"].seen.max() <= 100
    assert columns["plan"].seen.tolist() == [0.0, 1.0]  # no `pro`, no other level, no gap
    assert search(lambda x: shares(0.9 - 0.8 * (x[:, 3] == 2))).nearest() is None
    assert search(lambda x: shares(0.9 - 0.8 * np.isnan(x[:, 0]))).nearest() is None


def test_fixed_columns_stay() -> None:
    def either(x: Matrix) -> Matrix:
        return shares(0.9 - 0.8 * ((x[:, 0] < 60) | (x[:, 2] == 1)))

    assert set(named(search(either).nearest())) == {"fee"}  # 20 of 90 are nearer than yes for no
    assert named(search(either, ("fee",)).nearest()) == {"annual": True}
    assert search(either, ("fee", "annual")).nearest() is None


def test_two_columns_move_where_one_is_not_enough() -> None:
    found = search(by_fee_and_plan).nearest()
    assert named(found)["plan"] == "plus"
    assert 40 < named(found)["fee"] < 50
    assert len(found or ()) == 2


def test_what_never_flips_has_no_counterfactual_and_the_search_ends() -> None:
    asked = []

    def constant(x: Matrix) -> Matrix:
        asked.append(len(x))
        return shares(np.full(len(x), 0.9))

    assert search(constant).nearest() is None
    assert len(asked) == 1 + MOST_CHANGES


def test_a_missing_value_and_an_unlisted_level_may_be_changed() -> None:
    row = {**ROW, "fee": None, "plan": "unheard of"}
    assert (
        named(search(lambda x: shares(0.9 - 0.8 * (x[:, 0] < 20)), row=row).nearest())["fee"] < 20
    )
    assert named(search(lambda x: shares(0.9 - 0.8 * (x[:, 3] == 1)), row=row).nearest()) == {
        "plan": "plus"
    }


def test_values_are_as_a_request_has_them() -> None:
    found = named(search(lambda x: shares(0.9 - 0.8 * (x[:, 1] > 7))).nearest())
    assert found == {"calls": 8}
    assert isinstance(found["calls"], int)


def test_a_column_for_audits_is_neither_moved_nor_a_reference() -> None:
    columns = CONTRACT.model_dump()["columns"]
    audited = [{**c, "use": "audit"} if c["name"] == "annual" else c for c in columns]
    contract = Contract.model_validate({**CONTRACT.model_dump(), "columns": audited})
    without = np.delete(pool(), 2, axis=1)
    expected = {m.column.name: m.seen.tolist() for m in movable(CONTRACT, pool(), ("annual",))}
    found = movable(contract, without, ())
    assert {m.column.name: m.seen.tolist() for m in found} == expected
    names = [(place, name) for place, name, _ in _groups(contract)]
    assert names == [(2, "plan=basic"), (2, "plan=plus"), (2, "plan=pro")]
