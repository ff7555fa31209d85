"""Windows in a row: the former verdict decides the tier; no other file stops the monitor."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ml.monitoring import history
from ml.monitoring.inputs.reference import Champion
from ml.monitoring.monitor import REPORTS, evaluate_window
from tests.monitoring.conftest import DAY, World, customers, judged, verdict_of, week


@pytest.mark.slow
def test_two_moved_weeks_in_a_row_page(world: World, champion: Champion) -> None:
    verdicts = [
        judged(world, champion, week(n), customers(600, n, charge=c))
        for n, c in ((4, 64), (3, 81), (2, 81))
    ]
    assert [verdict.tier for verdict in verdicts] == [None, "ticket", "page"]


def stored(folder: Path, **changes: object) -> Path:
    """A verdict of week(2) as JSON, with changes, in a folder of its name."""
    span = week(2)
    verdict = verdict_of(window=span.name, start=span.start, end=span.end, tier="ticket")
    path = folder / span.name / "verdict.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(verdict.as_json() | changes))
    return path


def test_the_former_verdict_may_reach_a_tenth_into_the_window(tmp_path: Path) -> None:
    stored(tmp_path, end=week(1).start + DAY / 2)
    former = history.previous(tmp_path, week(1))
    assert former is not None
    assert former.window == week(2).name
    assert history.previous(tmp_path, week(2)) is None


def test_a_written_verdict_comes_back(tmp_path: Path) -> None:
    verdict = verdict_of(window="a--b", verdict="drift", tier="page", start=1.0, end=2.0)
    history.write(tmp_path / "a--b", verdict)
    assert history.verdicts(tmp_path) == [verdict]


@pytest.mark.parametrize(
    "text", ['{"verdict": "ok", "rows": 900}', "{", "", "[]", '{"verdict": "ok\\ud800"}', "\x00"]
)
def test_a_file_that_is_no_verdict_is_passed_over_with_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    stored(tmp_path)
    old = tmp_path / "2025-01-01T000000--2025-01-08T000000" / "verdict.json"
    old.parent.mkdir()
    old.write_text(text)
    for _ in range(3):
        assert [verdict.window for verdict in history.verdicts(tmp_path)] == [week(2).name]
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"warning: {old}: passed over, no verdict of this version: ")


@pytest.mark.parametrize("changes", [{"room": 1}, {"end": float("inf")}, {"rows": 3.0}])
def test_a_verdict_with_odd_values_is_read(tmp_path: Path, changes: dict[str, object]) -> None:
    stored(tmp_path, **changes)
    assert len(history.verdicts(tmp_path)) == 1


def test_a_window_is_judged_beside_a_verdict_of_an_older_version(
    world: World, champion: Champion, capsys: pytest.CaptureFixture[str]
) -> None:
    path = stored(REPORTS, labels=None)
    verdict = evaluate_window(world.journal.engine, champion, week(1), world.params.monitor)
    assert (verdict.action, verdict.tier) == ("call", "ticket")
    assert capsys.readouterr().err.count(str(path)) == 1
    assert "Latest window" in (REPORTS / "index.html").read_text()
