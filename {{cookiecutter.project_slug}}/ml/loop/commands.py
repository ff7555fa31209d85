"""`ml loop`: one pass, or with `--watch` one after the other.

Reads and writes: what `ml.loop.run` does. Serves (`--watch`): http://<host>:<port>/metrics, on
loopback unless a host is given, with the moment of the last pass, for the alert that fires when
the loop stops.
Ends with status 0 where nothing is to do or something was done, 3 where a person is needed (broken
data, labels that stopped, a refused challenger), 4 too few rows.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NoReturn

from prometheus_client import CollectorRegistry, Counter, Gauge, start_http_server
from rich.console import Console

from ml import clock
from ml.errors import SENTENCE, UserError, printable
from ml.journal.bulk.scan import Span
from ml.ledger import chain
from ml.loop import memory
from ml.loop.run import Outcome, run_pass
from ml.monitoring.commands import HOUR, journal, latest_span
from ml.params import load_params
from ml.release.faults import translate_faults

if TYPE_CHECKING:
    from collections.abc import Callable

    from ml.params import Params

NOT_TRAINED = (memory.FAILED, memory.STOPPED, memory.ABANDONED, chain.REFUSE)
NEEDS_A_PERSON = (memory.QUARANTINE, memory.ALARM, *NOT_TRAINED, chain.ROLLBACK)
SOONER = 0.5  # of the interval, after drift without a loss
COLOUR = {"nothing": "green", chain.PROMOTE: "green", "report": "yellow", "hold": "yellow"}


def loop(days: float | None = None) -> int:
    """One pass on the latest window; the exit status."""
    params = load_params()
    with translate_faults("ml loop"):
        outcome = run_pass(_span(days, params))
    _print(outcome)
    return _status(outcome)


def _span(days: float | None, params: Params) -> Span:
    return latest_span(journal(), days, params.monitor)


def _status(outcome: Outcome) -> int:
    if outcome.verdict.verdict == "insufficient":
        return 4
    return 3 if outcome.action in NEEDS_A_PERSON else 0


def _print(outcome: Outcome) -> None:
    colour = COLOUR.get(outcome.action, "red")
    of = f" version {outcome.version}" if outcome.version else ""
    Console(soft_wrap=True).print(
        f"verdict {outcome.verdict.verdict}: [{colour}]{outcome.action}[/]{of}: ", end=""
    )
    Console(soft_wrap=True).print(outcome.why, markup=False, highlight=False)
    if outcome.action not in ("nothing", "report", "hold"):
        Console().print("next: make history")


class Beats:
    """What the loop shows to Prometheus."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.last = Gauge(
            "ml_loop_last_pass_timestamp_seconds", "Moment of the last pass", registry=self.registry
        )
        self.due = Gauge(
            "ml_loop_next_pass_timestamp_seconds", "When the next is due", registry=self.registry
        )
        self.actions = Counter(
            "ml_loop_passes", "Passes by what they did", ["action"], registry=self.registry
        )
        self.failures = Counter(
            "ml_loop_failures", "Passes that could not be made", registry=self.registry
        )

    def made(self, outcome: Outcome, at: float) -> None:
        """Count a pass."""
        self.last.set(at)
        self.actions.labels(outcome.action).inc()


def watch(
    days: float | None,
    port: int,
    sleep: Callable[[float], None] = time.sleep,
    host: str = "127.0.0.1",
) -> NoReturn:
    """A pass now and every `loop.every_hours`, after drift sooner, until Ctrl-C.

    Raises:
        UserError: the port is taken.
    """
    beats, console = Beats(), Console(stderr=True)
    _serve(beats, host, port)
    hours = load_params().loop.every_hours
    address = f"http://{host}:{port}/metrics"
    console.print(f"metrics on {address}; a pass every {hours:g} hours; Ctrl-C ends it")
    while True:
        begun = time.monotonic()
        wait = _watched_pass(days, beats, console)
        beats.due.set(clock.now() + wait)
        sleep(max(0.0, wait - (time.monotonic() - begun)))


def _watched_pass(days: float | None, beats: Beats, console: Console) -> float:
    """One pass; seconds until the next. A failure is counted, and tried again next time."""
    params = load_params()
    seconds = params.loop.every_hours * HOUR
    try:
        outcome = run_pass(_span(days, params), clock.now() + seconds)
        beats.made(outcome, clock.now())
        _print(outcome)
        return seconds * SOONER if outcome.action == "report" else seconds
    except Exception as error:  # a loop that ends with its database's failure could not report it
        beats.failures.inc()
        reason = error.what if isinstance(error, UserError) else str(error)
        console.print(f"no pass: {printable(reason, SENTENCE)}", markup=False)
        return seconds


def _serve(beats: Beats, host: str, port: int) -> None:
    try:
        start_http_server(port, addr=host, registry=beats.registry)
    except OSError as error:
        raise UserError(
            f"--host {host} --port {port}: {error.strerror}", "ml loop --watch --port 9112"
        ) from None
