"""The image, built and asked with a real engine: the project's rehearsal on the demo data, as its workflow runs it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import living
import pytest

pytestmark = pytest.mark.slow


def client() -> str | None:
    """A docker client that reaches an engine and can build: the system's own first."""
    for docker in ("/usr/bin/docker", shutil.which("docker")):
        if docker and Path(docker).exists():
            done = subprocess.run([docker, "info"], capture_output=True, check=False)
            if done.returncode == 0:
                return docker
    return None


@pytest.fixture(scope="module")
def docker() -> str:
    found = client()
    if found is None:
        pytest.skip(f"no Docker engine answers (DOCKER_HOST={os.environ.get('DOCKER_HOST', '')}): nothing was built")
    return found


def test_the_rehearsal_ends_with_an_answer_from_the_image(fresh: living.Project, docker: str) -> None:
    said = fresh.make("rehearse", f"DOCKER={docker}", "BUILD_ARGS=--network=host")
    assert "smoke test passed" in said
    assert '"prediction_id"' in said
    images = subprocess.run(
        [docker, "image", "ls", "--format", "{{.Repository}}:{{.Tag}}"], capture_output=True, text=True
    )
    assert {"churn-early-warning:1", "churn-early-warning:latest"} <= set(images.stdout.split())
    assert fresh.git("status", "--porcelain", "--ignored", "--", ":!.venv", ":!.dvc") == ""


def test_a_broken_bundle_does_not_become_an_image(fresh: living.Project, docker: str) -> None:
    release = fresh.path / "serving/releases/1"
    release.mkdir(parents=True)
    (release / "model.onnx").write_bytes(b"nothing")
    (fresh.path / "serving/champion").symlink_to("releases/1")
    done = fresh.run("make", "image", f"DOCKER={docker}", "BUILD_ARGS=--network=host")
    assert done.returncode != 0
    assert "manifest.json" in done.stdout
