"""A decision: one no is enough; its evidence is JSON."""

from __future__ import annotations

import json

from ml.release.gate.decision import Check, Decision


def test_one_no_is_enough_and_is_the_reason() -> None:
    failing = Check("b", False, "0 < 1", then="do this")
    decision = Decision((Check("a", True, "1 > 0"), failing, failing))
    assert not decision.passed
    assert decision.reason == "b: 0 < 1; b: 0 < 1"
    assert decision.then == ("do this",)
    assert Decision((Check("a", True, "1 > 0"),)).passed


def test_the_evidence_is_json() -> None:
    check = Check("a", True, "…", {"gain": float("nan"), "of": [1, {"x": float("inf")}]})
    evidence = Decision((check,), {"metric": "r2", "champion": None}).evidence
    assert json.loads(json.dumps(evidence, allow_nan=False)) == {
        "metric": "r2",
        "champion": None,
        "checks": {"a": {"passed": True, "gain": None, "of": [1, {"x": None}]}},
    }
