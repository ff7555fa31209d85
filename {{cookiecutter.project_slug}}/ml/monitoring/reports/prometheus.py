"""The verdict as Prometheus metrics: a textfile for node_exporter, or the page that `ml monitor --watch` serves.

Writes: reports/monitoring/metrics.prom.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, get_args

from prometheus_client import CollectorRegistry, Gauge, write_to_textfile

from ml.encode import DAY_SECONDS
from ml.monitoring.verdict import Word

if TYPE_CHECKING:
    from pathlib import Path

TIERS = {None: 0, "ticket": 1, "page": 2}


def registry(shown: dict[str, Any]) -> CollectorRegistry:
    """Gauges of one verdict; times are unix seconds, shares 0 to 1."""
    made = CollectorRegistry()
    numbers, guess = shown["performance"], shown["estimate"] or {}
    released = datetime.fromisoformat(shown["released_at"]).timestamp()
    plain = {
        "ml_monitor_last_run_timestamp_seconds": (
            "When the monitor last judged a window",
            shown["judged_at"],
        ),
        "ml_monitor_window_end_timestamp_seconds": ("End of the judged window", shown["end"]),
        "ml_monitor_window_rows": ("Rows of the window", shown["rows"]),
        "ml_monitor_tier": ("0 nothing, 1 ticket, 2 page", TIERS[shown["tier"]]),
        "ml_monitor_label_coverage": (
            "Share of the window's rows with an outcome",
            numbers.get("coverage", 0.0),
        ),
        "ml_monitor_label_lag_seconds": ("Median time to an outcome", _lag(numbers)),
        "ml_monitor_labels_unknown": (
            "Outcomes of unknown predictions",
            shown["labels"]["unknown"],
        ),
        "ml_monitor_metric": (
            "The contract's metric on the window's outcomes",
            numbers.get("value"),
        ),
        "ml_monitor_metric_reference": (
            "The contract's metric on the reference",
            numbers.get("reference"),
        ),
        "ml_monitor_estimate": ("The metric as estimated without outcomes", guess.get("value")),
        "ml_model_released_timestamp_seconds": ("When the champion was released", released),
    }
    for name, (words, value) in plain.items():
        if value is not None:
            Gauge(name, words, registry=made).set(value)
    verdict = Gauge("ml_monitor_verdict", "1 for the window's verdict", ["verdict"], registry=made)
    for word in get_args(Word):
        verdict.labels(word).set(word == shown["verdict"])
    _columns(shown, made)
    return made


def _lag(numbers: dict[str, Any]) -> float | None:
    days = numbers.get("median_lag_days")
    return None if days is None else days * DAY_SECONDS


def _columns(shown: dict[str, Any], made: CollectorRegistry) -> None:
    psi = Gauge(
        "ml_monitor_column_psi", "Population stability index of a column", ["column"], registry=made
    )
    ticket = Gauge(
        "ml_monitor_column_ticket", "1 where a column wants action", ["column"], registry=made
    )
    flagged = {
        finding["column"] for finding in shown["findings"] if finding["severity"] == "ticket"
    }
    for name, numbers in shown["columns"].items():
        psi.labels(name).set(numbers["psi"])
        ticket.labels(name).set(name in flagged)


def write(shown: dict[str, Any], path: Path) -> None:
    """Write the textfile in one step."""
    write_to_textfile(str(path), registry(shown))
