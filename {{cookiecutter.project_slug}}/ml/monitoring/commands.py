"""`ml monitor`: is the served model still right? Once, or with `--watch` on a schedule.

Reads: the journal (JOURNAL_URL), serving/champion/, params.yaml (monitor).
Writes: what `ml.monitoring.monitor` writes; a child process writes Evidently's pages beside it, and
`--wait` and `--watch` wait for it. `ml monitor` ends with status 0 ok, 3 a verdict that
wants action, 4 too few rows. With `--watch` it judges again and again; after each window it removes
the answers that are older than journal.keep_days of params.yaml.
Serves (`--watch`): http://<host>:<port>/metrics, on loopback unless a host is given. A failed run
is counted and tried again next time.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import sqlalchemy as sql
from prometheus_client import CollectorRegistry, Counter, start_http_server
from rich.console import Console
from rich.markup import escape

from ml.atomic import locked
from ml.clock import now
from ml.encode import DAY_SECONDS
from ml.errors import SENTENCE, UserError, printable
from ml.journal.bulk.exported import exported_span
from ml.journal.bulk.scan import Span, latest_rows
from ml.journal.export import keep_days, prune
from ml.journal.store import Journal, journal_url
from ml.monitoring import heartbeat, history
from ml.monitoring.inputs.parts import Exports
from ml.monitoring.inputs.reference import load_champion
from ml.monitoring.monitor import REPORTS, evaluate_window
from ml.monitoring.reports import alerts, card, page_inputs, page_writer, prometheus
from ml.monitoring.reports.terminal import table
from ml.monitoring.verdict import EXIT, Verdict
from ml.params import load_params
from ml.progress import working

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from prometheus_client import Metric

    from ml.monitoring.reports.page_writer import Child
    from ml.params import Monitor
    from ml.scale.part import Executor

HOUR = 3600.0


@dataclass(frozen=True)
class Reading:
    """Where a window is read, and by whom.

    Args:
        exported: files of `ml journal export` in place of the journal.
        executor: where it is read in parts; None: in this process.
    """

    exported: Sequence[str] = ()
    executor: Executor | None = None


def reading_of(
    exported: Sequence[str] | None, scheduler: str | None, workers: int | None
) -> Reading:
    """What the options of `ml monitor` ask for."""
    from ml.scale.address import executor_at

    in_parts = scheduler is not None or workers is not None
    return Reading(exported or (), executor_at(scheduler, workers or 0) if in_parts else None)


def monitor(days: float | None, wait: bool = False, reading: Reading | None = None) -> int:
    """Judge the last `days` days; `wait` for Evidently's pages.

    Default: monitor.window_days, or the latest monitor.window_rows rows; of exported files all.

    Returns:
        The exit status of the verdict.
    """
    return EXIT[run_once(days, wait, reading).verdict]


def run_once(days: float | None, wait: bool, reading: Reading | None = None) -> Verdict:
    """Judge the latest window, print the table, start the pages, alert; perhaps wait for them."""
    params = load_params()
    settings = params.monitor
    reading = reading or Reading()
    with working("reading the journal"):
        champion, files = load_champion(), reading.exported
        engine, span = exports(files, days) if files else latest(days, settings)
    groups, executor = params.fairness, reading.executor
    verdict = evaluate_window(engine, champion, span, settings, groups=groups, executor=executor)
    folder = REPORTS / verdict.window
    child = page_writer.start(folder) if page_inputs.are_there(folder) else None
    _print(verdict, child, wait)
    with locked(REPORTS / history.LOCK):
        alerts.send(verdict, REPORTS / "alerts.json")
        card.renew()
    if child and wait:
        _wait(child, folder)
    return verdict


def exports(addresses: Sequence[str], days: float | None) -> tuple[Exports, Span]:
    """Exported files in the order of time, and the window that they hold."""
    # a worker may have been started in another folder
    absolute = [each if "://" in each else str(Path(each).absolute()) for each in addresses]
    spans = sorted((exported_span(each), each) for each in absolute)
    end = max(span.end for span, _ in spans)
    start = spans[0][0].start if days is None else end - days * DAY_SECONDS
    return Exports(tuple(each for _, each in spans)), Span(start, end)


def latest(days: float | None, settings: Monitor) -> tuple[sql.Engine, Span]:
    """The journal, and its latest window."""
    engine = journal()
    return engine, latest_span(engine, days, settings)


def _print(verdict: Verdict, child: Child | None, wait: bool) -> None:
    folder, pages = REPORTS / verdict.window, [str(REPORTS / "index.html")]
    if child:
        pages = [str(folder / page_inputs.REPORT), *pages]
    if child and not wait:
        pages.append(f"{page_inputs.REPORT} is being written by a child process, {child.pid}")
    elif not child and page_inputs.failure(folder):
        pages.append(f"no {page_inputs.REPORT}: {page_inputs.failure(folder)}")
    Console().print(table(verdict), *map(escape, pages), sep="\n", soft_wrap=True)
    if (reason := heartbeat.stopped(now())) is not None:
        Console(stderr=True, soft_wrap=True).print(f"[bold red]warning:[/] {escape(reason)}")


def _wait(child: Child, folder: Path) -> None:
    """Wait for the pages; the verdict stands, so a failure costs a line on stderr."""
    with working("writing Evidently's pages"):
        reason = page_writer.wait(child, folder)
    if reason is not None:
        line = f"{folder / page_inputs.REPORT}: not written: {printable(reason, SENTENCE)}"
        Console(stderr=True, soft_wrap=True).print(line, markup=False, highlight=False)


def latest_span(engine: sql.Engine, days: float | None, settings: Monitor) -> Span:
    """The latest window: by days, or by monitor.window_rows where no days are given."""
    end = now()
    if days is None and settings.window_rows:
        return Span(latest_rows(engine, settings.window_rows, end), end)
    return Span(end - (days or settings.window_days) * DAY_SECONDS, end)


def journal() -> sql.Engine:
    """The journal's engine.

    Raises:
        UserError: the journal's file is not there yet, or JOURNAL_URL cannot be opened.
    """
    address = journal_url()
    path = _sqlite_file(address)
    if path and not Path(path).is_file():
        raise UserError(f"{path}: no such file, so nothing was predicted here yet", "make serve")
    return Journal(address).engine


def _sqlite_file(address: str) -> str | None:
    return sql.make_url(address).database if address.startswith("sqlite") else None


class Latest:
    """A collector: the numbers of the latest verdict, and how often the monitor failed."""

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


def watch(
    days: float | None,
    every: float,
    port: int,
    host: str = "127.0.0.1",
    reading: Reading | None = None,
) -> NoReturn:
    """Judge now and every so many hours, until Ctrl-C.

    Raises:
        UserError: the port is taken, the hours are not above zero, journal.keep_days is less than
            the window, or exported files are named, which do not change.
    """
    keep_days()
    _check_hours(every)
    reading = reading or Reading()
    if reading.exported:
        raise UserError(
            "--exported: with --watch the journal is read", "ml monitor --exported FILE"
        )
    latest, console = Latest(), Console(stderr=True)
    _serve(latest, host, port)
    address = f"http://{host}:{port}/metrics"
    console.print(f"metrics on {address}; a window every {every:g} hours; Ctrl-C ends it")
    while True:
        due = time.monotonic() + every * HOUR
        _judge(latest, days, reading, console)
        prune_old(console)
        time.sleep(max(0.0, due - time.monotonic()))


def _check_hours(every: float) -> None:
    if every <= 0:
        raise UserError(
            f"--every {every:g}: hours between two windows are above zero",
            "ml monitor --watch --every 24",
        )


def _judge(latest: Latest, days: float | None, reading: Reading, console: Console) -> None:
    try:
        latest.verdict = prometheus.registry(run_once(days, True, reading))
        latest.runs.inc()
    except (
        Exception
    ) as error:  # a monitor that ends with its database's failure could not report it
        latest.failures.inc()
        reason = error.what if isinstance(error, UserError) else str(error)
        console.print(f"not judged: {printable(reason, SENTENCE)}", markup=False)


def prune_old(console: Console, who: str | None = None) -> None:
    """Remove what the journal need not keep; a failure is tried again after the next window."""
    try:
        if keep_days():
            prune(who=who)
    except Exception as error:
        console.print(f"journal: nothing removed: {error}", markup=False)


def _serve(latest: Latest, host: str, port: int) -> None:
    registry = CollectorRegistry()
    registry.register(latest)
    try:
        start_http_server(port, addr=host, registry=registry)
    except OSError as error:
        raise UserError(
            f"--host {host} --port {port}: {error.strerror}", "ml monitor --watch --port 9110"
        ) from None
