"""A server under a clock that is moved while it runs: what it stamps and what it compares."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest

from ml.clock import VARIABLE, set_clock
from ml.journal.store import Journal
from tests.serving.conftest import Start

DAY = 86_400
LONG_AGO = datetime.fromisoformat("2019-05-06T07:08:09+00:00").timestamp()

Row = dict[str, Any]


def test_answers_labels_and_default_times_carry_the_moved_clock(
    start: Start, row: Row, tmp_path: Path
) -> None:
    path, undated = tmp_path / "clock", {k: v for k, v in row.items() if k != "month"}
    set_clock(path, LONG_AGO)
    server = start(env={VARIABLE: str(path)})
    first = predict(server.url, undated).json()["prediction_id"]
    set_clock(path, LONG_AGO + 30 * DAY)
    second = predict(server.url, undated).json()["prediction_id"]
    labels = [{"prediction_id": first, "outcome": "no"}]
    assert httpx2.post(f"{server.url}/labels", json=labels).status_code == 200
    server.stop()
    answers = {p.prediction_id: p for p in Journal().predictions()}
    assert LONG_AGO <= answers[first].at < LONG_AGO + DAY
    assert LONG_AGO + 30 * DAY <= answers[second].at < LONG_AGO + 31 * DAY
    assert answers[first].labelled_at == pytest.approx(LONG_AGO + 30 * DAY, abs=DAY)
    # an id begins with the milliseconds of the same clock: ids sort by time
    assert int(first[:12], 16) == int(answers[first].at * 1000)
    assert answers[first].features["month"].startswith("2019-05-06T07:0")


def test_the_future_begins_at_the_moved_clock(start: Start, row: Row, tmp_path: Path) -> None:
    path, dated = tmp_path / "clock", {**row, "month": "2019-06-01T00:00:00"}
    set_clock(path, LONG_AGO)
    server = start(env={VARIABLE: str(path)})
    assert predict(server.url, dated).status_code == 422
    set_clock(path, LONG_AGO + 30 * DAY)
    assert predict(server.url, dated).status_code == 200
    server.stop()


def test_a_clock_file_that_is_not_there_is_named(start: Start) -> None:
    server = start(env={VARIABLE: "nowhere"}, ready=False)
    output = server.process.communicate(timeout=120)[1]
    assert server.process.returncode == 2
    assert "ML_CLOCK: nowhere: No such file" in output
    assert "Traceback" not in output


def predict(url: str, row: Row) -> httpx2.Response:
    """A request for one row."""
    return httpx2.post(f"{url}/predict", json=row)
