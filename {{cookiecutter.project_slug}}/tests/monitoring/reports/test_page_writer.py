"""The child process that writes the pages: after the verdict, killed, failed, two at once."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ml.monitoring import history
from ml.monitoring.inputs.reference import Champion
from ml.monitoring.monitor import REPORTS, evaluate_window
from ml.monitoring.reports import page_writer
from tests.monitoring.conftest import DAY, World, customers, judged, record, week

if TYPE_CHECKING:
    from ml.monitoring.reports.page_writer import Child

PROJECT = Path(__file__).parents[3]
WINDOW = week(2)
FOLDER = REPORTS / WINDOW.name
PAGES = ["performance.html", "report.html", "report.json", "verdict.json"]
SECONDS = 120.0  # of patience with a machine that does something else


def until(path: Path) -> None:
    """Wait for a file."""
    deadline = time.monotonic() + SECONDS
    while not path.exists():
        assert time.monotonic() < deadline, path
        time.sleep(0.02)


def started() -> Child:
    """The child for the window's folder."""
    child = page_writer.start(FOLDER)
    assert child is not None
    return child


def monitor(*options: str) -> subprocess.Popen[str]:
    """`ml monitor` in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "ml", "monitor", *options],
        env=os.environ | {"PYTHONPATH": str(PROJECT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def shown(folder: Path) -> list[str]:
    """The files that a person sees in a window's folder."""
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def index() -> str:
    """The page over all windows."""
    return (REPORTS / "index.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_verdict_comes_first_and_the_page_after_the_command_ended(world: World) -> None:
    end = time.time()
    record(world, customers(1000, 11), end - 10 * DAY, end - 60, labelled=0.5)
    command = monitor()
    out, _ = command.communicate()  # its output ends with it: the child holds no pipe
    (folder,) = REPORTS.glob("*--*")
    assert shown(folder) == ["page-inputs", "verdict.json"]
    assert "report not written yet" in index()
    assert command.returncode == 0
    assert f"{folder}/report.html" in out
    assert "report.html is being written by a child process" in out
    until(folder / "report.html")
    deadline = time.monotonic() + SECONDS
    while 'report.html">report</a>' not in index() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert 'report.html">report</a>' in index()
    assert shown(folder) == PAGES
    for page in ("report.html", "performance.html"):
        assert "class='ml'><span class=\"verdict ok\">" in (folder / page).read_text()


@pytest.mark.slow
def test_a_killed_childs_page_is_said_to_be_missing_and_written_by_the_next_run(
    world: World, champion: Champion
) -> None:
    judged(world, champion, WINDOW, customers(600, 70, charge=81), labelled=0.5)
    child = started()
    until(FOLDER / ".pages.draft" / "report.html")  # in the middle of its work
    child.kill()
    assert page_writer.wait(child, FOLDER) == "the child process ended with status -9"
    assert shown(FOLDER) == ["page-inputs", "verdict.json"]
    assert "report not written yet" in index()
    evaluate_window(world.journal.engine, champion, WINDOW, world.params.monitor)
    assert page_writer.wait(started(), FOLDER) is None
    assert shown(FOLDER) == PAGES
    assert not (FOLDER / ".pages.draft").exists()
    assert "report not written yet" not in index()
    assert page_writer.wait(started(), FOLDER) is None  # nothing to do: nothing changes
    assert shown(FOLDER) == PAGES


@pytest.mark.slow
def test_a_child_that_fails_leaves_one_line_and_the_verdict_as_it_is(
    world: World, champion: Champion
) -> None:
    judged(world, champion, WINDOW, customers(600, 70), labelled=0.5)
    before = (FOLDER / "verdict.json").read_bytes()
    (FOLDER / "page-inputs" / "columns-window.parquet").write_bytes(b"PAR1 \x1b[31m cut off")
    reason = page_writer.wait(started(), FOLDER)
    assert reason is not None
    assert reason.startswith("ArrowInvalid: ")
    assert "\x1b" not in reason
    assert (FOLDER / "report.error").read_text() == f"{reason}\n"
    assert "no report: ArrowInvalid" in index()
    assert (FOLDER / "verdict.json").read_bytes() == before
    evaluate_window(world.journal.engine, champion, WINDOW, world.params.monitor)
    assert page_writer.wait(started(), FOLDER) is None
    assert shown(FOLDER) == PAGES


@pytest.mark.slow
def test_waiting_shows_why_there_is_no_page(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """An Evidently that cannot be imported: the verdict's status is what it was."""
    broken = tmp_path / "broken" / "evidently"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("raise RuntimeError('no room left')")
    monkeypatch.setenv("PYTHONPATH", str(broken.parent))
    end = time.time()
    record(world, customers(60, 15), end - 10 * DAY, end - 60)
    command = subprocess.run(
        [sys.executable, "-m", "ml", "monitor", "--wait"],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(PROJECT), str(broken.parent)])},
        capture_output=True,
        text=True,
    )
    assert command.returncode == 4
    (line,) = command.stderr.splitlines()
    assert line.endswith("report.html: not written: RuntimeError: no room left")
    assert "no report: RuntimeError: no room left" in index()


@pytest.mark.slow
def test_two_at_once_leave_what_one_leaves(world: World, champion: Champion) -> None:
    end = time.time()
    record(world, customers(600, 12, charge=81), end - 10 * DAY, end - 60, labelled=0.5)
    commands = [monitor("--wait") for _ in range(2)]
    for command in commands:
        out, errors = command.communicate()
        assert (command.returncode, errors) == (3, ""), out
    folders = list(REPORTS.glob("*--*"))
    assert all(shown(folder) == PAGES for folder in folders)
    assert len(history.verdicts(REPORTS)) == len(folders)
    judged(world, champion, WINDOW, customers(600, 70), labelled=0.5)
    children = [started(), started()]
    evaluate_window(world.journal.engine, champion, WINDOW, world.params.monitor)
    children.append(started())
    assert [page_writer.wait(child, FOLDER) for child in children] == [None] * 3
    assert shown(FOLDER) == PAGES
    assert 'report.html">report</a>' in index()


@pytest.mark.skipif(not Path("/proc/self/environ").is_file(), reason="Linux shows it")
def test_the_child_tells_nobody_that_it_runs(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DO_NOT_TRACK", raising=False)
    FOLDER.mkdir(parents=True)
    child = started()
    environment = Path(f"/proc/{child.pid}/environ")
    deadline = time.monotonic() + SECONDS
    while b"DO_NOT_TRACK=1" not in environment.read_bytes().split(b"\0"):
        assert time.monotonic() < deadline  # the kernel sets it a moment after the program
    assert page_writer.wait(child, FOLDER) is None
    assert shown(FOLDER) == []


def test_a_child_that_cannot_start_costs_a_line(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    FOLDER.mkdir(parents=True)
    assert page_writer.start(FOLDER) is None
    assert (FOLDER / "report.error").read_text() == "no child process: No such file or directory\n"
    shutil.rmtree(FOLDER)


def test_a_folder_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", page_writer.MODULE, "nowhere"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "error: nowhere: no such folder of a window",
        "  next: ls reports/monitoring",
    ]
    assert list(tmp_path.iterdir()) == []
