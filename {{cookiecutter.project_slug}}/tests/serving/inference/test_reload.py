"""The champion is replaced under load: by a sound release, or by a broken one."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import psutil
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ml.bundle import load_bundle
from ml.journal.store import Journal
from tests.seal.keys import public_pem, sign_release
from tests.serving.conftest import CLASSIFICATION, Start, point, seal
from tests.serving.load import LOAD_ROWS, Load, under_load


def expected(project: Path, version: str) -> list[dict[str, float]]:
    """What a version answers to LOAD_ROWS."""
    bundle = load_bundle(project / "serving/releases" / version)
    return [
        dict(zip(CLASSIFICATION.target.classes, row, strict=True))
        for row in bundle.answer(bundle.encoder.rows(LOAD_ROWS)).tolist()
    ]


@pytest.mark.slow
def test_a_hundred_swaps_drop_nothing_and_every_answer_is_its_models(
    start: Start, project: Path
) -> None:
    server = start()
    memory = psutil.Process(server.process.pid).memory_info
    grown: list[int] = []

    async def swap(load: Load) -> None:
        for turn in range(100):
            version = str(1 + (turn + 1) % 3)
            point(project, version)
            answered = len(load.answers)
            while not any(a["model_version"] == version for a in load.answers[answered:]):
                answered = max(answered, len(load.answers) - 100)
                await asyncio.sleep(0.01)
            grown.append(memory().rss)

    load = under_load(server.url, swap, connections=4)
    models = {version: expected(project, version) for version in ("1", "2", "3")}
    assert load.refused == []
    assert load.broken == 0
    assert {a["model_version"] for a in load.answers} == {"1", "2", "3"}
    for sent, answered in zip(load.sent, load.answers, strict=True):
        given, right = answered["probabilities"], models[answered["model_version"]][sent]
        assert all(np.float32(given[name]) == np.float32(right[name]) for name in right)
    assert grown[-1] - grown[4] < 50e6
    metrics = httpx2.get(f"{server.url}/metrics").text
    assert f'ml_requests_total{{status="200"}} {float(len(load.answers))}' in metrics
    assert Journal().count() == len(load.answers)


def _half_written(folder: Path) -> None:
    (folder / "manifest.json").unlink()


def _bad_hash(folder: Path) -> None:
    (folder / "model.onnx").write_bytes((folder / "model.onnx").read_bytes()[:-100])


def _wrong_answers(folder: Path) -> None:
    shutil.copy(folder.parent / "1" / "model.onnx", folder)
    seal(folder, folder.name)


@pytest.mark.slow
@pytest.mark.parametrize("spoil", [_half_written, _bad_hash, _wrong_answers])
def test_a_broken_bundle_leaves_the_old_one_serving(
    start: Start, project: Path, spoil: Callable[[Path], None], row: dict[str, Any]
) -> None:
    server = start()
    spoil(project / "serving/releases/2")
    point(project, "2")
    failures = _until(
        lambda: "ml_bundle_failures_total 1.0" in httpx2.get(f"{server.url}/metrics").text
    )
    assert failures
    assert httpx2.post(f"{server.url}/predict", json=row).json()["model_version"] == "1"
    assert httpx2.get(f"{server.url}/health/ready").json()["version"] == "1"
    point(project, "3")
    assert _until(lambda: httpx2.get(f"{server.url}/health/ready").json()["version"] == "3")
    assert "the model before goes on serving" in server.stop()


@pytest.mark.slow
def test_only_signed_releases_serve_where_there_are_keys(start: Start, project: Path) -> None:
    key, new_key = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    keys, releases = project / "release.pub", project / "serving/releases"
    keys.write_text(public_pem(key))
    sign_release(releases / "1", key)
    server = start(env={"ML_VERIFY_KEYS_FILE": str(keys)})

    def serves(version: str, refused: int) -> bool:
        metrics = httpx2.get(f"{server.url}/metrics").text
        ready = httpx2.get(f"{server.url}/health/ready").json()
        return f"ml_bundle_failures_total {refused}.0" in metrics and ready["version"] == version

    point(project, "2")
    assert _until(lambda: serves("1", refused=1))  # it has no signature
    sign_release(releases / "2", key)
    assert _until(lambda: serves("2", refused=1))
    sign_release(releases / "3", new_key)
    point(project, "3")
    assert _until(lambda: serves("2", refused=2))  # nobody has told the service of that key
    keys.write_text(public_pem(key) + public_pem(new_key))
    assert _until(lambda: serves("3", refused=2))
    said = server.stop()
    assert "manifest.sig is missing: the release is not signed" in said
    assert "manifest.sig is not a signature of this manifest by one of ML_VERIFY_KEYS_FILE" in said


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_service_of_a_changed_release_is_never_ready(
    start: Start, project: Path, workers: str
) -> None:
    folder, key = project / "serving/releases/1", Ed25519PrivateKey.generate()
    sign_release(folder, key)
    (folder / "golden.json").write_bytes((folder / "golden.json").read_bytes() + b" ")
    seal_as_before = (folder / "manifest.sig").read_bytes()
    seal(folder, "1")  # whoever has the folder can write right hashes, and not the signature
    (folder / "manifest.sig").write_bytes(seal_as_before)
    env = {"ML_VERIFY_KEYS": public_pem(key)}
    server = start("--workers", workers, env=env, ready=False)
    said = server.process.communicate(timeout=120)[1]
    assert server.process.returncode == 2
    assert "manifest.sig is not a signature of this manifest by one of ML_VERIFY_KEYS" in said
    assert "Traceback" not in said


def _until(true: Callable[[], bool], seconds: float = 60) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if true():
            return True
        time.sleep(0.05)
    return False
