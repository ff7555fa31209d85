"""`auto`: the linear model where relations are straight, boosting where they bend."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ml.contract import Contract, Numeric, Target
from ml.params import Params, Train
from ml.pipeline.train import fit, format_comparison
from ml.pipeline.training.candidates import ALL_ROWS, KINDS, ONE_FOLD_VALUES, choose
from tests.conftest import unhashed

FEATURES = 4


def asked(task: str, time: str | None = None) -> Contract:
    classes = {"binary": ("no", "yes"), "multiclass": ("a", "b", "c"), "regression": ()}[task]
    columns = tuple(Numeric(name=f"x{i}", kind="numeric") for i in range(FEATURES))
    contract = Contract(target=Target(name="y", task=task, classes=classes), columns=columns)
    return contract.model_copy(update={"time": time})


def rows(task: str, n: int, straight: bool, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(0, 1, (n, FEATURES)).astype(np.float32)
    signal = x @ np.array([1.0, -1.0, 0.5, 0.0]) if straight else np.sign(x[:, 0] * x[:, 1]) * 2.0
    noisy = signal + rng.normal(0, 0.7, n)
    if task == "regression":
        return x, noisy
    return x, np.digitize(noisy, [0.0] if task == "binary" else [-0.8, 0.8])


@pytest.fixture(scope="module")
def train(params: Params) -> Train:
    """Small models: the comparison is looked at, not the figures."""
    return params.train.model_copy(
        update={
            "boosting": params.train.boosting.model_copy(update={"max_iter": 40}),
            "forest": params.train.forest.model_copy(update={"n_estimators": 20}),
        }
    )


@pytest.mark.parametrize("timed", [True, False])
@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
@pytest.mark.parametrize(("straight", "chosen"), [(True, "linear"), (False, "boosting")])
def test_the_kind_that_suits_the_relation_is_chosen(
    train: Train, task: str, timed: bool, straight: bool, chosen: str
) -> None:
    x, y = rows(task, 600, straight)
    told = choose(x, y, asked(task, "x0" if timed else None), train)
    assert told["chosen"] == chosen
    assert list(told["candidates"]) == list(KINDS)
    assert min(c["behind"] for c in told["candidates"].values()) == 0.0
    assert told["rows"] == (450 if timed else 600)  # the first block is fitted on alone


def test_equal_kinds_give_the_simplest(train: Train) -> None:
    x, y = rows("binary", 400, straight=True)
    noise = np.random.default_rng(1).integers(0, 2, len(y))
    assert choose(x, noise, asked("binary"), train)["chosen"] == "linear"


def test_large_tables_are_compared_on_a_part(train: Train) -> None:
    x, y = rows("binary", 3 * ALL_ROWS + 300, straight=True)
    assert choose(x, y, asked("binary"), train)["rows"] == ALL_ROWS + 100


def test_a_kind_that_is_far_behind_in_the_race_is_not_judged_on_the_other_folds(
    train: Train,
) -> None:
    x, y = rows("binary", 3 * ALL_ROWS + 300, straight=False)
    told = choose(x, y, asked("binary"), train)
    out = {kind for kind, c in told["candidates"].items() if c["out_of_race"]}
    assert out == {"linear"}
    assert told["chosen"] not in out
    assert told["rows"] == ALL_ROWS + 100


def test_the_last_kind_in_the_race_wins_by_its_fold(train: Train) -> None:
    x, y = rows("regression", 3 * ALL_ROWS + 300, straight=True)
    told = choose(x, y, asked("regression"), train)
    out = {kind for kind, c in told["candidates"].items() if c["out_of_race"]}
    assert out == {"boosting", "forest"}
    assert (told["chosen"], told["rows"]) == ("linear", (ALL_ROWS + 100) // 3)
    assert "boosting 0.7" in format_comparison(told)
    assert format_comparison(told).count("(far behind after one fold)") == 2


def test_kinds_that_are_near_each_other_stay_in_the_race(train: Train) -> None:
    x, y = rows("binary", 3 * ALL_ROWS + 300, straight=True)
    noise = np.random.default_rng(1).integers(0, 2, len(y))
    told = choose(x, noise, asked("binary"), train)
    assert not any(c["out_of_race"] for c in told["candidates"].values())
    assert (told["chosen"], told["rows"]) == ("linear", ALL_ROWS + 100)


def test_wide_tables_are_judged_on_one_fold(train: Train) -> None:
    x, y = rows("binary", 600, straight=True)
    wide = np.pad(x, ((0, 0), (0, ONE_FOLD_VALUES // 600)))
    columns = tuple(Numeric(name=f"x{i}", kind="numeric") for i in range(wide.shape[1]))
    few = train.model_copy(
        update={"boosting": train.boosting.model_copy(update={"max_iter": 2, "max_leaf_nodes": 2})}
    )
    contract = asked("binary").model_copy(update={"columns": columns})
    assert choose(wide, y, contract, few)["rows"] == 200


def test_a_class_that_a_fold_lacks_gets_no_share(train: Train) -> None:
    x, y = rows("multiclass", 300, straight=True)
    y[:] = np.where(np.arange(300) < 295, y % 2, 2)  # the third class comes at the end alone
    told = choose(x, y, asked("multiclass", "x0"), train)
    assert np.isfinite([c["score"] for c in told["candidates"].values()]).all()


def test_auto_fits_what_it_chose_and_says_so(train: Train) -> None:
    x, y = rows("regression", 300, straight=True)
    auto = train.model_copy(update={"model": "auto"})
    fitted = fit(unhashed(x, y), asked("regression"), auto)
    assert fitted.comparison["chosen"] == "linear"
    assert fitted.linear is fitted.model
    sentence: Any = format_comparison(fitted.comparison)
    assert "r2 by cross-validation: linear 0." in sentence
    assert "linear, the simplest within one standard error" in sentence
