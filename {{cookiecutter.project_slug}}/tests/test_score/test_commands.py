"""The score counts results: of a real release and of reports in which tests pass or fail."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ml.test_score import checks
from ml.test_score.commands import Scored, print_score, scored, sums
from ml.test_score.results import Outcome, Results
from ml.test_score.rubric import GROUPS, RUBRIC, Line
from tests.conftest import commit, ml

NOW = datetime(2026, 11, 20, tzinfo=UTC)


def all_passed(but: str = "") -> Results:
    """A report in which every named test passed, but one."""
    named = {test for line in RUBRIC for test in line.tests}
    return Results(NOW, tuple((test, test != but) for test in sorted(named)))


@pytest.fixture
def every_check_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ml.test_score.commands.check", lambda name: Outcome(True, name, NOW))


@pytest.mark.usefixtures("every_check_passes")
def test_the_best_that_can_be_had_and_a_failing_test_lowers_it() -> None:
    best = scored(all_passed())
    assert sums(best) == {"data": 7, "model": 5.5, "infrastructure": 7, "monitoring": 7}
    without = [each.line.asks for each in best if not each.points]
    assert without == ["the metric goes along with what the answers are for"]
    for line in RUBRIC:
        for test in line.tests:
            assert sums(scored(all_passed(but=test)))[line.group] < sums(best)[line.group]


def test_without_results_every_line_counts_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_bytes((Path(__file__).parents[2] / "params.yaml").read_bytes())
    monkeypatch.setenv("COLUMNS", "200")
    assert print_score() == 0
    printed = capsys.readouterr().out
    assert "ML Test Score: 0, the smallest of data 0, model 0" in printed
    assert "no test or command here answers it" in printed
    assert print_score(as_json=True) == 0
    written = json.loads(capsys.readouterr().out)
    assert written["groups"] == dict.fromkeys(GROUPS, 0)
    assert {line["date"] for line in written["lines"]} == {"never"}


def test_the_oldest_result_dates_a_line() -> None:
    line = Line("data", "all of it", ("a", "b"))
    older = datetime(2026, 1, 2, tzinfo=UTC)
    both = Scored(line, (Outcome(True, "", NOW), Outcome(True, "", older)))
    assert (both.points, both.date) == (1, "2026-01-02")
    assert Scored(line, (*both.outcomes, Outcome(False, "", None))).points == 0


@pytest.mark.slow
def test_what_a_release_leaves_is_found(project: Path) -> None:
    passed = {name: checks.check(name) for name in checks.CHECKS}
    assert passed["the champion passed the gate"].passed
    assert passed["the data keeps the contract"].passed
    assert passed["no simpler model is better"].at is not None
    assert passed["every feature is of use"].says.endswith("the metric gets worse")
    assert not passed["the monitor judges"].passed
    assert not passed["settings are searched"].passed
    assert not passed["replayed against a model that is never retrained"].passed
    assert checks.check("gate: golden rows").passed
    assert not checks.check("gate: groups are treated alike").passed  # no columns are named
    assert ml(project, "test-score", "--at-least", "1", ok=False).returncode == 3


@pytest.mark.slow
def test_a_review_is_a_line_of_the_last_commit(project: Path) -> None:
    commit(project, "all of it")
    assert not checks.check("the model was reviewed").passed
    params = Path("params.yaml")
    params.write_text(params.read_text() + "# reviewed\n")
    commit(project, "Settings\n\nReviewed-by: Ann <ann@example.invalid>")
    assert (
        checks.check("the model was reviewed").says == "git: Reviewed-by: Ann <ann@example.invalid>"
    )
    params.write_text(params.read_text() + "# and changed\n")
    assert not checks.check("the model was reviewed").passed
