"""Trials reach MLflow while the search runs, each once; a server that is away costs a line."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from mlflow.tracking import MlflowClient

from ml.contract import Contract
from ml.dataset.frame import encode_frame, target_codes
from ml.encode import Encoder
from ml.params import Params, Search
from ml.pipeline.tracking import PARENT, SEARCHED, TRIAL, experiment
from ml.pipeline.training.search import Searched, search
from ml.pipeline.training.trial_log import Tell, telling
from ml.release import runs

Run = Callable[[Tell | None], Searched]


@pytest.fixture
def run(contract: Contract, params: Params, make_frame: Callable[..., pd.DataFrame]) -> Run:
    """A search of four settings, of which two are scored on more rows."""
    frame = make_frame(1000)
    x, y = encode_frame(frame, Encoder(contract)), target_codes(frame, contract)
    few = params.train.boosting.model_copy(update={"max_iter": 5})
    train = params.train.model_copy(update={"search": Search(trials=4), "boosting": few})
    return lambda tell: search(x, y, contract, train, tell)[1]


def runs_of(client: MlflowClient, tag: str) -> list[Any]:
    """The runs that carry a tag, in the order in which they began."""
    (found,) = client.search_experiments(filter_string="name = 'life'")
    order = ["attributes.start_time ASC"]
    every = client.search_runs([found.experiment_id], order_by=order)
    return [one for one in every if tag in one.data.tags]


def finished(client: MlflowClient) -> list[str]:
    """Numbers of the trials that are there whole."""
    trials = runs_of(client, TRIAL)
    return [t.data.tags[TRIAL] for t in trials if t.info.status == "FINISHED" and t.data.metrics]


@pytest.mark.slow
def test_trials_are_logged_while_the_search_runs_and_once_however_often_it_is_run(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    client = MlflowClient(address)
    experiment(client, "life")

    def killed() -> None:
        with telling("life") as log:
            assert log
            run(partial(told, log))

    def told(log: Tell, searched: str, number: int, trial: dict[str, Any]) -> None:
        log(searched, number, trial)
        while number == 2 and finished(client) != ["0", "1", "2"]:
            time.sleep(0.01)
        if number == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        killed()
    (parent,) = runs_of(client, SEARCHED)
    child = runs_of(client, TRIAL)[-1].info.run_id
    client.update_run(child, "RUNNING")  # as a kill leaves it
    with telling("life") as log:
        found = run(log)
    assert finished(client) == ["0", "1", "2", "3", "4", "5"]
    for trial in runs_of(client, TRIAL):
        number = int(trial.data.tags[TRIAL])
        assert trial.data.metrics["score"] == found.trials[number]["score"]
        assert trial.data.params == {k: str(v) for k, v in found.trials[number]["settings"].items()}
        assert trial.data.tags[PARENT] == parent.info.run_id
    assert [r.info.status for r in runs_of(client, SEARCHED)] == ["FINISHED"]
    assert found == run(None)
    a_release_adds_what_is_missing_and_no_more(client, found)


def a_release_adds_what_is_missing_and_no_more(client: MlflowClient, found: Searched) -> None:
    """Of the search that the stage has logged nothing; of one that came from the cache all."""
    where = experiment(client, "life")
    bundle, other = [client.create_run(where).info.run_id for _ in range(2)]
    runs._log_trials(client, where, bundle, asdict(found))
    runs._log_trials(client, where, other, asdict(found))
    assert len(finished(client)) == 6
    (parent,) = runs_of(client, SEARCHED)
    assert parent.data.tags[PARENT] == bundle
    adopted = [client.get_run(one).data.tags["search"] for one in (bundle, other)]
    assert adopted == [parent.info.run_id] * 2
    runs._log_trials(client, where, other, asdict(found) | {"digest": "another"})
    assert len(finished(client)) == 12
    assert len(runs_of(client, SEARCHED)) == 2


def test_a_server_that_is_away_costs_one_line(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:secret@127.0.0.1:1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with telling("life") as log:
        found = run(log)
    told = capsys.readouterr().out
    assert told.count("\n") == 1
    assert "trials are left to `ml release`" in told
    assert "secret" not in told
    assert len(found.trials) == 6


def test_no_address_no_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with telling("life") as log:
        assert log is None
