"""A stage that is forked from the process of early imports ends and speaks as one of its own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from ml.pipeline.early_imports import forks

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks on Linux only")

ROOT = Path(__file__).parents[3]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project in which this process stands for DVC."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("DVC_STAGE", "train")
    return tmp_path


@pytest.fixture
def server(project: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The process of early imports."""
    command = [sys.executable, "-P", forks.__file__, str(os.getpid())]
    with subprocess.Popen(command) as process:
        wait_for(lambda: forks.is_there(os.getpid()))
        yield process
        process.terminate()
    wait_for(nobody_listens)


def nobody_listens() -> bool:
    """No level is left: a new process can take all addresses."""
    for level in forks.LEVELS:
        with socket.socket(socket.AF_UNIX) as asked, suppress(ConnectionRefusedError):
            asked.connect(forks._address(os.getpid(), level))
            return False
    return True


def wait_for(condition: Callable[[], bool]) -> None:
    for _ in range(1000):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("it does not happen")


def stage(name: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ml.pipeline.early_imports", name]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", ["split", "evaluate"])  # the lowest level, the highest
def test_a_forked_stage_has_status_and_output_of_its_own(
    server: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    forked = stage(name)
    assert forked.returncode == 2
    assert forked.stdout == ""
    assert forked.stderr.startswith("error: contract.yaml: there is no contract yet")
    monkeypatch.setenv("ML_EARLY", "0")  # the same stage in a process of its own
    alone = stage(name)
    assert (alone.returncode, alone.stderr) == (forked.returncode, forked.stderr)


def test_a_stage_whose_server_is_killed_runs_by_itself(server: subprocess.Popen[bytes]) -> None:
    server.kill()
    server.wait()
    wait_for(nobody_listens)
    assert stage("train").returncode == 2


def test_a_forked_stage_runs_the_code_of_now(
    server: subprocess.Popen[bytes], project: Path
) -> None:
    """A stage whose module is changed after the imports."""
    room = project / "ml/pipeline"
    shutil.copytree(ROOT / "ml/pipeline/early_imports", room / "early_imports")
    for folder in (project / "ml", room):
        (folder / "__init__.py").touch()
    (room / "train.py").write_text("import os, sys\nprint(os.getppid())\nsys.exit('no')\n")
    forked = stage("train")
    assert int(forked.stdout) != os.getpid()
    assert (forked.returncode, forked.stderr) == (1, "no\n")


@pytest.mark.parametrize("off", ["ML_EARLY", "DVC_STAGE"])
def test_nothing_is_left_behind_where_it_is_switched_off_or_dvc_is_not_there(
    project: Path, monkeypatch: pytest.MonkeyPatch, off: str
) -> None:
    assert forks.is_possible()
    if off == "ML_EARLY":
        monkeypatch.setenv(off, "0")
    else:
        monkeypatch.delenv(off)
    assert not forks.is_possible()
    assert stage("ingest").returncode == 2
    assert not forks.is_there(os.getpid())


def test_it_ends_with_its_dvc(project: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as dvc:
        command = [sys.executable, "-P", forks.__file__, str(dvc.pid)]
        with subprocess.Popen(command) as process:
            wait_for(lambda: forks.is_there(dvc.pid))
            dvc.communicate(b"\n")
            assert process.wait(60) == 0
