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
    assert first.trials == again.trials
    assert [t["rows"] for t in first.trials] == [533] * 4 + [1599] * 2
    best = max(first.trials[4:], key=lambda trial: trial["score"])
    assert first.model[-1].get_params()["learning_rate"] == best["settings"]["learning_rate"]
