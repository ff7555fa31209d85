"""After cookiecutter and `make setup` all commands run on the demo data, in every clone too."""

from __future__ import annotations

import subprocess

import pytest
import rendered_project

import demo

pytestmark = pytest.mark.slow

PLAIN_DVC = ". .venv/bin/activate && dvc repro ingest"


def test_a_plain_dvc_repro_runs_after_setup(fresh: rendered_project.Project) -> None:
    assert fresh.git("status", "--porcelain") == ""
    fresh.sh(PLAIN_DVC)
    assert fresh.json("reports/ingest.json")["rows"] == 20_000
    assert fresh.git("status", "--porcelain", "--", "data", "contract.yaml") == ""


def test_a_clone_without_a_remote_gets_the_same_bytes(fresh: rendered_project.Project) -> None:
    path = fresh.path.with_name("clone")
    subprocess.run(["git", "clone", "--quiet", fresh.path, path], check=True)
    (path / ".venv").symlink_to(demo.VENV)
    clone = rendered_project.Project(path, fresh.env)
    assert "the demo data" in clone.make("setup")
    part = "data/raw/0001-demo.csv"
    assert (path / part).read_bytes() == (fresh.path / part).read_bytes()
    clone.sh(PLAIN_DVC)
    assert clone.git("status", "--porcelain", "--", "data", "contract.yaml") == ""


def test_what_comes_with_the_project_is_what_adopt_writes(fresh: rendered_project.Project) -> None:
    """If not: `make adopt DATA=demo` in a rendered project, then copy both files here."""
    fresh.sh("rm -r contract.yaml data/raw data/raw.dvc")
    fresh.make("adopt", "DATA=demo")
    assert fresh.git("diff", "HEAD", "--", "contract.yaml", "data/raw.dvc") == ""


def test_setup_leaves_a_persons_own_data_alone(fresh: rendered_project.Project) -> None:
    lines = [f"{age},{'yes' if age > 50 else 'no'}" for age in range(18, 80)] * 4
    (fresh.path / "own.csv").write_text("\n".join(["age,left", *lines]) + "\n")
    fresh.make("adopt", "DATA=own.csv", "TARGET=left")
    fresh.make("setup")
    assert [part.name for part in (fresh.path / "data/raw").iterdir()] == ["0001-own.csv"]
    fresh.sh("rm -r data/raw")
    assert "dvc pull" in fresh.make("setup")
    assert not (fresh.path / "data/raw").exists()
