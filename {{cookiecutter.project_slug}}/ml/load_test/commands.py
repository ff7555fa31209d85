"""`ml load`: rows of the reference at a rising rate, and whether the objective is met.

Reads: serving/champion/ (contract.json, reference.parquet), params.yaml (serve.objective).
Writes: reports/load/load.svg and load.json. Without an address the champion is served here for the
test, with a journal of its own that is removed afterwards.
"""

from __future__ import annotations

import json
import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ml.atomic import write_json, write_text
from ml.bundle import CHAMPION, CONTRACT_FILE
from ml.charts.scales import figure
from ml.contract import load_contract
from ml.errors import UserError
from ml.load_test.arrivals import due, ramp
from ml.load_test.figures import EXIT, Figures, as_json, figures_of
from ml.load_test.picture import draw
from ml.load_test.sender import send
from ml.params import load_params
from ml.progress import counting

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ml.load_test.arrivals import Step
    from ml.load_test.sender import Sent

OUTPUT = Path("reports") / "load"
REFERENCE = CHAMPION / "reference.parquet"
ROWS = 2000  # of the reference that are asked, in turn
RATE = 100.0  # requests a second where no rate is stated
KEY = "ML_API_KEY"


def load(
    url: str | None = None,
    rate: float | None = None,
    p99_ms: float | None = None,
    seconds: float = 10.0,
    workers: int = 1,
) -> int:
    """Test, write the picture and print the verdict; the exit status.

    Args:
        url: a running service, whose journal takes the rows; None: one is started here.
        rate: of the last step, requests a second; None: serve.objective.rate.
        p99_ms: the limit; None: serve.objective.p99_ms.
        seconds: length of a step.
        workers: processes of the service that is started here.

    Raises:
        UserError: there is no released version, or no service answers at the address.
    """
    objective = load_params().serve.objective
    limit = p99_ms or objective.p99_ms
    steps = ramp(rate or objective.rate or RATE, seconds)
    sent = _sent(steps, url, workers)
    figures = [figures_of(step, sent) for step in steps]
    told = as_json(figures, limit)
    OUTPUT.mkdir(parents=True, exist_ok=True)
    write_text(OUTPUT / "load.svg", draw(sent, limit))
    write_json(OUTPUT / "load.json", told)
    print("\n".join(_lines(figures, limit, told["verdict"])))
    return EXIT[told["verdict"]]


def _sent(steps: list[Step], url: str | None, workers: int) -> Sent:
    """What became of the requests of all steps."""
    bodies, moments = _bodies(), due(steps)
    key = os.environ.get(KEY)
    headers = {"X-API-Key": key} if key else {}
    with _service(url, workers) as address, counting("requests", len(moments)) as advance:
        return send(f"{address}/predict", bodies, moments, headers, advance)


def _bodies() -> list[bytes]:
    from ml.dataset.frame import read_table, rows_of_frame

    if not REFERENCE.is_file():
        raise UserError(f"{REFERENCE}: no version is released here", "make release")
    contract = load_contract(CHAMPION / CONTRACT_FILE)
    frame = read_table(REFERENCE, contract)
    chosen = frame.sample(min(ROWS, len(frame)), random_state=7)
    rows = rows_of_frame(chosen, contract)
    return [json.dumps(row, ensure_ascii=False, allow_nan=False).encode() for row in rows]


@contextmanager
def _service(url: str | None, workers: int) -> Iterator[str]:
    """The address of the service that is tested."""
    if url is not None:
        yield _reachable(url.rstrip("/"))
        return
    from ml.loop.replay.simulation.service import running_service

    # beside the real journal: a commit takes as long there as in service
    with tempfile.TemporaryDirectory(prefix=".load-", dir=CHAMPION.parent) as folder:
        place = Path(folder).resolve()
        words = ("--port", "0", "--workers", str(workers))
        env = {**os.environ, "JOURNAL_URL": f"sqlite:///{place}/journal.db"}
        with running_service(words=words, env=env, log=place / "service.log") as client:
            yield client.address


def _reachable(url: str) -> str:
    import urllib.request

    shown = "ml load --url http://127.0.0.1:8000"
    if urlsplit(url).scheme not in ("http", "https"):
        raise UserError(f"--url: not an http address (given: {url!r})", shown)
    try:
        with urllib.request.urlopen(f"{url}/health/ready", timeout=10):  # noqa: S310
            return url
    except OSError as error:
        raise UserError(
            f"--url {url}: is not ready: {error}", f"make serve, then {shown}"
        ) from None


def _lines(steps: list[Figures], limit_ms: float | None, verdict: str) -> Iterator[str]:
    yield f"{'rate/s':>8} {'requests':>9} {'failed':>7} {'p50 ms':>8} {'p99 ms':>8}   95 % interval"
    for step in steps:
        yield (
            f"{figure(step.rate):>8} {step.requests:>9} {step.failed:>7} {figure(step.p50_ms):>8} "
            f"{figure(step.p99_ms):>8}   {figure(step.p99_low_ms)} to {figure(step.p99_high_ms)}"
        )
    late = figure(steps[-1].late_p99_ms)
    yield f"the generator's own delay in the last step: {late} ms (p99)"
    aim = f": p99 of {figure(limit_ms)} ms at {figure(steps[-1].rate)} a second" if limit_ms else ""
    yield f"verdict: {verdict}{aim}"
    yield f"next: open {OUTPUT / 'load.svg'}"
