"""The rules on the challenger alone: baseline, golden rows, parity, latency."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from ml.bundle import load_bundle
from ml.params import Params
from ml.release.gate.bundle_rules import against_baseline, broken, golden, latency, parity


@pytest.mark.parametrize(("ours", "passed"), [(0.80, True), (0.505, False), (0.3, False)])
def test_baseline(params: Params, ours: float, passed: bool) -> None:
    check = against_baseline("roc_auc", {"roc_auc": ours}, {"roc_auc": 0.5}, params.release)
    assert check is not None
    assert check.passed is passed
    assert f"{ours:.4f}" in check.figures
    off = params.release.model_copy(update={"min_gain_over_baseline": None})
    assert against_baseline("roc_auc", {"roc_auc": ours}, {"roc_auc": 0.5}, off) is None


def test_a_metric_that_the_rows_cannot_define_is_refused(params: Params) -> None:
    check = against_baseline("r2", {"mae": 0.0}, {"mae": 0.0}, params.release)
    assert check is not None
    assert not check.passed
    assert "r2 is undefined" in check.figures


def test_golden_rows(challenger: Path) -> None:
    bundle = load_bundle(challenger)
    assert golden(bundle).passed
    assert golden(bundle).values["rows"] == 4
    wrong = {**bundle.golden, "answers": [[0.5, 0.5]] * 4}
    assert not golden(dataclasses.replace(bundle, golden=wrong)).passed
    assert not broken("model.onnx differs").passed


@pytest.mark.parametrize(
    ("off", "flipped", "passed"), [(1e-7, 0, True), (1e-3, 0, False), (0, 1, False)]
)
def test_parity(off: float, flipped: int, passed: bool) -> None:
    report = {
        "rows": 500,
        "largest_difference": off,
        "tolerance": 1e-5,
        "labels_flipped": flipped,
    }
    check = parity(report)
    assert check is not None
    assert check.passed is passed
    assert parity(None) is None


def test_latency(challenger: Path, params: Params) -> None:
    bundle = load_bundle(challenger)
    no_time = params.release.model_copy(update={"max_latency_ms": 1e-6})
    for release, passed in ((no_time, False), (params.release, True)):
        check = latency(bundle, release)
        assert check is not None
        assert check.passed is passed
    off = params.release.model_copy(update={"max_latency_ms": None})
    assert latency(bundle, off) is None
