"""What clients without good manners cost the service, and what an honest client notices of them.

Reads: ML_BUNDLE, or .bench/bundle, which is made where it is missing. Writes nothing.
Run: `python -m benchmarks.attacks [--project DIR] [--only WORD]`; DIR may be another version of
this project.

Each attack meets a server of its own, while an honest client sends one row every ten milliseconds.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import multiprocessing
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table

HERE = Path(__file__).resolve().parent
PORT = 8790
FILES = 1024  # open files of the server, as on most machines
QUIET_SECONDS = 3
REPEATS = 3
PATIENCE = 25  # seconds that an attacker waits for an answer

Attack = Callable[[psutil.Process], Coroutine[Any, Any, str]]


def post(path: str, body: bytes, length: int | None = None) -> bytes:
    """A request; its body may be shorter than its announced length."""
    size = len(body) if length is None else length
    lines = (
        f"POST {path} HTTP/1.1",
        "host: localhost",
        "content-type: application/json",
        f"content-length: {size}",
    )
    return "\r\n".join([*lines, "", ""]).encode() + body


async def send(data: bytes) -> tuple[int, str]:
    """Send on a connection of its own; bytes of the answer and its status."""
    reader, writer = await asyncio.open_connection("127.0.0.1", PORT)
    answer = b""
    try:
        with suppress(OSError, EOFError):  # TimeoutError is an OSError
            async with asyncio.timeout(PATIENCE):
                writer.write(data)
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(
                    int(x.split(b":")[1]) for x in head.lower().split(b"\r\n") if b"length:" in x
                )
                answer = head + await reader.readexactly(length)
    finally:
        writer.transport.abort()
    return len(answer), answer[9:12].decode() or "none"


async def one_refusal(server: psutil.Process, path: str, body: Any) -> str:
    """A large wrong body, three times."""
    data, before = post(path, json.dumps(body).encode()), sum(server.cpu_times()[:2])
    for _ in range(REPEATS):
        size, status = await send(data)
    seconds = (sum(server.cpu_times()[:2]) - before) / REPEATS
    return f"{status}, {size / 1000:.1f} kB, {seconds:.2f} s of processor time"


async def small_refusals(_server: psutil.Process) -> str:
    """Four clients, one wrong body after the other."""
    body = post("/predict", json.dumps({f"x{i}": 1 for i in range(2500)}).encode())
    until, count = time.monotonic() + 5, 0

    async def client() -> None:
        nonlocal count
        while time.monotonic() < until:
            await send(body)
            count += 1

    await asyncio.gather(*(client() for _ in range(4)))
    return f"{count} refused in 5 s"


async def half_bodies(server: psutil.Process, path: str) -> str:
    """40 bodies of 16 MB that lack their last bytes."""
    before, began = server.memory_info().rss, time.monotonic()
    most = before
    data = post(path, b" " * 15_900_000, 16_000_000)
    sending = asyncio.gather(*(send(data) for _ in range(40)))
    while not sending.done():
        most = max(most, server.memory_info().rss)
        await asyncio.sleep(0.1)
    statuses = [status for _, status in await sending]
    counts = ", ".join(f"{statuses.count(s)} x {s}" for s in sorted(set(statuses)))
    return f"+{(most - before) / 1e6:.0f} MB, {counts} in {time.monotonic() - began:.1f} s"


async def connections(server: psutil.Process, n: int) -> str:
    """Connections that begin a request and go no further, and a probe over a new one."""
    opened = []
    for _ in range(n):
        with suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", PORT)
            writer.write(b"GET /health/live HTTP/1.1\r\nhost: loc")
            opened.append(writer)
    await asyncio.sleep(1)
    _, probe = await send(b"GET /health/live HTTP/1.1\r\nhost: localhost\r\n\r\n")
    await asyncio.sleep(14)
    left = sum(
        c.laddr.port == PORT and c.status == "ESTABLISHED" for c in server.net_connections("tcp")
    )
    for writer in opened:
        writer.transport.abort()
    return f"{len(opened)} opened, a probe: {probe}; {left} left after 15 s"


async def headers(server: psutil.Process) -> str:
    """80 MB of headers."""
    before = server.memory_info().rss
    most, sent = before, 0
    _, writer = await asyncio.open_connection("127.0.0.1", PORT)
    writer.write(b"GET /health/live HTTP/1.1\r\nhost: localhost\r\n")
    with suppress(OSError):
        while sent < 80_000_000:
            writer.write(b"x-a: " + b"a" * 99_993 + b"\r\n")
            await asyncio.wait_for(writer.drain(), PATIENCE)
            if writer.transport.is_closing():
                break
            sent += 100_000
            most = max(most, server.memory_info().rss)
    writer.transport.abort()
    return f"{sent / 1e6:.1f} MB taken, +{(most - before) / 1e6:.0f} MB"


NAMES = {f"name {i}": 1 for i in range(150_000)}
LABELS = [{"prediction_id": 1, "outcome": None}] * 100_000
ATTACKS: dict[str, Attack] = {
    "150,000 unknown names": lambda server: one_refusal(server, "/predict", NAMES),
    "100,000 mistyped labels": lambda server: one_refusal(server, "/labels", LABELS),
    "30 kB of unknown names, 4 clients": small_refusals,
    "40 half bodies to /health/x": lambda server: half_bodies(server, "/health/x"),
    "40 half bodies to /predict": lambda server: half_bodies(server, "/predict"),
    "1,800 half connections": lambda server: connections(server, 1800),
    "80 MB of headers": headers,
}


def honest(body: bytes, stop: Event, out: Any) -> None:
    """Send a row every 10 ms; puts (when, milliseconds) of each answer, reconnecting included."""
    times: list[tuple[float, float]] = []
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=PATIENCE)
    while not stop.is_set():
        began, status = time.monotonic(), 0
        while status != 200 and not stop.is_set():
            try:
                connection.request(
                    "POST",
                    "/predict",
                    body,
                    {"Content-Type": "application/json", "Host": "localhost"},
                )
                answer = connection.getresponse()
                answer.read()
                status = answer.status
            except (OSError, http.client.HTTPException):
                connection.close()
                time.sleep(0.01)
        times.append((began, (time.monotonic() - began) * 1000))
        time.sleep(0.01)
    out.put(times)


@contextmanager
def served(project: Path, bundle: Path) -> Iterator[psutil.Process]:
    """A fresh server of a project, with a journal of its own and few open files."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            **os.environ,
            "PYTHONPATH": str(project),
            "OMP_NUM_THREADS": "1",
            "ML_BUNDLE": str(bundle),
            "JOURNAL_URL": f"sqlite:///{folder}/journal.db",
        }
        command = [
            "sh",
            "-c",
            f'ulimit -n {FILES}; exec "$0" -m ml serve --port {PORT}',
            sys.executable,
        ]
        with (Path(folder) / "log").open("wb") as log:
            process = subprocess.Popen(command, cwd=project, env=environment, stderr=log)
        try:
            until = time.monotonic() + 120
            while time.monotonic() < until:
                with (
                    suppress(OSError),
                    urllib.request.urlopen(f"http://127.0.0.1:{PORT}/health/ready"),
                ):
                    break
                time.sleep(0.1)
            yield psutil.Process(process.pid)
        finally:
            process.kill()
            process.wait()


def measure(project: Path, bundle: Path, attack: Attack) -> tuple[str, list[float], list[float]]:
    """An attack's figure, and the honest client's milliseconds before and during it."""
    row = json.loads((bundle / "golden.json").read_text())["rows"][0]
    context = multiprocessing.get_context("fork")
    with served(project, bundle) as server:
        stop, out = context.Event(), context.Queue()
        client = context.Process(target=honest, args=(json.dumps(row).encode(), stop, out))
        client.start()
        time.sleep(1 + QUIET_SECONDS)  # the first second warms it
        began = time.monotonic()
        figure = asyncio.run(attack(server))
        stop.set()
        times = out.get(timeout=2 * PATIENCE)
        client.join()
    quiet = [ms for at, ms in times if began - QUIET_SECONDS < at and at + ms / 1000 < began]
    return figure, quiet, [ms for at, ms in times if at + ms / 1000 >= began]


def percentiles(times: list[float]) -> str:
    """Median and 99th percentile."""
    if not times:
        return "none answered"
    ordered = sorted(times)
    return f"{statistics.median(ordered):.1f} / {ordered[int(0.99 * (len(ordered) - 1))]:.0f}"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--project", type=Path, default=HERE.parent, help="whose server is attacked"
    )
    parser.add_argument("--only", default="", help="part of an attack's name")
    chosen = parser.parse_args()
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    work = HERE.parent / ".bench"
    bundle = Path(os.environ.get("ML_BUNDLE") or work / "bundle").resolve()
    if not bundle.is_dir():
        from benchmarks.model import write_model  # scikit-learn and more, not for the clients below

        work.mkdir(exist_ok=True)
        write_model(work)
    table = Table("attack", "figure", "honest, quiet: p50 / p99 ms", "during: p50 / p99 ms")
    for name, attack in ATTACKS.items():
        if chosen.only in name:
            figure, quiet, during = measure(chosen.project, bundle, attack)
            table.add_row(name, figure, percentiles(quiet), percentiles(during))
    Console(width=150).print(table)


if __name__ == "__main__":
    main()
