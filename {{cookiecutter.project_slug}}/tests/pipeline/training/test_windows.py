"""Windows: the newest rows win after a change, all rows where nothing changed."""

from __future__ import annotations

import numpy as np
import pytest

from ml.contract import Contract, Numeric, Target
from ml.dataset.recipe import Recipe
from ml.metrics import answers
from ml.params import Params, Train
from ml.pipeline.train import Fitted, fit
from ml.pipeline.training.rows import Rows
from ml.pipeline.training.windows import usable

NAMES = ("a", "b", "c")
REGRESSION = Contract(
    target=Target(name="y", task="regression"),
    columns=tuple(Numeric(name=name, kind="numeric") for name in NAMES),
)
BINARY = REGRESSION.model_copy(
    update={"target": Target(name="y", task="binary", classes=("no", "yes"))}
)


def stream(rows: int, change_at: int, seed: int = 0) -> Rows:
    """Rows whose relation turns round at a place."""
    rng = np.random.default_rng(seed)
    x = rng.normal(0, 1, (rows, len(NAMES))).astype(np.float32)
    sign = np.where(np.arange(rows) < change_at, 1.0, -1.0)
    y = sign * x[:, 0] + 0.5 * x[:, 1] + rng.normal(0, 0.3, rows)
    return Rows(x, y, np.arange(rows, dtype=np.uint64))


def part(rows: Rows, begin: int, end: int) -> Rows:
    return Rows(rows.x[begin:end], rows.y[begin:end], rows.hashes[begin:end])


@pytest.fixture
def train(params: Params) -> Train:
    return params.train.model_copy(update={"model": "linear"})


def fitted(change_at: int, train: Train, *, refit: bool) -> Fitted:
    rows = stream(2000, change_at)
    recipe = Recipe(held_out_rows=200, windows=(0, 400), refit=refit)
    return fit(part(rows, 0, 1800), REGRESSION, train, recipe, part(rows, 1800, 2000), "r2")


def test_the_newest_rows_are_chosen_after_a_change(train: Train) -> None:
    comparison = fitted(1400, train, refit=False).comparison
    assert comparison["window"] == 400
    assert comparison["windows"]["400"] > comparison["windows"]["1800"] + 0.5


def test_all_rows_are_chosen_where_nothing_changed(train: Train) -> None:
    assert fitted(0, train, refit=False).comparison["window"] == 1800


@pytest.mark.parametrize(("change_at", "first"), [(0, 0), (1400, 1600)])
def test_a_refit_learns_the_held_out_rows_too(train: Train, change_at: int, first: int) -> None:
    again = fitted(change_at, train, refit=True)
    np.testing.assert_array_equal(again.hashes, np.arange(first, 2000))
    x = stream(10, 0, seed=1).x
    assert (answers(again.model, x, REGRESSION) != answers(again.measured, x, REGRESSION)).any()


def test_without_a_refit_what_serves_is_what_was_measured(train: Train) -> None:
    once = fitted(0, train, refit=False)
    assert once.model is once.measured
    np.testing.assert_array_equal(once.hashes, np.arange(1800))


def test_a_window_without_enough_of_a_class_is_left_out() -> None:
    y = np.r_[np.tile([0, 1], 500), np.zeros(300, dtype=np.int64)]
    assert usable((0, 200, 600), y, BINARY) == [1300, 600]
    assert usable((200,), y, BINARY) == [1300]
    assert usable((0, 50, 5000), np.arange(400.0), REGRESSION) == [400]
