"""The time line of the page over all windows."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from ml.ledger.chain import record
from ml.monitoring.reports.html import index_page
from ml.monitoring.reports.time_line import draft, section
from ml.monitoring.verdict import Estimate, Performance, Verdict, Word
from tests.monitoring.conftest import DAY, NOW, verdict_of
from tests.test_errors import SCRIPT

START = NOW - 100 * DAY
WORDS: dict[int, Word] = {9: "drift", 10: "decay", 20: "broken", 24: "insufficient"}


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project's folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def judged(i: int, **fields: object) -> Verdict:
    """Window i of weekly ones; outcomes of the latest two have not come."""
    value = 0.8 - 0.1 * (9 <= i <= 10) + 0.01 * np.sin(i)
    known = Performance(
        metric="roc_auc",
        rows=800,
        coverage=0.9,
        value=value,
        reference=0.81,
        loss=0.81 - value,
        loss_low=0.79 - value,
        loss_high=0.84 - value,
    )
    guess = Estimate(metric="roc_auc", value=0.79, low=0.75, high=0.82, reference=0.81)
    usual: dict[str, object] = {
        "window": f"w{i}",
        "start": START + 7 * i * DAY,
        "end": START + 7 * (i + 1) * DAY,
        "verdict": WORDS.get(i, "ok"),
        "version": "3" if i <= 10 else "4",
        "performance": known if i < 24 and i != 20 else Performance(rows=0),
        "estimate": None if i == 20 else guess,
    }
    return verdict_of(**(usual | fields))


def decide(action: str, day: float, **about: str) -> None:
    at = datetime.fromtimestamp(START + day * DAY, UTC)
    record(action, at=at, who="loop", **{"why": "gain 0.09 on 2,000 rows", **about})  # type: ignore[arg-type]


def test_quality_verdicts_and_decisions_are_there() -> None:
    decide("promote", -300, to_version="3")
    decide("refuse", 75, to_version="5")
    decide("promote", 78, to_version="4", from_version="3")
    part = section([judged(i) for i in range(26)])
    for words in (
        "roc_auc, higher is better",
        "by outcomes, with interval",
        "estimated without outcomes, with interval",
        "version 4 promoted by loop",
        "gain 0.09 on 2,000 rows",
        "version 5 refused by loop",
        "verdict decay",
    ):
        assert words in part
    assert "version 3 promoted" not in part  # long before the first window


def test_the_interval_is_that_of_the_loss_around_the_value() -> None:
    by_outcomes = draft([judged(0)], []).series[0]
    (low,), (value,), (high,) = by_outcomes.low, by_outcomes.values, by_outcomes.high
    assert low is not None
    assert value is not None
    assert high is not None
    assert value - low == pytest.approx(0.03)  # loss_high - loss
    assert high - value == pytest.approx(0.02)


def test_what_is_not_known_is_a_gap() -> None:
    line = draft([judged(i) for i in range(26)], [])
    measured, estimated, _ = line.series
    assert [i for i, value in enumerate(measured.values) if value is None] == [20, 24, 25]
    assert [i for i, value in enumerate(estimated.values) if value is None] == [20]
    other = judged(3, performance=Performance(metric="r2", rows=9, value=0.1, loss=0.1),
                   estimate=None)  # fmt: skip
    assert draft([other, judged(4)], []).series[0].values[0] is None  # another metric


def test_windows_that_reach_into_each_other_stand_side_by_side() -> None:
    """A window of 30 days judged each day is a day wide, the first one too."""
    daily = [judged(0, start=NOW + (i - 30) * DAY, end=NOW + i * DAY) for i in range(10)]
    slots = draft(daily, []).slots
    assert [slot.right - slot.left for slot in slots] == [DAY] * 10
    alone = draft(daily[:1], []).slots[0]
    assert alone.right - alone.left == 30 * DAY
    twice = draft([daily[0], daily[0]], []).slots  # judged for 7 and for 30 days at once
    assert twice[1].left == twice[1].right


def test_decisions_after_the_last_window_stand_at_its_end() -> None:
    decide("rollback", 999, to_version="3")
    part = section([judged(0)])
    assert "rolled back" in part


def test_a_broken_ledger_costs_the_decisions_alone(project: Path) -> None:
    decide("promote", 1, to_version="4")
    (project / "ledger.jsonl").write_text("<b>{}\n")
    part = section([judged(0)])
    assert "Decisions are left out: ledger.jsonl: line 1 is not an entry (&lt;b&gt;{})" in part
    assert "verdict ok" in part


def test_without_windows_and_without_quality(project: Path) -> None:
    assert section([]) == ""
    nothing = judged(0, performance=Performance(rows=0), estimate=None)
    assert "neither outcomes nor an estimate yet" in section([nothing])
    assert "Quality and verdicts" in index_page([nothing], project)
    assert "Quality and verdicts" not in index_page([], project)


def test_names_and_reasons_are_no_markup(project: Path) -> None:
    decide("promote", 1, to_version=SCRIPT, why=SCRIPT)
    decide("x", 1, why=SCRIPT)
    hostile = judged(0, version=SCRIPT, model=SCRIPT, evidence=(SCRIPT,))
    assert "<script" not in index_page([hostile], project)
