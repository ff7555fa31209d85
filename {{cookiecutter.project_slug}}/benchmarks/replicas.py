"""What the journal costs a request, and what three replicas do that one does not.

Reads: nothing. Writes: reports/benchmarks/replicas.json; .bench/ holds the model and the journals.
Run: `python -m benchmarks.replicas` (needs wrk, PostgreSQL and HAProxy: apt-get install wrk
postgresql haproxy).

A replica has one worker. Runs are interleaved, and each figure is the median over the rounds of its
ratio to the first one in the same round: other work on the machine changes seconds more than
ratios. CPU seconds a request are those of the service's, PostgreSQL's and HAProxy's processes.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx2
import psutil

from benchmarks.model import write_model
from tests.journal.postgresql import Database
from tests.serving.conftest import free_port
from tests.serving.replicas import proxied

HERE = Path(__file__).resolve().parents[1]
WORK = HERE / ".bench"
REPORT = HERE / "reports" / "benchmarks" / "replicas.json"
NOTHING, SQLITE, POSTGRESQL = "no journal", "SQLite", "PostgreSQL"
JOURNALS = (NOTHING, SQLITE, POSTGRESQL)
CONNECTIONS = 16
PREFIX = f"pg{os.getpid()}-"


@dataclass(frozen=True)
class Run:
    """One load.

    Args:
        what: which journal, how many replicas, on which processors.
        connections: that ask without a pause.
        requests_per_second: answered with 200; `failed` were not.
        service, database, proxy: CPU seconds a request.
        commits: that the journal made, by request.
    """

    what: str
    connections: int
    requests_per_second: float
    failed: int
    service: float
    database: float = 0.0
    proxy: float = 0.0
    commits: float = 0.0


@contextmanager
def replica(journal: str, cores: str, command: tuple[str, ...] = ()) -> Iterator[str]:
    """The address of a service of one worker, on some processors."""
    port = free_port()
    program = command or ("-m", "ml", "serve", "--port")
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(HERE),
        "ML_BUNDLE": str(WORK / "bundle"),
        "JOURNAL_URL": journal,
    }
    process = subprocess.Popen(
        ["taskset", "-c", cores, sys.executable, *program, str(port)],
        cwd=HERE,
        env=environment,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_ready(f"http://127.0.0.1:{port}", process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(60)


def wait_ready(url: str, process: subprocess.Popen[bytes]) -> None:
    """Return when it answers."""
    while process.poll() is None:
        try:
            if httpx2.get(f"{url}/health/ready", timeout=2).status_code == 200:
                return
        except httpx2.TransportError:
            time.sleep(0.05)
    raise SystemExit("error: the service did not start\nnext: ML_BUNDLE=.bench/bundle ml serve")


@contextmanager
def postgresql() -> Iterator[str]:
    """The address of an empty journal."""
    with tempfile.TemporaryDirectory(prefix=PREFIX) as folder:
        database = Database(Path(folder))
        database.start()
        try:
            yield database.url
        finally:
            database.stop("immediate")


def cpu_seconds() -> dict[str, float]:
    """CPU seconds of this process's services, proxies and databases so far."""
    seconds = dict.fromkeys(("service", "database", "proxy"), 0.0)
    for process in psutil.Process().children(recursive=True):
        name = process.name()
        if name == "haproxy" or name.startswith("python"):
            seconds["proxy" if name == "haproxy" else "service"] += _seconds(process)
    for file in Path(tempfile.gettempdir()).glob(f"{PREFIX}*/data/postmaster.pid"):
        server = psutil.Process(int(file.read_text().split()[0]))
        every = [server, *server.children(recursive=True)]
        seconds["database"] += sum(map(_seconds, every))
    return seconds


def _seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def load(what: str, url: str, connections: int, seconds: float, replicas: list[str]) -> Run:
    """Ask for so many seconds."""
    before, commits = cpu_seconds(), _commits(replicas)
    script = WORK / "rows-1.lua"
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds:g}s", "-s", str(script)]
    said = subprocess.run(
        [*command, f"{url}/predict"], capture_output=True, text=True, check=True
    ).stdout
    spent = {name: total - before[name] for name, total in cpu_seconds().items()}
    failed = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
    requests = int(re.search(r"(\d+) requests in", said)[1])  # type: ignore[index]
    return Run(
        what=what,
        connections=connections,
        requests_per_second=float(re.search(r"Requests/sec:\s+([\d.]+)", said)[1]),  # type: ignore[index]
        failed=int(failed[1]) if failed else 0,
        commits=(_commits(replicas) - commits) / requests,
        **{name: total / requests for name, total in spent.items()},
    )


def _commits(replicas: list[str]) -> int:
    """Commits of the journal so far, as the replicas' /metrics count them."""
    texts = (httpx2.get(f"{url}/metrics", timeout=10).text for url in replicas)
    found = (
        re.search(r"^ml_journal_commit_seconds_count(?:\{.*\})? ([\d.e+]+)$", t, re.M)
        for t in texts
    )
    return int(sum(float(match[1]) for match in found if match))


def one_replica(journal: str, connections: list[int], seconds: float) -> list[Run]:
    """Loads of a replica on the first processor."""
    with ExitStack() as stack:
        command: tuple[str, ...] = ()
        if journal == POSTGRESQL:
            address = stack.enter_context(postgresql())
        else:
            folder = stack.enter_context(tempfile.TemporaryDirectory(dir=WORK))
            address = f"sqlite:///{folder}/journal.db"
        if journal == NOTHING:
            command = (str(HERE / "benchmarks/peers/unjournaled.py"),)
        url = stack.enter_context(replica(address, "0", command))
        load("warm", url, CONNECTIONS, 1, [url])
        return [load(journal, url, each, seconds, [url]) for each in connections]


def behind_proxy(count: int, cores: str, seconds: float) -> Run:
    """A load of some replicas on one PostgreSQL journal, behind HAProxy."""
    with ExitStack() as stack:
        address = stack.enter_context(postgresql())
        urls = [stack.enter_context(replica(address, cores)) for _ in range(count)]
        url = stack.enter_context(proxied((urls * 3)[:3]))
        load("warm", url, CONNECTIONS, 1, urls)
        words = "one core" if cores == "0" else "two cores"
        name = f"{count} replica{'s' if count > 1 else ''} on {words}"
        return load(name, url, 3 * CONNECTIONS, seconds, urls)


def measure(rounds: int, seconds: float) -> list[list[Run]]:
    """Of each round its runs."""
    done = []
    for turn in range(rounds):
        print(f"round {turn + 1} of {rounds}", file=sys.stderr)
        runs = [run for each in JOURNALS for run in one_replica(each, [CONNECTIONS], seconds)]
        runs += [behind_proxy(n, cores, seconds) for cores in ("0", "0,1") for n in (1, 3)]
        done.append(runs)
    return done


def median_ratio(rounds: list[list[Run]], what: str, to: str, field: str) -> float:
    """The median over the rounds of the ratio of two runs' figures."""
    return statistics.median(
        _figure(runs, what, field) / _figure(runs, to, field) for runs in rounds
    )


def _figure(runs: list[Run], what: str, field: str) -> float:
    run = next(each for each in runs if each.what == what)
    if field == "cpu":
        return run.service + run.database + run.proxy
    return float(getattr(run, field))


def main() -> None:
    """Measure, write, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3, help="of one run")
    chosen = parser.parse_args()
    WORK.mkdir(exist_ok=True)
    write_model(WORK)
    rounds = measure(chosen.rounds, chosen.seconds)
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    REPORT.write_text(
        json.dumps([[asdict(run) for run in each] for each in rounds], indent=1) + "\n"
    )
    print_tables(rounds)


def print_tables(rounds: list[list[Run]]) -> None:
    """Ratios to the first line of each table, and CPU microseconds a request."""
    behind = [run.what for run in rounds[0][len(JOURNALS) :]]
    for names in (JOURNALS, behind):
        print(
            "\n| | requests/s, ratio | CPU a request, ratio | µs service | µs database | µs proxy |"
        )
        print("|---|---|---|---|---|---|")
        for name in names:
            ratios = [
                median_ratio(rounds, name, names[0], f) for f in ("requests_per_second", "cpu")
            ]
            parts = [
                statistics.median(_figure(runs, name, field) for runs in rounds) * 1e6
                for field in ("service", "database", "proxy")
            ]
            cells = [*(f"{each:.2f}" for each in ratios), *(f"{each:.0f}" for each in parts)]
            print("|", " | ".join([name, *cells]), "|")
    failed = sum(run.failed for runs in rounds for run in runs)
    print(f"\n{failed} requests without 200")


if __name__ == "__main__":
    main()
