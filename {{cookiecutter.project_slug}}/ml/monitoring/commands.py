"""`ml monitor --watch`: judges the latest window on a schedule and serves its numbers to Prometheus.

After each window it removes the answers that are older than journal.keep_days of params.yaml.

Serves: http://127.0.0.1:<port>/metrics (loopback only). A failed run is counted and tried again
next time.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NoReturn

from prometheus_client import CollectorRegistry, Counter, start_http_server
from rich.console import Console

from ml.errors import SENTENCE, UserError, printable
from ml.journal.export import keep_days, prune
from ml.monitoring.monitor import once
from ml.monitoring.reports import prometheus

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client import Metric

HOUR = 3600.0


class Latest:
    """A collector that gives the numbers of the latest verdict, and how often the monitor failed."""

    def __init__(self) -> None:
        self._counters = CollectorRegistry()
        self.runs = Counter("ml_monitor_runs", "Windows judged", registry=self._counters)
        self.failures = Counter(
            "ml_monitor_failures", "Windows that could not be judged", registry=self._counters
        )
        self.verdict: CollectorRegistry | None = None

    def collect(self) -> Iterator[Metric]:
        """Prometheus' collector protocol."""
        yield from self._counters.collect()
        if self.verdict is not None:
            yield from self.verdict.collect()


def run(days: float | None, every: float, port: int) -> NoReturn:
    """Judge now and every so many hours, until Ctrl-C.

    Raises:
        UserError: the port is taken, the hours are not above zero, or journal.keep_days is less
            than the window.
    """
    keep_days()
    if every <= 0:
        raise UserError(
            f"--every {every:g}: hours between two windows are above zero",
            "ml monitor --watch --every 24",
        )
    latest, console = Latest(), Console(stderr=True)
    _serve(latest, port)
    console.print(
        f"metrics on http://127.0.0.1:{port}/metrics; a window every {every:g} hours; Ctrl-C ends it"
    )
    while True:
        started = time.monotonic()
        try:
            latest.verdict = prometheus.registry(once(days))
            latest.runs.inc()
        except Exception as error:  # a monitor that dies with its database tells nobody that it did
            latest.failures.inc()
            words = error.what if isinstance(error, UserError) else str(error)
            console.print(f"not judged: {printable(words, SENTENCE)}", markup=False)
        prune_old(console)
        time.sleep(max(0.0, every * HOUR - (time.monotonic() - started)))


def prune_old(console: Console) -> None:
    """Remove what the journal need not keep; where that fails it is tried again after the next window."""
    try:
        if keep_days():
            prune()
    except Exception as error:
        console.print(f"journal: nothing removed: {error}", markup=False)


def _serve(latest: Latest, port: int) -> None:
    registry = CollectorRegistry()
    registry.register(latest)
    try:
        start_http_server(port, addr="127.0.0.1", registry=registry)
    except OSError as error:
        raise UserError(
            f"--port {port}: {error.strerror}", "ml monitor --watch --port 9110"
        ) from None
