"""Moved and copied projects: no address of another folder is left, and nothing is written there."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from ml.release.commands import pull, release, rollback
from ml.release.relocate import ADDRESSES, relocate
from tests.conftest import live_in

OTHER = "file:///other/mlartifacts"


def addresses() -> set[str]:
    """All that mlflow.db names below an mlartifacts/."""
    with closing(sqlite3.connect("mlflow.db")) as store:
        found = [row[0] for t, c in ADDRESSES for row in store.execute(f"SELECT {c} FROM {t}")]  # noqa: S608
    return {address for address in found if "/mlartifacts" in address}


def contents(project: Path) -> dict[str, bytes]:
    """Every byte of a project's registry."""
    files = [project / "mlflow.db", *sorted((project / "mlartifacts").rglob("*"))]
    return {str(path): path.read_bytes() for path in files if path.is_file()}


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> sqlite3.Connection:
    """An mlflow.db that was made in another folder, in the current one."""
    monkeypatch.chdir(tmp_path)
    made = sqlite3.connect("mlflow.db")
    for table, column in ADDRESSES:
        made.execute(f"CREATE TABLE {table} ({column} TEXT)")
        rows = [
            (OTHER,),
            (f"{OTHER}/run/artifacts",),
            (f"{OTHER}-old/run",),
            ("s3://bucket/mlartifacts",),
            (None,),
        ]
        made.executemany(f"INSERT INTO {table} VALUES (?)", rows)  # noqa: S608
    made.commit()
    return made


def test_addresses_of_another_folder_become_this_ones(store: sqlite3.Connection) -> None:
    relocate()
    here = (Path.cwd() / "mlartifacts").as_uri()
    expected = [
        (here,),
        (f"{here}/run/artifacts",),
        (f"{OTHER}-old/run",),
        ("s3://bucket/mlartifacts",),
        (None,),
    ]
    for table, column in ADDRESSES:
        assert store.execute(f"SELECT {column} FROM {table}").fetchall() == expected  # noqa: S608


def test_a_project_that_stays_is_not_written_to(store: sqlite3.Connection) -> None:
    relocate()
    store.close()
    os.utime("mlflow.db", (1, 1))
    before = Path("mlflow.db").read_bytes()
    relocate()
    assert Path("mlflow.db").read_bytes() == before
    assert Path("mlflow.db").stat().st_mtime == 1


def test_no_database_and_an_empty_one_are_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    relocate()
    assert not Path("mlflow.db").exists()
    Path("mlflow.db").touch()
    relocate()
    assert not Path("mlflow.db").read_bytes()


@pytest.mark.slow
def test_a_copy_writes_nothing_into_the_original_and_a_moved_one_keeps_its_versions(
    released_project: Path, retrained_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = contents(released_project)
    # its mlflow.db was made in released_project
    copy = live_in(retrained_project, tmp_path / "copy", monkeypatch)
    assert release().passed
    assert contents(released_project) == original
    assert all(address.startswith((copy / "mlartifacts").as_uri()) for address in addresses())

    moved = copy.rename(tmp_path / "moved ü #1")
    monkeypatch.chdir(moved)
    assert (moved / "serving/champion/model.onnx").is_file()
    shutil.rmtree(moved / "serving")
    assert pull() == "2"
    assert rollback() == "1"
    assert all(address.startswith((moved / "mlartifacts").as_uri()) for address in addresses())
    assert "was rolled back" in release().reason
    assert contents(released_project) == original
