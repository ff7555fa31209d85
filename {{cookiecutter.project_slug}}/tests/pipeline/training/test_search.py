"""The search for settings: halved rounds, the best trial, the same each time."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import pytest

from ml.contract import Contract
from ml.dataset.frame import encode_frame, target_codes
from ml.encode import Encoder
from ml.params import Params, Search
from ml.pipeline.train import fit
from ml.pipeline.training.search import estimator
from tests.conftest import unhashed
from tests.pipeline.tasks import of_task

Make = Callable[..., pd.DataFrame]


@pytest.mark.parametrize("task", ["binary", "regression"])
@pytest.mark.parametrize("timed", [True, False])
def test_search_halves_its_trials_and_repeats_itself(
    task: str, timed: bool, contract: Contract, params: Params, make_frame: Make
) -> None:
    asked, frame = of_task(task, contract, make_frame(1600))
    asked = asked if timed else asked.model_copy(update={"time": None})
    x, y = encode_frame(frame, Encoder(asked)), target_codes(frame, asked)
    few = params.train.boosting.model_copy(update={"max_iter": 10})
    train = params.train.model_copy(update={"search": Search(trials=4), "boosting": few})
    first, again = fit(unhashed(x, y), asked, train), fit(unhashed(x, y), asked, train)
    assert first.searched.trials == again.searched.trials
    assert [t["rows"] for t in first.searched.trials] == [533] * 4 + [1599] * 2
    best = max(first.searched.trials[4:], key=lambda trial: trial["score"])
    assert first.model[-1].get_params()["learning_rate"] == best["settings"]["learning_rate"]


@pytest.mark.parametrize("kind", ["linear", "forest", "ensemble"])
def test_a_trial_on_a_cluster_stays_on_its_worker(
    kind: str, contract: Contract, params: Params, make_frame: Make
) -> None:
    """A forest would send its trees to other workers, and take twice as long."""
    x, y = encode_frame(make_frame(80), Encoder(contract)), target_codes(make_frame(80), contract)
    few = params.train.forest.model_copy(update={"n_estimators": 3})
    search = Search(trials=4, executor="dask")
    train = params.train.model_copy(update={"model": kind, "search": search, "forest": few})
    model = estimator(contract, train)
    model.fit(x, y)  # no argument warns
    asked = [value for name, value in model.get_params().items() if name.endswith("n_jobs")]
    assert -1 not in asked
    assert 1 in asked
