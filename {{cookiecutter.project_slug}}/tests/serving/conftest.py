"""Real parts for the serving tests: small models as sealed bundles, a project, a running server."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest
from starlette.testclient import TestClient

from ml.contract import Contract, contract_json
from ml.encode import Encoder
from ml.params import Serve, load_params
from ml.serving.api.app import create_app
from ml.serving.api_keys import Keys
from ml.serving.settings import Settings

HOME = Path(__file__).parents[2]

CLASSIFICATION = Contract.model_validate(
    {
        "target": {"name": "churned", "task": "binary", "classes": ["no", 'yes, "100%"']},
        "id": "customer id",
        "time": "month",
        "columns": [
            {"kind": "numeric", "name": "monthly charge", "missing": True},
            {"kind": "integer", "name": "class"},
            {"kind": "boolean", "name": "été.2024"},
            {"kind": "categorical", "name": "plan", "levels": ["basic", "plus", "it's"]},
            {
                "kind": "categorical",
                "name": "city",
                "levels": ["Oslo", "Lima"],
                "unseen": "pool",
                "missing": True,
            },
            {"kind": "datetime", "name": "month", "parts": ["month", "weekday"]},
            {"kind": "text", "name": "note", "buckets": 4, "missing": True},
        ],
    }
)
REGRESSION = Contract.model_validate(
    {
        "target": {"name": "count", "task": "regression"},
        "columns": [
            {"kind": "numeric", "name": "a"},
            {"kind": "categorical", "name": "b", "levels": ["x", "y"]},
        ],
    }
)


def sample_rows(contract: Contract, n: int, seed: int = 0) -> list[dict[str, Any]]:
    """Valid random rows of a contract."""
    rng = np.random.default_rng(seed)
    value_of: dict[str, Callable[[Any], Any]] = {
        "numeric": lambda _c: round(float(rng.normal(50, 20)), 3),
        "integer": lambda _c: int(rng.integers(0, 90)),
        "boolean": lambda _c: bool(rng.integers(0, 2)),
        "categorical": lambda c: str(rng.choice(c.levels)),
        "datetime": lambda _c: f"2025-{rng.integers(1, 13):02d}-{rng.integers(1, 28):02d}T08:00:00",
        "text": lambda _c: " ".join(rng.choice(["late", "happy", "billing", "moved"], 3)),
    }
    return [{c.name: value_of[c.kind](c) for c in contract.columns} for _ in range(n)]


def write_release(folder: Path, contract: Contract, version: str, seed: int = 0) -> Path:
    """Train a small model on random rows and seal it as a release does."""
    from ml.bundle import onnx_answers, write_bundle
    from ml.explain.references import write_pool
    from ml.model import make_model
    from ml.pipeline.training.onnx_convert import to_onnx

    encoder, rng = Encoder(contract), np.random.default_rng(seed)
    x = encoder.rows(sample_rows(contract, 400, seed))
    score = np.nan_to_num(x[:, 0]) + rng.normal(0, 10, len(x))
    y = (score > np.median(score)).astype(int) if contract.is_classification else score
    model = to_onnx(
        make_model(contract, load_params(HOME / "params.yaml").train).fit(x, y), contract
    )
    rows = sample_rows(contract, 8, seed + 1)
    golden = {"rows": rows, "answers": onnx_answers(model, encoder.rows(rows)).tolist()}
    about = {"model": "boosting", "metrics": {"roc_auc": 0.9}, "baseline": {"roc_auc": 0.5}}
    pool = folder.with_name(f"{folder.name}.npy")
    pool.parent.mkdir(parents=True, exist_ok=True)
    write_pool(pool, x, 300)
    write_bundle(folder, model, contract, about, golden, pool)
    pool.unlink()
    seal(folder, version)
    return folder


NOT_LISTED = ("manifest.json", "manifest.sig")


def seal(folder: Path, version: str) -> None:
    """Write lineage.json and the manifest over all files."""
    lineage = {"name": "churn", "version": version, "git_commit": "0" * 40, "data": "md5"}
    (folder / "lineage.json").write_text(json.dumps(lineage))
    paths = [path for path in folder.iterdir() if path.name not in NOT_LISTED]
    files = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}
    (folder / "manifest.json").write_text(json.dumps({"files": files}))


def point(project: Path, version: str) -> None:
    """Move serving/champion as a release does: one atomic rename of a link."""
    link = project / "serving" / "champion"
    new_link = link.with_name(f"champion.{os.getpid()}.new")
    new_link.symlink_to(Path("releases") / version)
    new_link.replace(link)


def write_releases(folder: Path) -> None:
    """The versions 1, 2 and 3 of a classification, and `r` of a regression."""
    for version in ("1", "2", "3"):
        write_release(folder / version, CLASSIFICATION, version, seed=int(version))
    write_release(folder / "r", REGRESSION, "r")


@pytest.fixture
def project(releases: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project's folder with version 1 as its champion; the current folder of the test."""
    return live_in_served_project(releases, tmp_path, monkeypatch)


def live_in_served_project(releases: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a folder a project that serves version 1, and the current folder."""
    shutil.copy(HOME / "params.yaml", folder)
    (folder / "contract.yaml").write_text(contract_json(CLASSIFICATION))  # JSON is YAML
    shutil.copytree(releases, folder / "serving" / "releases")
    point(folder, "1")
    monkeypatch.chdir(folder)
    for name in ("JOURNAL_URL", "ML_API_KEYS", "ML_LABEL_KEYS", "ML_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    return folder


@pytest.fixture
def settings(project: Path) -> Settings:
    """The settings of a server in the project's folder."""
    return settings_of(project)


def settings_of(project: Path) -> Settings:
    """The settings of a server in a project's folder."""
    return Settings(
        serve=load_params(project / "params.yaml").serve,
        bundle=project / "serving" / "champion",
        journal=f"sqlite:///{project}/serving/journal.db",
        keys=Keys((), None, 0),
        allowed_hosts=frozenset({"testserver"}),  # TestClient's
        explain=load_params(project / "params.yaml").explain,
    )


def with_serve(settings: Settings, **changes: object) -> Settings:
    """The settings with other values in the serve block."""
    return dataclasses.replace(
        settings, serve=Serve.model_validate({**settings.serve.model_dump(), **changes})
    )


@pytest.fixture
def client(settings: Settings) -> Iterator[TestClient]:
    """The application, called in this process."""
    with TestClient(create_app(settings)) as client:
        yield client


@pytest.fixture
def row() -> dict[str, Any]:
    """A valid row of the classification."""
    return sample_rows(CLASSIFICATION, 1)[0]


@dataclass
class Running:
    """A server process."""

    process: subprocess.Popen[str]
    url: str

    def stop(self) -> str:
        """SIGTERM, wait, and return what it wrote to stderr."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.communicate(timeout=120)[1]


Start = Callable[..., Running]


@pytest.fixture
def start(project: Path) -> Iterator[Start]:
    """Start `python -m ml serve` in the project's folder and wait until it is ready."""
    running: list[Running] = []

    def run(*options: str, env: dict[str, str] | None = None, ready: bool = True) -> Running:
        port = free_port()
        process = subprocess.Popen(
            [sys.executable, "-m", "ml", "serve", "--port", str(port), *options],
            cwd=project,
            env={**os.environ, "PYTHONPATH": str(HOME), **(env or {})},
            stderr=subprocess.PIPE,
            text=True,
        )
        server = Running(process, f"http://127.0.0.1:{port}")
        running.append(server)
        if ready:
            wait_ready(server)
        return server

    yield run
    for server in running:
        if server.process.poll() is None:
            server.process.terminate()
        server.process.communicate(timeout=120)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 20 MB (needs root)."""
    folder = tmp_path / "disk"
    folder.mkdir()
    assert os.system(f"mount -t tmpfs -o size=20m tmpfs '{folder}'") == 0  # noqa: S605
    yield folder
    os.system(f"umount -l '{folder}'")  # noqa: S605


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def waiting_inside(url: str, requests: int) -> None:
    """Return when so many requests are inside the server and wait."""
    async with httpx2.AsyncClient(base_url=url, timeout=60) as client:
        while f"ml_requests_waiting {float(requests)}" not in (await client.get("/metrics")).text:
            await asyncio.sleep(0.05)


def wait_ready(server: Running, seconds: float = 120) -> None:
    """Return when the server says ready; fail with its stderr when it ends before."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if server.process.poll() is not None:
            pytest.fail(f"the server ended: {server.process.communicate()[1]}")
        try:
            if httpx2.get(f"{server.url}/health/ready", timeout=2).status_code == 200:
                return
        except httpx2.TransportError:
            time.sleep(0.02)
    pytest.fail("the server did not become ready")
