"""Clients of the champion are answered by the challenger."""

from __future__ import annotations

from ml.contract import Contract
from ml.release.gate.requests import same_requests


def test_a_changed_request_schema_is_named_and_may_be_allowed(contract: Contract) -> None:
    assert same_requests(contract, contract, "1", allowed=False).passed
    fewer = contract.model_copy(update={"columns": contract.columns[1:]})
    check = same_requests(contract, fewer, "1", allowed=False)
    assert not check.passed
    assert 'column "charge" is gone' in check.figures
    assert "--new-contract" in check.then
    assert same_requests(contract, fewer, "1", allowed=True).passed
