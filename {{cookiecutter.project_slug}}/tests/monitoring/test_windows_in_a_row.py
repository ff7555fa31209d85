"""Windows in a row: tiers, late outcomes, quarantine, versions, the page over all, the schedule."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx2
import pytest

from ml.journal.bulk.scan import Span, latest_rows
from ml.monitoring import quarantine
from ml.monitoring.inputs.reference import Champion
from ml.monitoring.monitor import REPORTS, evaluate_window
from ml.monitoring.verdict import Verdict
from tests.monitoring.conftest import DAY, NOW, World, customers, record
from tests.monitoring.test_operations import free_port

WEEK = 7 * DAY


def week(number: int) -> Span:
    """The number-th last week."""
    return Span(NOW - number * WEEK, NOW - (number - 1) * WEEK)


def judged(world: World, champion: Champion, span: Span, frame: Any, **more: Any) -> Verdict:
    record(world, frame, span.start, span.end, **more)
    return evaluate_window(world.journal.engine, champion, span, world.params.monitor)


@pytest.mark.slow
def test_two_moved_weeks_in_a_row_page(world: World, champion: Champion) -> None:
    told = [
        judged(world, champion, week(n), customers(600, n, charge=c))
        for n, c in ((4, 64), (3, 81), (2, 81))
    ]
    assert [shown.tier for shown in told] == [None, "ticket", "page"]
    words = told[1].evidence[0]
    assert words.startswith("`charge` rose from 6")
    assert words.endswith("most important feature")
    assert "(median), PSI 0." in words


@pytest.mark.slow
def test_late_outcomes_judge_the_week_they_belong_to(world: World, champion: Champion) -> None:
    frame = customers(800, 61, concept=0.9)
    ids = record(world, frame, week(3).start, week(3).end)
    engine, settings = world.journal.engine, world.params.monitor
    first = evaluate_window(engine, champion, week(3), settings)
    assert first.verdict == "ok"  # nothing shows without outcomes
    world.journal.add_labels(zip(ids, frame["left"], strict=True), at=NOW)
    second = judged(world, champion, week(2), customers(600, 62))
    assert second.verdict == "decay"
    assert week(3).name in second.evidence[0]
    settled = json.loads((REPORTS / week(3).name / "verdict.json").read_text())
    assert settled["estimate"]["truth"] == pytest.approx(settled["performance"]["value"])
    assert settled["performance"]["median_lag_days"] > 13
    third = judged(world, champion, week(1), customers(600, 63))
    assert (third.verdict, third.late) == ("ok", ())  # told once


@pytest.mark.slow
def test_a_schedule_of_overlapping_windows_does_not_hide_a_former_one(
    world: World, champion: Champion
) -> None:
    frame = customers(600, 72, concept=0.9)
    ids = record(world, frame, week(2).start, week(2).end)
    engine, settings = world.journal.engine, world.params.monitor
    shown = evaluate_window(engine, champion, week(2), settings)
    for hour in range(20):  # since then, every hour a window of a week
        folder = REPORTS / f"overlapping--{hour}"
        folder.mkdir()
        (folder / "verdict.json").write_text(
            json.dumps(shown.as_json() | {"end": week(2).end + 3600 * (hour + 1)})
        )
    world.journal.add_labels(zip(ids, frame["left"], strict=True), at=NOW)
    assert judged(world, champion, week(1), customers(600, 73)).verdict == "decay"


@pytest.mark.slow
def test_too_few_answers_of_a_new_champion_are_not_tested(world: World, champion: Champion) -> None:
    record(world, customers(600, 74), week(1).start, week(1).end, version="2")
    shown = judged(world, champion, week(1), customers(20, 75, charge=200))
    assert "charge" in shown.columns
    assert "prediction" not in shown.columns


@pytest.mark.slow
def test_a_broken_week_is_quarantined_once_and_not_tested_for_drift(
    world: World, champion: Champion
) -> None:
    frame = customers(600, 64)
    shown = judged(world, champion, week(2), frame.assign(charge=frame["charge"] * 100))
    evaluate_window(world.journal.engine, champion, week(2), world.params.monitor)
    (entry,) = quarantine.load()
    assert (entry["start"], entry["end"]) == (week(2).start, week(2).end)
    assert "another unit" in " ".join(entry["evidence"])
    assert {finding.check for finding in shown.findings} == {"quality"}
    fit = quarantine.not_quarantined()
    assert not fit(week(2).start + DAY)
    assert fit(week(1).start)


@pytest.mark.slow
def test_all_traffic_moves_columns_and_only_the_champions_answers_are_judged(
    world: World, champion: Champion
) -> None:
    frame = customers(600, 65)
    record(world, frame, week(2).start, week(2).start + DAY, version="2", labelled=1.0)
    shown = judged(world, champion, week(2), customers(400, 66), labelled=1.0)
    assert shown.rows == 1000
    assert shown.versions == {"2": 600, "3": 400}
    assert shown.performance.rows == 400


def test_no_rows_is_an_alarm_of_its_own(world: World, champion: Champion) -> None:
    told = [
        evaluate_window(world.journal.engine, champion, week(n), world.params.monitor)
        for n in (2, 1)
    ]
    assert [(s.verdict, s.action, s.tier) for s in told] == [
        ("insufficient", "call", "ticket"),
        ("insufficient", "call", "page"),
    ]


def test_a_window_by_rows(world: World) -> None:
    record(world, customers(500, 67))
    start = latest_rows(world.journal.engine, 200, NOW)
    assert sum(p.at >= start for p in world.journal.predictions()) == 200


@pytest.mark.slow
def test_the_page_lists_every_window_and_escapes(world: World, champion: Champion) -> None:
    frame = customers(600, 68)
    frame.loc[:400, "plan"] = "<script>alert(1)</script>"
    judged(world, champion, week(2), frame)
    judged(world, champion, week(1), customers(600, 69))
    page = (REPORTS / "index.html").read_text()
    assert page.count('class="verdict') == 3  # each, and the latest at the top
    assert f'href="{week(2).name}/report.html"' in page
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


@pytest.mark.slow
def test_evidentlys_report_shows_our_decision(world: World, champion: Champion) -> None:
    judged(world, champion, week(2), customers(600, 70, charge=81))
    report = json.loads((REPORTS / week(2).name / "report.json").read_text())
    drifts = {
        m["config"]["column"]: m["config"]["method"]
        for m in report["metrics"]
        if "ValueDrift" in m["metric_name"]
    }
    assert set(drifts.values()) == {f"calibrated: {name}" for name in drifts}
    failed = {
        t["metric_config"]["params"]["column"]
        for t in report["tests"]
        if t["status"] == "FAIL" and "Value Drift" in t["name"]
    }
    assert failed == {"charge", "prediction"}


@pytest.mark.slow
def test_watch_judges_serves_its_numbers_and_ends(world: World) -> None:
    now = time.time()
    record(world, customers(600, 71), now - 5 * DAY, now - 60)
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "ml",
        "monitor",
        "--watch",
        "--every",
        "0.001",
        "--port",
        str(port),
    ]
    project = Path(__file__).parents[2]
    with Path("log").open("w") as log:
        process = subprocess.Popen(
            command, env={**_environment(), "PYTHONPATH": str(project)}, stdout=log, stderr=log
        )
        try:
            page = _page_with(f"http://127.0.0.1:{port}/metrics", "ml_monitor_runs_total 2.0")
        finally:
            process.terminate()
            process.wait(timeout=10)
    assert 'ml_monitor_verdict{verdict="ok"} 1.0' in page
    assert "ml_monitor_failures_total 0.0" in page
    assert (REPORTS / "metrics.prom").read_text().count("ml_monitor_verdict{") == 5


def _environment() -> dict[str, str]:
    import os

    return dict(os.environ)


def _page_with(address: str, wanted: str) -> str:
    deadline = time.monotonic() + 120
    page = ""
    while wanted not in page and time.monotonic() < deadline:
        time.sleep(0.5)
        try:
            page = httpx2.get(address).text
        except httpx2.TransportError:
            continue
    assert wanted in page, page or Path("log").read_text()
    return page
