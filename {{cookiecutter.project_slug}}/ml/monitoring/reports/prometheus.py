"""The verdict as Prometheus metrics: a textfile for node_exporter, or `ml monitor --watch`'s page.

Writes: reports/monitoring/metrics.prom.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, get_args

from prometheus_client import CollectorRegistry, Gauge, write_to_textfile

from ml.encode import DAY_SECONDS
from ml.monitoring.verdict import Word

if TYPE_CHECKING:
    from pathlib import Path

    from ml.monitoring.verdict import Estimate, Verdict

TIERS = {None: 0, "ticket": 1, "page": 2}
COLUMN_GAUGES = {
    "psi": "Population stability index of a column",
    "ticket": "1 where a column wants action",
}


def registry(verdict: Verdict) -> CollectorRegistry:
    """Gauges of one verdict; times are unix seconds, shares 0 to 1."""
    gauges = CollectorRegistry()
    for name, (words, value) in _numbers(verdict).items():
        if value is not None:
            Gauge(name, words, registry=gauges).set(value)
    _word(verdict, gauges)
    _columns(verdict, gauges)
    return gauges


def _word(verdict: Verdict, gauges: CollectorRegistry) -> None:
    help_text = "1 for the window's verdict"
    by_word = Gauge("ml_monitor_verdict", help_text, ["verdict"], registry=gauges)
    for word in get_args(Word):
        by_word.labels(word).set(word == verdict.verdict)


Numbers = dict[str, tuple[str, float | None]]  # name → what it is, its value


def _numbers(verdict: Verdict) -> Numbers:
    return _of_window(verdict) | _of_outcomes(verdict) | _of_estimate(verdict.estimate)


def _of_window(verdict: Verdict) -> Numbers:
    released = datetime.fromisoformat(verdict.released_at).timestamp()
    return {
        "ml_monitor_last_run_timestamp_seconds": (
            "When the monitor last judged a window",
            verdict.judged_at,
        ),
        "ml_monitor_window_end_timestamp_seconds": ("End of the judged window", verdict.end),
        "ml_monitor_window_rows": ("Rows of the window", verdict.rows),
        "ml_monitor_tier": ("0 nothing, 1 ticket, 2 page", TIERS[verdict.tier]),
        "ml_model_released_timestamp_seconds": ("When the champion was released", released),
    }


def _of_outcomes(verdict: Verdict) -> Numbers:
    outcomes = verdict.performance
    return {
        "ml_monitor_label_coverage": (
            "Share of the window's rows with an outcome",
            outcomes.coverage,
        ),
        "ml_monitor_label_lag_seconds": (
            "Median time to an outcome",
            _seconds(outcomes.median_lag_days),
        ),
        "ml_monitor_labels_unknown": ("Outcomes of unknown predictions", verdict.labels.unknown),
        "ml_monitor_metric": ("The contract's metric on the window's outcomes", outcomes.value),
        "ml_monitor_metric_reference": (
            "The contract's metric on the reference",
            outcomes.reference,
        ),
    }


def _of_estimate(estimate: Estimate | None) -> Numbers:
    value = None if estimate is None else estimate.value
    return {"ml_monitor_estimate": ("The metric as estimated without outcomes", value)}


def _seconds(days: float | None) -> float | None:
    return None if days is None else days * DAY_SECONDS


def _columns(verdict: Verdict, gauges: CollectorRegistry) -> None:
    psi, ticket = (
        Gauge(f"ml_monitor_column_{name}", help_text, ["column"], registry=gauges)
        for name, help_text in COLUMN_GAUGES.items()
    )
    flagged = {finding.column for finding in verdict.tickets}
    for name, column in verdict.columns.items():
        psi.labels(name).set(column.psi)
        ticket.labels(name).set(name in flagged)


def write(verdict: Verdict, path: Path) -> None:
    """Write the textfile in one step."""
    write_to_textfile(str(path), registry(verdict))
