"""The image, built and run by a real Docker engine: the project's `make rehearse`."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import rendered_project

pytestmark = pytest.mark.slow


def test_the_rehearsal_ends_with_an_answer_from_the_image(
    fresh: rendered_project.Project, docker: str
) -> None:
    said = fresh.make("rehearse", f"DOCKER={docker}", "BUILD_ARGS=--network=host")
    assert "smoke test passed" in said
    assert '"prediction_id"' in said
    images = subprocess.run(
        [docker, "image", "ls", "--format", "{{.Repository}}:{{.Tag}}"],
        capture_output=True,
        text=True,
    )
    assert {"churn-early-warning:1", "churn-early-warning:latest"} <= set(images.stdout.split())
    left = fresh.git("status", "--porcelain", "--ignored", "--", ":!.venv", ":!.dvc", ":!data/raw")
    assert [line for line in left.splitlines() if not line.endswith("/__pycache__/")] == []


@pytest.fixture
def classic(tmp_path: Path, docker: str) -> str:
    """A client without buildx: BuildKit cannot be asked for."""
    client = tmp_path / "classic-docker"
    refuse = 'test -z "$DOCKER_BUILDKIT" || { echo "error: buildx is missing" >&2; exit 1; }'
    client.write_text(f'#!/bin/sh\n{refuse}\nexec {docker} "$@"\n')
    client.chmod(0o755)
    return str(client)


def test_a_plain_build_at_the_root_needs_no_argument(
    fresh: rendered_project.Project, classic: str
) -> None:
    lines = [f"{age},{'yes' if age > 50 else 'no'}" for age in range(18, 80)] * 8
    (fresh.path / "people.csv").write_text("\n".join(["age,left", *lines]) + "\n")
    for words in (["adopt", "DATA=people.csv", "TARGET=left"], ["flow"], ["release"]):
        fresh.make(*words)
    fresh.sh(f"{classic} build --network=host --quiet --tag plain-build .")
    try:
        plain = rendered_project.Project(
            fresh.path, fresh.env | {"DOCKER": classic, "IMAGE": "plain-build"}
        )
        assert "smoke test passed" in plain.sh(".venv/bin/python deploy/smoke")
        said = plain.sh(
            f"{classic} run --rm --entrypoint ls plain-build -A /app /app/serving/champion"
        ).split()
        assert {"model.onnx", "manifest.json"} <= set(said)
        assert not {"reference.parquet", "releases"} & set(said)
        assert "built churn-early-warning:1" in fresh.make(
            "image", f"DOCKER={classic}", "BUILD_ARGS=--network=host"
        )
    finally:
        fresh.run(classic, "image", "rm", "--force", "plain-build")


def test_a_build_before_the_first_release_says_what_is_missing(
    fresh: rendered_project.Project, docker: str
) -> None:
    done = fresh.run(docker, "build", "--network=host", ".")
    assert done.returncode != 0
    assert "serving/champion: there is no released model here" in done.stdout
    assert "next: make release" in done.stdout


def test_a_broken_bundle_does_not_become_an_image(
    fresh: rendered_project.Project, docker: str
) -> None:
    release = fresh.path / "serving/releases/1"
    release.mkdir(parents=True)
    (release / "model.onnx").write_bytes(b"nothing")
    (fresh.path / "serving/champion").symlink_to("releases/1")
    done = fresh.run("make", "image", f"DOCKER={docker}", "BUILD_ARGS=--network=host")
    assert done.returncode != 0
    assert "manifest.json" in done.stdout
