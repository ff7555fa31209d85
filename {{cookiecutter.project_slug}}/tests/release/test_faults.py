"""Locked, unreachable, full, read-only, half copied: one line says what to do."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from ml.bundle import load_bundle
from ml.errors import UserError
from ml.release import register
from ml.release.commands import pull, release, rollback
from ml.release.faults import translate_faults
from ml.serving.inference.reload import state
from tests.conftest import full_disk, live_in

LIMIT = 300 * 1024  # bytes of a file: less than mlflow.db


@pytest.fixture
def retrained(retrained_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the project with a new bundle that is not released yet."""
    return live_in(retrained_project, tmp_path / "project", monkeypatch)


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """A folder that nobody can write to (needs root, for whom permissions do not count)."""
    remount = f"mount --bind '{folder}' '{folder}' && mount -o remount,ro,bind '{folder}'"
    assert os.system(remount) == 0  # noqa: S605
    try:
        yield
    finally:
        os.system(f"umount -l '{folder}'")  # noqa: S605


@pytest.mark.slow
@pytest.mark.parametrize("first", [False, True])
def test_a_full_disk(retrained: Path, first: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    # DVC has a cache of its own, elsewhere perhaps
    monkeypatch.setattr(register, "refuse_stale", lambda: None)
    if first:  # MLflow's tables are made halfway
        shutil.rmtree("mlartifacts")
        shutil.rmtree("serving")
        Path("mlflow.db").unlink()
    with (
        full_disk(LIMIT),
        pytest.raises(UserError, match=r"(mlflow\.db|mlartifacts.*): the disk is full") as error,
    ):
        release()
    assert error.value.then == "free some space, then make release"
    assert release().passed
    assert load_bundle().version == ("1" if first else "2")
    assert not list(retrained.glob("mlflow.db.*"))


@pytest.mark.slow
def test_a_locked_registry(retrained: Path) -> None:
    other = sqlite3.connect("mlflow.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    for call, word in ((release, "make release"), (rollback, "make rollback"), (pull, "ml pull")):
        with pytest.raises(
            UserError, match=r"mlflow\.db: another program keeps it locked"
        ) as error:
            call()
        assert error.value.then.endswith(f"then {word}")
    other.close()
    assert release().passed


@pytest.mark.slow
def test_a_registry_that_does_not_answer(retrained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setenv("MLFLOW_TRACKING_URI", "http://user:secret@127.0.0.1:9")
        patched.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        with pytest.raises(
            UserError, match=r"^http://127\.0\.0\.1:9: the server does not answer\n"
        ) as error:
            release()
    assert "MLFLOW_TRACKING_URI" in error.value.then
    assert release().passed


@pytest.mark.slow
def test_a_registry_that_answers_with_errors(
    retrained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(500)

        do_POST = do_GET  # noqa: N815

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Broken) as server, monkeypatch.context() as patched:
        Thread(target=server.serve_forever).start()
        patched.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{server.server_port}")
        patched.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        with pytest.raises(UserError, match="the server answers with errors") as error:
            release()
        server.shutdown()
    assert error.value.then == "look into its log, then make release"
    assert release().passed


@pytest.mark.slow
def test_a_folder_that_cannot_be_written(retrained: Path) -> None:
    with (
        read_only(retrained / "serving"),
        pytest.raises(UserError, match=r"serving/.*Read-only") as error,
    ):
        release()
    assert error.value.then == "make it writable, then make release"
    assert release().passed


@pytest.mark.slow
def test_dvc_that_cannot_say_whether_the_bundle_is_stale(project: Path) -> None:
    (project / ".git").rename(project / "git")
    with pytest.raises(UserError, match="`dvc status` stopped with status") as error:
        release()
    assert "python -m dvc status" in error.value.then


@pytest.mark.slow
def test_a_release_that_was_copied_halfway_is_fetched_again(project: Path) -> None:
    folder = project / "serving/releases/1"
    seen = state(project / "serving/champion")
    (folder / "model.onnx").write_bytes((folder / "model.onnx").read_bytes()[:1000])
    (project / "serving/releases/.2.draft").mkdir()
    (project / "serving/releases/.2.draft/model.onnx").write_text("half")
    (project / "serving/.champion.draft").symlink_to("releases/2")
    assert pull() == "1"
    assert load_bundle().version == "1"
    assert state(project / "serving/champion") != seen  # so a server that refused it looks again
    assert sorted(path.name for path in (project / "serving").rglob(".*")) == [".lock"]
    (folder / "reference.parquet").unlink()
    assert pull() == "1"
    assert (folder / "reference.parquet").is_file()


@pytest.mark.slow
def test_another_registrys_version_of_the_same_number_is_not_served(
    retrained: Path, released_project: Path
) -> None:
    Path("mlflow.db").unlink()
    assert release().passed  # version 1 of a new registry
    ours = load_bundle().lineage["bundle_hash"]
    shutil.rmtree(retrained / "serving/releases/1")
    shutil.copytree(released_project / "serving/releases/1", retrained / "serving/releases/1")
    assert pull() == "1"
    assert load_bundle().lineage["bundle_hash"] == ours


@pytest.mark.slow
def test_two_releases_at_once_take_turns(retrained: Path) -> None:
    both = [
        subprocess.Popen([sys.executable, "-m", "ml", "release"], cwd=retrained) for _ in range(2)
    ]
    assert [process.wait() for process in both] == [0, 0]
    assert load_bundle().version == "2"
    assert sorted(path.name for path in (retrained / "serving/releases").iterdir()) == ["1", "2"]


def test_faults_of_the_disk_are_told_and_defects_are_not() -> None:
    with (
        pytest.raises(UserError, match=r"^serving/x: the disk is full\n") as error,
        translate_faults("make release"),
    ):
        raise OSError(errno.ENOSPC, "No space left on device", "serving/x")
    assert error.value.then == "free some space, then make release"
    many = [("bundle/a", "serving/a", "[Errno 28] No space left on device")]
    with (
        pytest.raises(UserError, match=r"^serving/a: the disk is full\n"),
        translate_faults("make release"),
    ):
        raise shutil.Error(many)
    with pytest.raises(KeyError), translate_faults("make release"):
        raise KeyError("a defect")
    with pytest.raises(UserError, match="bundle/: none"), translate_faults("make release"):
        raise UserError("bundle/: none", "make flow")
