"""How fast the service answers, beside the servers one could use instead and a bare ASGI app.

Reads: nothing. Writes: reports/benchmarks/serving.json, serving.png; .bench/ holds the peers'
environments and a model trained for the purpose (18 columns, HistGradientBoosting, the same for
all).
Run: `make bench-serving` (needs wrk: apt-get install wrk, and uv, which `make setup` installs).

Every server has two workers and one thread for each. Runs are interleaved: each round asks every
server once at each number of connections, the figures are medians over the rounds. Ours validates,
counts and journals; no peer does.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import re
import shutil
import signal
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console

from benchmarks.contenders import (
    BARE,
    BATCH,
    BATCH_CONNECTIONS,
    CONNECTIONS,
    CONTENDERS,
    OURS,
    Contender,
)
from benchmarks.figures import plot, summary, table
from benchmarks.model import write_model
from ml.errors import UserError

HERE = Path(__file__).resolve().parent
WORK = HERE.parent / ".bench"
REPORT = HERE.parent / "reports" / "benchmarks" / "serving.json"

console = Console(stderr=True)


def python_of(contender: Contender) -> str:
    """The interpreter of a contender's environment, made where it is missing."""
    if not contender.packages:
        return sys.executable
    folder = WORK / "env" / re.sub(r"\W+", "-", contender.name.lower())
    python = folder / "bin" / "python"
    if not (folder / "installed").is_file():
        console.print(f"installing {contender.name} (once)")
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        subprocess.run(
            ["uv", "venv", "--quiet", "--clear", "--python", version, str(folder)], check=True
        )
        subprocess.run(
            ["uv", "pip", "install", "--quiet", "--python", str(python), *contender.packages],
            check=True,
        )
        (folder / "installed").touch()
    return str(python)


@contextlib.contextmanager
def running(contender: Contender, python: str, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """The contender's process group, from ready to ended."""
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": f"{HERE / 'peers'}:{HERE.parent}",
        "BENCH_WORK": str(WORK),
        "ML_BUNDLE": str(WORK / "bundle"),
        "JOURNAL_URL": f"sqlite:///{WORK}/journal.db",
        "MLSERVER_HTTP_PORT": str(port),
        "DO_NOT_TRACK": "1",
        "BENTOML_DO_NOT_TRACK": "True",
    }
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # a start with a warm cache is measured
    if contender.form == "v2":
        _write_mlserver(WORK / f"mlserver-{port}", port)
    places = {
        "python": python,
        "bin": Path(python).parent,
        "port": port,
        "work": WORK,
        "peers": HERE / "peers",
    }
    command = [part.format(**places) for part in contender.command.split()]
    cwd = HERE.parent
    if contender.name != OURS:  # some leave files where they run
        cwd = WORK / "run"
        shutil.rmtree(cwd, ignore_errors=True)
        cwd.mkdir()
    with (WORK / "log").open("ab") as log:
        process = subprocess.Popen(
            command, cwd=cwd, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        wait_ready(contender, process, port)
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _write_mlserver(folder: Path, port: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "settings.json").write_text(
        json.dumps(
            {
                "host": "127.0.0.1",
                "http_port": port,
                "grpc_port": port + 1000,
                "metrics_port": port + 2000,
                "parallel_workers": 2,
            }
        )
    )
    (folder / "model-settings.json").write_text(
        json.dumps({"name": "churn", "implementation": "mls.Model"})
    )


def wait_ready(
    contender: Contender, process: subprocess.Popen[bytes], port: int, pause: float = 0.05
) -> float:
    """Seconds until it answers."""
    began = time.perf_counter()
    body = None if contender.ready else (WORK / f"{contender.form}-1.json").read_bytes()
    url = f"http://127.0.0.1:{port}{contender.ready or contender.path}"
    while time.perf_counter() - began < 120:
        if process.poll() is not None:
            raise UserError(
                f"{contender.name}: ended with {process.returncode}", f"tail {WORK / 'log'}"
            )
        request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
        with contextlib.suppress(OSError), urllib.request.urlopen(request, timeout=10):  # noqa: S310
            return time.perf_counter() - began
        time.sleep(pause)
    raise UserError(f"{contender.name}: no answer after two minutes", f"tail {WORK / 'log'}")


def wrk(
    contender: Contender, port: int, rows: int, connections: int, seconds: float
) -> dict[str, Any]:
    """One run: requests a second, median and 99th percentile in milliseconds, failed requests."""
    script = WORK / f"{contender.form}-{rows}.lua"
    url = f"http://127.0.0.1:{port}{contender.path}"
    command = [
        "wrk",
        "-t1",
        f"-c{connections}",
        f"-d{seconds:g}s",
        "--latency",
        "--timeout",
        "20s",
        "-s",
        str(script),
        url,
    ]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    failed = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
    return {
        "server": contender.name,
        "rows": rows,
        "connections": connections,
        "requests_per_second": float(_found(r"Requests/sec:\s+([\d.]+)", said)),
        "p50_ms": _milliseconds(_found(r"50%\s+(\S+)", said)),
        "p99_ms": _milliseconds(_found(r"99%\s+(\S+)", said)),
        "failed": int(failed[1]) if failed else 0,
    }


def _found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    if match is None:
        raise UserError(f"wrk said nothing that matches {pattern}: {text[:200]}", "wrk --version")
    return match[1]


def _milliseconds(text: str) -> float | None:
    match = re.fullmatch(r"([\d.]+)(us|ms|s|m)", text)
    if match is None:  # no request was answered in this run
        return None
    number, unit = match.groups()
    return float(number) * {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}[unit]


def start_and_memory(contender: Contender, rounds: int) -> tuple[float, float]:
    """Median seconds from start to ready with one worker, and resident MB after a load."""
    seconds, memory = [], 0.0
    one = replace(contender, command=contender.command.replace("--workers 2", "--workers 1"))
    for _ in range(rounds + 1):  # the first warms the cache
        began = time.perf_counter()
        with running(one, sys.executable, 8790) as process:
            seconds.append(time.perf_counter() - began)
            wrk(one, 8790, 1, 16, 1)
            memory = psutil.Process(process.pid).memory_info().rss / 1e6
    return statistics.median(seconds[1:]), memory


def measure(contenders: list[Contender], rounds: int, seconds: float) -> list[dict[str, Any]]:
    """All runs, interleaved. One server is up at a time: an idle one costs memory and wakes."""
    pythons = {contender.name: python_of(contender) for contender in contenders}
    loads = [(1, c) for c in CONNECTIONS] + [(BATCH, BATCH_CONNECTIONS)]
    runs = []
    for turn in range(rounds):
        for i, contender in enumerate(contenders):
            port = 8700 + i
            console.print(f"round {turn + 1} of {rounds}: {contender.name}")
            try:
                with running(contender, pythons[contender.name], port):
                    wrk(contender, port, 1, 16, 1)  # warm
                    for rows, connections in loads if contender.name != BARE else loads[:-1]:
                        runs.append(wrk(contender, port, rows, connections, seconds))
            except UserError as error:
                if contender.name in (OURS, BARE):
                    raise
                # a peer that does not start with today's versions
                console.print(f"left out: {error}")
    return runs


def machine() -> dict[str, Any]:
    """Where the figures were taken."""
    return {
        "cpus": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30),
        "python": platform.python_version(),
    }


def main() -> None:
    """Measure, write, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4, help="of one run")
    parser.add_argument(
        "--only", default="", help="part of a peer's name; ours and the bare app always run"
    )
    chosen = parser.parse_args()
    if shutil.which("wrk") is None:
        raise UserError("wrk is not installed", "apt-get install wrk")
    WORK.mkdir(exist_ok=True)
    write_model(WORK)
    contenders = [
        c for c in CONTENDERS if c.name in (OURS, BARE) or chosen.only.lower() in c.name.lower()
    ]
    busy = os.getloadavg()[0]
    runs = measure(contenders, chosen.rounds, chosen.seconds)
    ready, memory = start_and_memory(CONTENDERS[0], chosen.rounds)
    result = {
        **summary(runs),
        "ready_seconds": ready,
        "worker_mb": memory,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {**machine(), "load_before": busy},
        "runs": runs,
    }
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    REPORT.write_text(json.dumps(result, indent=1) + "\n")
    plot(runs, REPORT.with_suffix(".png"))
    Console(width=100).print(table(runs))
    print(json.dumps({k: v for k, v in result.items() if k != "runs"}, indent=1))


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(f"error: {error}")
