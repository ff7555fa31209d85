"""Windows as runs of an Evidently workspace, read back by Evidently and by its service."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pandas as pd
import pytest

from ml.monitoring.inputs.reference import Champion
from ml.monitoring.monitor import REPORTS
from ml.monitoring.reports import workspace
from ml.monitoring.reports.evidently import write_pages
from tests.monitoring.conftest import DAY, NOW, World, customers, judged, verdict_of, week
from tests.serving.conftest import free_port
from tests.test_errors import SCRIPT

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # Evidently's own


@pytest.fixture(scope="module")
def report() -> Any:
    """One of Evidently's reports, to be run for each window."""
    from evidently import Report
    from evidently.presets import DataDriftPreset, DataSummaryPreset

    return Report([DataDriftPreset(), DataSummaryPreset()], include_tests=True)


def add(reports: Path, report: Any, number: int, keep: int = 100, **fields: Any) -> None:
    """Add window `number` to the workspace."""
    table = pd.DataFrame({"a": np.random.default_rng(number).normal(size=60)})
    verdict = verdict_of(window=f"w{number}", end=NOW + number * DAY, **fields)
    run = report.run(table, table, **workspace.about(verdict, "data"))
    workspace.add(reports, {"data": run}, verdict, keep)


def runs(reports: Path, model: str = "leavers") -> list[Any]:
    """The runs as Evidently reads them, oldest first."""
    from evidently.ui.workspace import Workspace

    opened = Workspace(str(reports / workspace.WORKSPACE))
    project = workspace.project_id(model)
    found = [opened.get_run(project, run) for run in opened.list_runs(project)]
    return sorted(found, key=lambda run: run.timestamp)


def test_a_window_is_a_run_with_its_verdict(tmp_path: Path, report: Any) -> None:
    add(tmp_path, report, 1, verdict="drift", action="investigate", evidence=("`a` moved", "b"))
    (run,) = runs(tmp_path)
    assert run.name == "w1 data"
    assert run.tags == ["data", "drift", "version 3"]
    assert run.metadata == {"verdict": "drift", "action": "investigate", "evidence": "`a` moved; b"}
    assert run.timestamp == datetime.fromtimestamp(NOW + DAY, UTC).replace(tzinfo=None)
    assert run.widgets
    assert not any(result.widget for result in run.metric_results.values())


def test_a_window_that_is_judged_again_replaces_its_run(tmp_path: Path, report: Any) -> None:
    add(tmp_path, report, 1)
    add(tmp_path, report, 1, verdict="decay")
    assert [run.tags[1] for run in runs(tmp_path)] == ["decay"]


def test_the_oldest_windows_go_and_what_others_added_stays(tmp_path: Path, report: Any) -> None:
    from evidently.ui.workspace import Workspace

    add(tmp_path, report, 1, keep=2)
    table = pd.DataFrame({"a": np.arange(50.0)})
    opened = Workspace(str(tmp_path / workspace.WORKSPACE))
    opened.add_run(workspace.project_id("leavers"), report.run(table, table, name="by hand"))
    for number in (5, 2, 4):
        add(tmp_path, report, number, keep=2)
    assert {run.name for run in runs(tmp_path)} == {"by hand", "w4 data", "w5 data"}
    windows = json.loads((tmp_path / "workspace/windows.json").read_text())
    assert list(windows) == ["w4", "w5"]


def test_nothing_is_added_where_it_is_switched_off(tmp_path: Path, report: Any) -> None:
    add(tmp_path, report, 1, keep=0)
    assert list(tmp_path.iterdir()) == []


def test_a_killed_process_leaves_nothing_that_stops_evidently(tmp_path: Path, report: Any) -> None:
    add(tmp_path, report, 1)
    draft = tmp_path / workspace.DRAFT / "half"
    draft.mkdir(parents=True)
    (draft / "run.json").write_text("{")
    add(tmp_path, report, 2)
    assert len(runs(tmp_path)) == 2
    assert not draft.exists()


def test_text_from_outside_is_no_markup(tmp_path: Path, report: Any) -> None:
    add(tmp_path, report, 1, model=SCRIPT, version=SCRIPT, evidence=(SCRIPT,))
    for path in (tmp_path / workspace.WORKSPACE).rglob("*.json"):
        assert "<script" not in path.read_text()


def test_ml_monitors_pages_are_runs_too(world: World, champion: Champion) -> None:
    judged(world, champion, week(1), customers(600, 5), labelled=1.0)
    write_pages(REPORTS / week(1).name)
    kinds = {run.name.split()[-1]: run for run in runs(REPORTS)}
    assert set(kinds) == {"data", "performance"}
    named = {r.display_name for r in kinds["performance"].metric_results.values()}
    assert "Accuracy metric" in named
    # without the workspace the pages are written all the same, and index.html says what failed
    (REPORTS / workspace.WORKSPACE).rename(REPORTS / "elsewhere")
    (REPORTS / workspace.WORKSPACE).write_text("")
    judged(world, champion, week(2), customers(600, 6))
    write_pages(REPORTS / week(2).name)
    assert (REPORTS / week(2).name / "report.html").is_file()
    assert "Not in Evidently's workspace: " in (REPORTS / "index.html").read_text()


@pytest.fixture
def service(tmp_path: Path, report: Any) -> Iterator[str]:
    """`evidently ui` over a workspace of one window, as `make ui` says."""
    add(tmp_path, report, 1)
    port = free_port()
    command = [sys.executable, "-m", "evidently.cli", "ui", "--workspace", "workspace"]
    process = subprocess.Popen(
        [*command, "--port", str(port)],
        cwd=tmp_path,
        env=os.environ | {"DO_NOT_TRACK": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    yield f"http://127.0.0.1:{port}"
    process.terminate()
    process.wait()


def test_evidentlys_service_shows_the_windows_and_those_that_come(
    service: str, tmp_path: Path, report: Any
) -> None:
    project = workspace.project_id("leavers")
    deadline = time.monotonic() + 120
    assert [p["name"] for p in _get(f"{service}/api/projects", deadline)] == ["leavers"]
    address = f"{service}/api/projects/{project}/snapshots"
    assert len(_get(address, deadline)) == 1
    add(tmp_path, report, 2)
    while len(_get(address, deadline)) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.2)


def _get(address: str, deadline: float) -> Any:
    """The answer, once the service is up."""
    while True:
        try:
            return httpx2.get(address, timeout=30).json()
        except httpx2.TransportError:
            assert time.monotonic() < deadline
            time.sleep(0.3)
