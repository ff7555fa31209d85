"""A window's answers as arrays, a clock that never goes back, approvals that come late."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ml import clock
from ml.contract import Contract
from ml.ledger import chain
from ml.loop.replay.options import Options
from ml.loop.replay.simulation import live
from ml.loop.replay.simulation.live import Life, Lived, answer_matrix, move_clock
from ml.loop.replay.simulation.service import Client
from ml.loop.replay.simulation.stream import Slice


def test_answers_as_a_matrix(contract: Contract) -> None:
    answer = {"probabilities": {"yes": 0.3, "no": 0.7}, "prediction": "no"}
    matrix = answer_matrix([answer, None], contract)
    np.testing.assert_array_equal(matrix, [[0.7, 0.3], [np.nan, np.nan]])


def test_the_champion_of_a_window_answered_most_of_its_rows() -> None:
    window = Slice(1, pd.DataFrame(), np.zeros(4), 1.0)
    versions = np.array(["1", "2", "", "2"], dtype=object)
    assert Lived(window, [], np.empty((4, 1)), versions).champion == "2"
    assert Lived(window, [], np.empty((4, 1)), np.array([""], dtype=object)).champion == ""


def test_the_clock_never_goes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "clock"
    clock.set_clock(path, 1000.0)
    monkeypatch.setenv(clock.VARIABLE, str(path))
    monkeypatch.setattr(clock, "now", clock.MovedClock(path))
    assert move_clock(5000.0) == 5000.0
    assert 5000.0 <= move_clock(2000.0) < 5060.0
    assert 5000.0 <= clock.now() < 5060.0


@pytest.mark.parametrize("lag", [0, 1, 3])
def test_a_version_that_waits_is_approved_after_the_deploy_lag(
    contract: Contract, lag: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    approved: list[tuple[int, str]] = []
    life = Life(Client(1), contract, Options(deploy_lag=lag))
    (tmp_path / "serving/releases/1").mkdir(parents=True)
    (tmp_path / "serving/champion").symlink_to("releases/1")
    waits = chain.record(chain.WAIT, why="passed", to_version="2")
    number = 0
    monkeypatch.setattr(live, "approve", lambda version: approved.append((number, version)))
    for number in range(1, 10):
        life.wait_for_approval(number, [waits] if number == 4 else [])
        life.approve_due(number)
        assert life.decided() == ("2" if 4 <= number < 4 + lag else "1")
    assert approved == [(4 + lag, "2")]
