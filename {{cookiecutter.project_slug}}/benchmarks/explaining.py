"""What an explanation costs, and what predictions lose while some are made.

1. One explanation of a row of 20 columns (12 numbers with gaps, 8 categories) on one thread, beside
   the floor: the plain ONNX model asked for as many rows as the explanation asks it for. Of each
   row the quickest of the rounds counts, because other work on the machine only adds to it.
2. `POST /predict` at a steady rate to one worker, alone and while clients ask for explanations
   without a pause; both in turn, so that what else the machine does falls on both.

Reads: nothing. Writes: reports/benchmarks/explaining.json, and a bundle in .bench/explaining.
Run: `python -m benchmarks.explaining [--rounds 5]`.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from ml.atomic import write_json
from ml.bundle import RUN, Bundle, load_bundle, onnx_answers, write_bundle
from ml.contract import Contract
from ml.encode import Encoder
from ml.explain.explainer import Explainer
from ml.explain.references import write_pool
from ml.model import make_model
from ml.params import load_params
from ml.pipeline.training.onnx_convert import to_onnx

HERE = Path(__file__).resolve().parents[1]
WORK = HERE / ".bench" / "explaining"
REPORT = HERE / "reports" / "benchmarks" / "explaining.json"
LEVELS = ["north", "south", "east", "west", "up", "down"]
NUMBERS = [f"number_{i}" for i in range(12)]
CATEGORIES = [f"category_{i}" for i in range(8)]
CONTRACT = Contract.model_validate(
    {
        "target": {"name": "churned", "task": "binary", "classes": ["no", "yes"]},
        "columns": [
            *({"kind": "numeric", "name": name, "missing": True} for name in NUMBERS),
            *({"kind": "categorical", "name": name, "levels": LEVELS} for name in CATEGORIES),
        ],
    }
)
TRAINED, EXPLAINED = 8000, 50  # rows
PORT = 8017
PER_SECOND, SECONDS = 200, 5.0  # of predictions, in each part of a round
CLIENTS = (1, 4)  # that ask for explanations without a pause

Row = dict[str, Any]


def make_rows(n: int, rng: np.random.Generator) -> list[Row]:
    """Rows of the contract."""
    return [
        {name: None if rng.random() < 0.05 else float(rng.normal(50, 20)) for name in NUMBERS}
        | {name: str(rng.choice(LEVELS)) for name in CATEGORIES}
        for _ in range(n)
    ]


def write_model(folder: Path) -> list[Row]:
    """Train a model whose columns act together, seal it as a bundle; some of its rows."""
    rng = np.random.default_rng(7)
    rows = make_rows(TRAINED, rng)
    x = Encoder(CONTRACT).rows(rows)
    z = np.nan_to_num(x)
    together = z[:, 1] * z[:, 2] / 2500 - 0.4 * (z[:, 13] == 1) * (z[:, 3] > 50)
    score = z[:, 0] / 20 + together + 0.5 * (z[:, 12] == 2) + rng.normal(0, 0.7, len(x))
    y = (score > np.median(score)).astype(int)
    model = to_onnx(make_model(CONTRACT, load_params().train).fit(x, y), CONTRACT)
    folder.parent.mkdir(parents=True, exist_ok=True)
    pool = folder.with_suffix(".npy")
    write_pool(pool, x, load_params().explain.rows)
    golden = {"rows": rows[:16], "answers": onnx_answers(model, x[:16]).tolist()}
    about = {"model": "boosting", "metrics": {}, "baseline": {}}
    write_bundle(folder, model, CONTRACT, about, golden, pool)
    (folder / "lineage.json").write_text(json.dumps({"name": "benchmark", "version": "1"}))
    files = {f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in folder.iterdir()}
    (folder / "manifest.json").write_text(json.dumps({"files": files}))
    return rows[:EXPLAINED]


def milliseconds(run: Callable[[Row], object], rows: list[Row]) -> list[float]:
    """Of each row."""
    spent = []
    for row in rows:
        began = time.perf_counter()
        run(row)
        spent.append(1000 * (time.perf_counter() - began))
    return spent


def rows_asked(bundle: Bundle, explain: Callable[[Row], object], rows: list[Row]) -> int:
    """How many rows an explanation asks the model for, in the median."""
    asked: list[int] = []

    class Counting:
        def run(self, outputs: Any, given: dict[str, Any]) -> Any:
            asked[-1] += len(given["x"])
            return session.run(outputs, given)

    session = bundle._session
    object.__setattr__(bundle, "_session", Counting())
    for row in rows:
        asked.append(0)
        explain(row)
    object.__setattr__(bundle, "_session", session)
    return int(statistics.median(asked))


def cost(bundle: Bundle, rows: list[Row], rounds: int) -> dict[str, Any]:
    """One explanation beside the plain model."""
    explainer = Explainer(bundle, load_params().explain)
    explainer.explain(rows[0])
    count = rows_asked(bundle, explainer.explain, rows)
    x = Encoder(CONTRACT).rows((rows * (1 + RUN // len(rows)))[:RUN])

    def plain(_row: Row) -> None:
        for start in range(0, count, RUN):
            bundle.answer(x[: min(RUN, count - start)])

    pairs = [
        (milliseconds(explainer.explain, rows), milliseconds(plain, rows)) for _ in range(rounds)
    ]
    quickest = np.min(pairs, axis=0)  # (2, rows)
    ours, floor = (float(figure) for figure in np.median(quickest, axis=1))
    errors = [c["standard_error"] for row in rows for c in explainer.explain(row)["contributions"]]
    return {
        "columns": len(CONTRACT.columns),
        "rows_asked": count,
        "explain_ms": ours,
        "plain_onnx_ms": floor,
        "ratio": ours / floor,
        "largest_standard_error": max(errors),
    }


@contextmanager
def server() -> Iterator[None]:
    """`ml serve` with one worker, ready."""
    environment = {
        **os.environ,
        "ML_BUNDLE": str(WORK / "bundle"),
        "JOURNAL_URL": f"sqlite:///{WORK}/journal.db",
        "OMP_NUM_THREADS": "1",
    }
    words = [sys.executable, "-m", "ml", "serve", "--port", str(PORT)]
    process = subprocess.Popen(words, cwd=HERE, env=environment)
    try:
        while True:
            with suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{PORT}/health/ready", timeout=5)
                break
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait()


class Client:
    """One keep-alive connection; nothing but bytes, so that the load costs little.

    Args:
        path: that is asked.
        row: the body.
    """

    def __init__(self, path: str, row: Row) -> None:
        body = json.dumps(row).encode()
        head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        self._request = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body

    async def open(self) -> Client:
        """Connect."""
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", PORT)
        return self

    async def ask(self) -> int:
        """Send the request; the status of its answer."""
        self._writer.write(self._request)
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = next(
            int(line.split(b":")[1])
            for line in head.lower().split(b"\r\n")
            if line.startswith(b"content-length")
        )
        await self._reader.readexactly(length)
        return int(head.split()[1])


async def steady(row: Row) -> list[float]:
    """Milliseconds of predictions sent at a steady rate, from when each was due."""
    free = [await Client("/predict", row).open() for _ in range(16)]
    spent: list[float] = []

    async def one(due: float) -> None:
        client = free.pop() if free else await Client("/predict", row).open()
        if await client.ask() == 200:
            spent.append(1000 * (time.perf_counter() - due))
        free.append(client)

    began, tasks = time.perf_counter(), []
    for i in range(int(PER_SECOND * SECONDS)):
        due = began + i / PER_SECOND
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        tasks.append(asyncio.create_task(one(due)))
    await asyncio.gather(*tasks)
    return spent


async def beside(row: Row, clients: int) -> tuple[list[float], int]:
    """`steady` while so many clients ask for explanations; how many they got."""
    done, explained = asyncio.Event(), 0

    async def asking() -> None:
        nonlocal explained
        client = await Client("/explain", row).open()
        while not done.is_set():
            status = await client.ask()  # counted after it: others count meanwhile
            explained += status == 200

    tasks = [asyncio.create_task(asking()) for _ in range(clients)]
    spent = await steady(row)
    done.set()
    await asyncio.gather(*tasks)
    return spent, explained


def load(row: Row, rounds: int) -> list[dict[str, Any]]:
    """Quantiles of predictions alone and beside explanations, over all rounds."""
    spent: dict[int, list[float]] = {clients: [] for clients in (0, *CLIENTS)}
    explained = dict.fromkeys(spent, 0)
    with server():
        asyncio.run(beside(row, 1))  # warm
        for _ in range(rounds):
            for clients in spent:
                found, count = asyncio.run(beside(row, clients))
                spent[clients] += found
                explained[clients] += count
    return [
        {
            "explaining_clients": clients,
            "explained_a_second": explained[clients] / rounds / SECONDS,
            "predictions": len(found),
            "p50_ms": float(np.quantile(found, 0.5)),
            "p99_ms": float(np.quantile(found, 0.99)),
        }
        for clients, found in spent.items()
    ]


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description="What an explanation costs.")
    parser.add_argument("--rounds", type=int, default=5)
    rounds: int = parser.parse_args().rounds
    shutil.rmtree(WORK, ignore_errors=True)
    rows = write_model(WORK / "bundle")
    bundle = load_bundle(WORK / "bundle")
    alone = cost(bundle, rows, rounds)
    print(
        "one explanation of {columns} columns: {explain_ms:.1f} ms, {ratio:.2f} times the "
        "plain ONNX model's {plain_onnx_ms:.1f} ms for the same {rows_asked} rows; "
        "largest standard error {largest_standard_error:.4f}".format(**alone),
        flush=True,
    )
    parts = load(rows[0], rounds)
    for part in parts:
        print(
            "{explaining_clients} clients explaining ({explained_a_second:.0f} a second): "
            "/predict p50 {p50_ms:.2f} ms, p99 {p99_ms:.2f} ms".format(**part)
        )
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    write_json(REPORT, {"alone": alone, "beside": parts})


if __name__ == "__main__":
    main()
