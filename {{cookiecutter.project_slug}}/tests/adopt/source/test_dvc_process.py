"""DVC started early does what is asked later, and nothing where nobody asks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ml.adopt.source import dvc_process


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """DVC without git, and a file."""
    monkeypatch.chdir(tmp_path)
    subprocess.run([sys.executable, "-m", "dvc", "init", "-q", "--no-scm"], check=True)
    Path("table.csv").write_text("a\n1\n")
    return tmp_path


def test_what_is_asked_first_goes_to_the_process_that_waits(repository: Path) -> None:
    with dvc_process.early_start():
        (waiting,) = dvc_process._waiting
        Path("table.csv").write_text("a\n2\n")  # what counts is the file when DVC is asked
        done = dvc_process.run("add", "table.csv")
        assert (done.returncode, waiting.returncode) == (0, 0), done.stderr
        assert dvc_process.run("status", "-q").returncode == 0  # by a second process
    assert Path("table.csv.dvc").is_file()


def test_dvc_is_ended_where_nobody_asks(repository: Path) -> None:
    before = sorted(repository.rglob("*"))
    with dvc_process.early_start():
        (waiting,) = dvc_process._waiting
    assert waiting.returncode is not None
    assert sorted(repository.rglob("*")) == before


def test_dvc_ends_with_the_command_that_started_it(repository: Path) -> None:
    """A killed command closes the pipe on which its arguments would come."""
    script = [sys.executable, "-P", dvc_process.__file__]
    done = subprocess.run(script, input=b"", capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_a_failure_has_dvcs_own_words(repository: Path) -> None:
    with dvc_process.early_start():
        early = dvc_process.run("add", "absent.csv")
        late = dvc_process.run("add", "absent.csv")
    assert early.returncode == late.returncode != 0
    assert early.stderr == late.stderr != ""
