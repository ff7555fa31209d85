"""What the service counts, for Prometheus at `/metrics`.

With several workers prometheus-client keeps the numbers in files of PROMETHEUS_MULTIPROC_DIR
(`ml.serving.process.server` makes an empty one at start), so that any worker answers for all.
"""

from __future__ import annotations

import os
from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, values
from prometheus_client.multiprocess import MultiProcessCollector

_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class JournalMetrics:
    """What one process counts of its journal.

    Args:
        registry: of the process.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        counter = partial(Counter, registry=registry)
        gauge = partial(Gauge, registry=registry)
        self._rows = counter("ml_journal_rows", "Rows made durable in the journal")
        self.failures = counter("ml_journal_failures", "Writes to the journal that failed")
        self._commit_seconds = Histogram(
            "ml_journal_commit_seconds", "Time of one commit", buckets=_SECONDS, registry=registry
        )
        self._bytes = gauge(
            "ml_journal_bytes",
            "Bytes that the journal takes on disk",
            ["database"],
            multiprocess_mode="livemax",
        )
        self._free_bytes = gauge(
            "ml_journal_free_bytes",
            "Bytes that are free on the journal's disk (a file's; a database server does not say)",
            ["database"],
            multiprocess_mode="livemin",
        )
        self.label_failures = counter(
            "ml_label_failures", "Requests to POST /labels that could not be recorded"
        )
        self.labels_recorded = counter("ml_labels", "Outcomes recorded over POST /labels")

    def committed(self, rows: int, seconds: float) -> None:
        """Count one commit."""
        self._rows.inc(rows)
        self._commit_seconds.observe(seconds)

    def size(self, database: str, taken: int, free: int | None) -> None:
        """Note the journal's bytes, and those left on its disk where that is known."""
        self._bytes.labels(database).set(taken)
        if free is not None:
            self._free_bytes.labels(database).set(free)


class Metrics:
    """One process's counters, in a registry of their own."""

    def __init__(self) -> None:
        _use_fixed_pid()
        self._registry = registry = CollectorRegistry()
        self._serving: str | None = None
        self._answered: dict[tuple[str, str], Counter] = {}
        counter = partial(Counter, registry=registry)
        gauge = partial(Gauge, registry=registry)
        self.requests = counter(
            "ml_requests", "Answers to POST /predict by HTTP status", ["status"]
        )
        self.rows = counter(
            "ml_rows", "Rows answered, by model version and role", ["version", "role"]
        )
        seconds = partial(Histogram, buckets=_SECONDS, registry=registry)
        self.seconds = seconds(
            "ml_request_seconds", "Time to answer POST /predict, journal included"
        )
        self.explain_seconds = seconds(
            "ml_explain_seconds", "Time to answer POST /explain, waiting for others included"
        )
        self.waiting = gauge(
            "ml_requests_waiting",
            "Requests inside that wait for their answer, looked at four times a second",
            multiprocess_mode="livesum",
        )
        self.room = gauge(
            "ml_requests_room", "Requests that may be inside at once", multiprocess_mode="livesum"
        )
        self.connections_dropped = counter(
            "ml_connections_dropped",
            "Connections closed to make room for new ones, because as many were open as may be",
        )
        self.journal = JournalMetrics(registry)
        self.callers_refused = counter(
            "ml_callers_refused",
            "Requests refused for who sent them: api_key, rate, host, origin",
            ["reason"],
        )
        for reason in ("api_key", "rate", "host", "origin"):
            # at 0 from the start, so that the first one is an increase
            self.callers_refused.labels(reason)
        self.key_file_failures = counter(
            "ml_key_file_failures",
            "Looks at a file of API keys that found it missing, unreadable or wrong",
        )
        self.challenger_failures = counter(
            "ml_challenger_failures", "Requests the challenger failed at or left out", ["reason"]
        )
        self.fallback_answers = counter(
            "ml_fallback_answers",
            "Requests the champion failed at and the challenger answered: not_finite, raised",
            ["reason"],
        )
        for reason in ("not_finite", "raised"):
            self.fallback_answers.labels(reason)
        self._count_bundles(registry)

    def _count_bundles(self, registry: CollectorRegistry) -> None:
        self.bundle_failures = Counter(
            "ml_bundle_failures",
            "Bundles that were refused; the one before went on serving",
            registry=registry,
        )
        self.bundle = Gauge(
            "ml_bundle_serving",
            "1 for the version that answers",
            ["version"],
            multiprocess_mode="livemax",
            registry=registry,
        )

    def serving(self, version: str) -> None:
        """Note which version answers now."""
        if self._serving is not None:
            self.bundle.labels(self._serving).set(0)
        self.bundle.labels(version).set(1)
        self._serving = version

    def answered(self, version: str, role: str, rows: int) -> None:
        """Count rows that a version has answered."""
        child = self._answered.get((version, role))
        if child is None:  # looking a child up by its labels costs three times as much as counting
            child = self._answered[version, role] = self.rows.labels(version, role)
        child.inc(rows)

    def page(self) -> bytes:
        """All workers' numbers in Prometheus' text format."""
        if _FOLDER not in os.environ:
            return generate_latest(self._registry)
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)


def _use_fixed_pid() -> None:
    """Tell prometheus-client this process's id once.

    It asks for it again and again otherwise, in case of a fork; workers are spawned.
    """
    if _FOLDER in os.environ:
        pid = os.getpid()
        values.ValueClass = values.MultiProcessValue(lambda: pid)  # type: ignore[no-untyped-call]
