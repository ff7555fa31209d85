"""A replay from end to end: a small table through the real service, nothing else touched."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ml.loop.replay.simulation.scratch import COPY, REPLAY
from ml.loop.replay.story import FILE, read_story
from tests.conftest import command, commit, copy_project, made_once, ml, write_customers

OUTPUTS = Path("reports/replay")
FEW = ("replay", "--window", "150", "--last", "3")


@pytest.fixture(scope="module")
def adopted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a table of 1,200 rows, committed."""
    return made_once(tmp_path_factory, "adopted_for_replay", _adopt)


def _adopt(project: Path) -> None:
    copy_project(project)
    write_customers(project.with_name("customers.csv"), 1200)
    ml(project, "adopt", "../customers.csv", "--target", "left", "--id", "customer")
    commit(project, "adopted")


@pytest.fixture
def project(adopted: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    shutil.copytree(adopted, tmp_path / "project", symlinks=True)
    return tmp_path / "project"


@pytest.mark.slow
def test_a_small_table_is_replayed(project: Path) -> None:
    before = _state(project)
    done = ml(project, *FEW)
    totals = json.loads(done.stdout)
    assert totals["windows"] == 3
    assert totals["mean"]["champion"] == pytest.approx(totals["mean"]["frozen"], rel=0.2)
    story = read_story(project / OUTPUTS / FILE)
    assert story.totals.line() == done.stdout.strip()
    assert [window.rows for window in story.windows] == [150, 150, 90]
    assert {window.champion for window in story.windows} <= set(story.matrix.versions)
    assert (project / OUTPUTS / "index.html").stat().st_size > 1000
    assert (project / OUTPUTS / "replay.png").read_bytes().startswith(b"\x89PNG")
    assert "window   3  version" in done.stderr
    assert _state(project) == before


def _state(project: Path) -> list[str]:
    """What git says, and which files of a person's own are there."""
    listed = command(project, "git", "status", "--short").stdout.split("\n")
    mine = (p for p in project.rglob("*") if REPLAY.name not in p.parts and ".git" not in p.parts)
    files = {str(p.relative_to(project)) for p in mine if p.is_file() and p.suffix != ".pyc"}
    return [*listed, *sorted(f for f in files if not f.startswith(str(OUTPUTS)))]


@pytest.mark.slow
def test_ctrl_c_ends_everything(project: Path) -> None:
    # processes of a shell in the background inherit that it is ignored
    signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(
        [sys.executable, "-m", "ml", *FEW],
        cwd=project,
        stderr=subprocess.PIPE,
        process_group=0,
        env=os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
    )
    log = project / COPY / "service.log"
    until = time.monotonic() + 300
    while not (log.is_file() and b"http://" in log.read_bytes()):
        assert process.poll() is None
        assert time.monotonic() < until
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)
    assert process.communicate(timeout=60)[1].find(b"Traceback") == -1
    assert process.returncode == 130
    assert not _processes_in(project)


def _processes_in(folder: Path) -> list[str]:
    """The processes whose working folder lies in a folder."""
    found = []
    for link in Path("/proc").glob("[0-9]*/cwd"):
        try:
            here = link.readlink()
        except OSError:  # it has ended
            continue
        if here.is_relative_to(folder):
            found.append(link.parent.name)
    return found


@pytest.mark.slow
def test_a_mistake_is_one_line(project: Path) -> None:
    done = ml(project, "replay", "--train-first", "0.01", "--window", "150", ok=False)
    assert done.returncode == 2
    assert "error: data/raw: 1200 rows give 12 to the first version" in done.stderr
    assert "Traceback" not in done.stderr
