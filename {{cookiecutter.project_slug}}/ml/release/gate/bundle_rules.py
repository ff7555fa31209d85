"""The rules on the challenger alone: better than a guess, and sound as a bundle that serves."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np

from ml.bundle import TOLERANCE
from ml.release.gate.decision import Check

if TYPE_CHECKING:
    from ml.bundle import Bundle
    from ml.params import Release

BASELINE = "better than the baseline"
GOLDEN = "golden rows"
PARITY = "ONNX answers as trained"
LATENCY = "one-row latency"
CALLS = 100  # one-row answers that are timed, after WARM_UP more
WARM_UP = 20
MILLISECONDS = 1000


def against_baseline(
    metric: str, model: dict[str, float], baseline: dict[str, float], release: Release
) -> Check | None:
    """Is the metric higher than the naive baseline's by `release.min_gain_over_baseline`?

    null switches it off.
    """
    needed = release.min_gain_over_baseline
    if needed is None:
        return None
    if metric not in model or metric not in baseline:
        figures = f"{metric} is undefined: no rows, or their outcomes are all equal"
        return Check(BASELINE, False, figures, {"metric": metric}, "hold out rows that differ")
    ours, naive = model[metric], baseline[metric]
    figures = f"{metric} {ours:.4f}, baseline {naive:.4f}, needs +{needed:g}"
    values = {"metric": metric, "value": ours, "baseline": naive, "needed": needed}
    then = "another train.model in params.yaml, or columns that say more about the target"
    return Check(BASELINE, ours - naive >= needed, figures, values, then)


def golden(bundle: Bundle) -> Check:
    """How far the answers to the golden rows lie from those that are due.

    `load_bundle` refused the bundle where they differ.
    """
    due = np.asarray(bundle.golden["answers"], dtype=np.float64)
    given = bundle.answer(bundle.encoder.rows(bundle.golden["rows"]))
    off = float((np.abs(given - due) / np.maximum(1.0, np.abs(due))).max())
    figures = f"{len(due)} answered, off by {off:.2g} at most, {TOLERANCE:g} allowed"
    values = {"rows": len(due), "largest_difference": off, "tolerance": TOLERANCE}
    return Check(GOLDEN, off <= TOLERANCE, figures, values, "make flow")


def broken(problem: str) -> Check:
    """The check of a bundle that cannot be loaded."""
    return Check(GOLDEN, False, problem, {"problem": problem}, "make flow, then make release")


def parity(report: dict[str, Any] | None) -> Check | None:
    """How far ONNX and scikit-learn were apart when the model was trained.

    Training refused the model where they differ (`ml.pipeline.training.parity`). None: the release
    is older than this record.
    """
    if not report:
        return None
    largest, allowed = report["largest_difference"], report["tolerance"]
    flipped = report["labels_flipped"]
    figures = (
        f"off by {largest:.2g} at most on {report['rows']:,} rows, {allowed:g} allowed; "
        f"{flipped} labels flipped"
    )
    passed = largest <= allowed and not flipped
    return Check(PARITY, passed, figures, dict(report), "make flow")


def latency(bundle: Bundle, release: Release) -> Check | None:
    """Does one row take no longer than `release.max_latency_ms`? null switches it off.

    From a request's values to the answer, in this process: the median of many rows. Network,
    journal and waiting come on top.
    """
    budget = release.max_latency_ms
    if budget is None:
        return None
    taken = one_row_milliseconds(bundle)
    figures = f"{taken:.3f} ms, may take {budget:g} ms"
    values = {"milliseconds": taken, "max_latency_ms": budget}
    then = "a smaller model (train in params.yaml), or raise release.max_latency_ms"
    return Check(LATENCY, taken <= budget, figures, values, then)


def one_row_milliseconds(bundle: Bundle) -> float:
    """Median time of one row's answer: encoder and model."""
    rows = bundle.golden["rows"]
    taken = [_timed(bundle, rows[i % len(rows)]) for i in range(WARM_UP + CALLS)]
    return float(np.median(taken[WARM_UP:])) * MILLISECONDS


def _timed(bundle: Bundle, row: dict[str, Any]) -> float:
    """Seconds of one answer."""
    start = time.perf_counter()
    bundle.answer(bundle.encoder.rows([row]))
    return time.perf_counter() - start
