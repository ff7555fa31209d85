"""Folders into which tests adopt tables: empty ones, and projects under git and DVC."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PARAMS = Path(__file__).parents[2] / "params.yaml"


@pytest.fixture(scope="session")
def empty_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """git, DVC and the settings; no data yet."""
    project = tmp_path_factory.mktemp("adopt") / "project"
    project.mkdir()
    shutil.copyfile(PARAMS, project / "params.yaml")
    (project / ".gitignore").write_text("/data/raw/\n/data/quarantine/\n")
    subprocess.run(["git", "init", "-q"], cwd=project, check=True)
    subprocess.run([sys.executable, "-m", "dvc", "init", "-q"], cwd=project, check=True)
    return project


@pytest.fixture
def project(empty_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, the current folder while the test runs."""
    copy = tmp_path / "project"
    shutil.copytree(empty_project, copy)
    monkeypatch.chdir(copy)
    return copy


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current folder with the settings and nothing else."""
    monkeypatch.chdir(tmp_path)
    shutil.copyfile(PARAMS, "params.yaml")
    return tmp_path
