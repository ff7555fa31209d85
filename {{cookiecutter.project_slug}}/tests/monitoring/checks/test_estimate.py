"""Estimates without outcomes: right under a shift of inputs, blind to a change of concept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from ml.contract import Contract
from ml.dataset.frame import encode_frame
from ml.encode import Encoder
from ml.journal.bulk.scan import Span
from ml.metrics import answers, measure
from ml.model import make_model
from ml.monitoring.checks.estimate import EXPECTED, calibration, estimate, tree_threads
from ml.monitoring.checks.performance import Cohort, cohort, performance
from ml.monitoring.inputs.reference import Champion, champion_of
from ml.monitoring.inputs.window import read_window
from ml.pipeline.evaluate import reference
from tests.monitoring.conftest import DAY, NOW, World, answered, customers, record

if TYPE_CHECKING:
    from ml.params import Params

MONTH = Span(NOW - 30 * DAY, NOW)


@pytest.mark.slow
@pytest.mark.parametrize("metric", ["accuracy", "roc_auc"])
def test_fifty_chunks_of_shifted_customers_within_two_points(
    world: World, champion: Champion, metric: str
) -> None:
    calibrate = calibration(champion.answer, champion.outcome.astype(int))
    wrong = []
    for chunk in range(50):
        outcome, answer = answered(
            world, customers(1000, 100 + chunk, charge=64 * (0.75 + chunk / 100))
        )
        wrong.append(EXPECTED[metric](answer, calibrate(answer)) - measure(metric, outcome, answer))
    assert np.mean(np.abs(wrong)) <= 0.02
    assert abs(np.mean(wrong)) <= 0.015


def test_a_turned_concept_deceives_the_estimate_and_not_the_labels(
    world: World, champion: Champion
) -> None:
    calibrate = calibration(champion.answer, champion.outcome.astype(int))
    missed, caught = [], []
    for window in range(3):
        outcome, answer = answered(world, customers(1000, 200 + window, concept=0.8))
        missed.append(
            EXPECTED["roc_auc"](answer, calibrate(answer)) - measure("roc_auc", outcome, answer)
        )
        group = Cohort(f"{window}", 1000, outcome.astype(float), answer, np.zeros(1000))
        _, findings = performance(group, champion, world.params.monitor)
        caught.append("decay" in {finding.what for finding in findings})
    assert min(missed) > 0.05  # the estimate promises what is not so
    assert any(caught)


@pytest.mark.parametrize("decimals", [1, 3, 16])
def test_expected_areas_and_precisions_are_scikit_learns(decimals: int) -> None:
    """Every row counts as positive by its chance and as negative by the rest."""
    from sklearn.metrics import average_precision_score, roc_auc_score

    rng = np.random.default_rng(decimals)
    score = rng.random(500).round(decimals)  # one decimal: most rows tie
    chance = np.clip(score + rng.normal(0, 0.3, 500), 0, 1)  # some are certain
    truth, weight = np.repeat([1, 0], 500), np.concatenate([chance, 1 - chance])
    both = np.stack([1 - score, score], axis=1), np.stack([1 - chance, chance], axis=1)
    for name, theirs in (
        ("roc_auc", roc_auc_score),
        ("average_precision", average_precision_score),
    ):
        expected = theirs(truth, np.tile(score, 2), sample_weight=weight)
        assert EXPECTED[name](*both) == pytest.approx(expected, rel=1e-12)


def test_an_area_needs_both_kinds_of_rows() -> None:
    answer = np.array([[0.9, 0.1], [0.2, 0.8]])
    never, always = np.array([[1.0, 0.0]] * 2), np.array([[0.0, 1.0]] * 2)
    assert np.isnan([EXPECTED["roc_auc"](answer, chance) for chance in (never, always)]).all()
    assert EXPECTED["average_precision"](answer, never) == 0
    assert EXPECTED["average_precision"](answer, always) == 1


@pytest.mark.slow
def test_the_interval_holds_the_truth_and_says_it_is_an_estimate(
    world: World, champion: Champion
) -> None:
    inside = 0
    for window in range(4):
        start = NOW - (4 - window) * 7 * DAY
        span = Span(start, start + 7 * DAY)
        record(world, customers(800, 300 + window, charge=75), span.start, span.end, labelled=1.0)
        estimated = estimate(
            read_window(world.journal.engine, span, world.contract, champion.profiles, "3"),
            champion,
        )
        assert estimated is not None
        assert estimated.truth is not None
        inside += estimated.low <= estimated.truth <= estimated.high
        assert "estimate" in estimated.kind
    assert inside >= 3


HOUSES = Contract.model_validate(
    {
        "target": {"name": "price", "task": "regression"},
        "columns": [{"name": name, "kind": "numeric"} for name in ("x", "z")],
    }
)


def houses(
    rows: int, seed: int, noise: float = 1.0, tilt: tuple[float, float] = (0.0, 0.0)
) -> pd.DataFrame:
    """A regression whose errors grow with x; a tilt draws other rows of the same meaning."""
    rng = np.random.default_rng(seed)
    x, z = rng.uniform(0, 10, 12 * rows), rng.standard_normal(12 * rows)
    weight = np.exp(tilt[0] * (x - 5) / 3 + tilt[1] * z)
    kept = rng.choice(12 * rows, rows, replace=False, p=weight / weight.sum())
    x, z = x[kept], z[kept]
    return pd.DataFrame(
        {"x": x, "z": z, "price": 3 * x + 2 * z + noise * (0.2 + x / 5) * rng.standard_normal(rows)}
    )


def valued(params: Params, seed: int) -> tuple[Any, Champion]:
    """A model of the houses and its released reference."""
    encoder, train, held = Encoder(HOUSES), houses(4000, 1), houses(4000, seed)
    model = make_model(HOUSES, params.train).fit(
        encode_frame(train, encoder), train["price"].to_numpy()
    )
    rows = reference(held, answers(model, encode_frame(held, encoder), HOUSES), HOUSES)
    about: dict[str, Any] = {"metric": "r2", "importance": {"x": 1.0}}
    released = {"name": "houses", "version": "1", "released_at": "2026-09-01T00:00:00+00:00"}
    return model, champion_of(about, released, HOUSES, rows)


def seen(model: Any, frame: pd.DataFrame) -> Any:
    answer = answers(model, encode_frame(frame, Encoder(HOUSES)), HOUSES)
    return _window(frame, answer, frame["price"].to_numpy())


def test_boosted_trees_of_few_rows_are_fitted_on_one_thread(params: Params) -> None:
    """Threads that wait for each other took ten times the trees' own time on two busy cores."""
    from threadpoolctl import threadpool_info

    def openmp() -> list[int]:
        return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "openmp"]

    _, champion = valued(params, 100)
    with tree_threads(champion):
        inside = openmp()
    assert inside
    assert set(inside) == {1}


@pytest.mark.slow
def test_sixty_chunks_of_shifted_houses_lie_in_the_interval(params: Params) -> None:
    held, wrong, guessed, wide = [], [], [], []
    # one reference is one draw: its error is common to all its chunks
    for start in (100, 200, 300):
        model, champion = valued(params, start)
        for chunk in range(20):
            tilt = tuple(np.random.default_rng(start + chunk).uniform(-1, 1, 2))
            estimated = estimate(seen(model, houses(1000, start + chunk + 1, tilt=tilt)), champion)
            assert estimated is not None
            assert estimated.truth is not None
            held.append(estimated.low <= estimated.truth <= estimated.high)
            wrong.append(estimated.value - estimated.truth)
            guessed.append(estimated.reference - estimated.truth)
            wide.append((estimated.high - estimated.value) / estimated.value)
    assert np.mean(held) >= 0.93  # 95 % stated, 60 chunks
    assert np.std(wrong) < 0.5 * np.std(guessed)  # it sees what the shift does to the errors
    assert np.mean(wide) < 0.25


@pytest.mark.slow
def test_another_price_of_the_same_houses_deceives_the_estimate_and_not_the_labels(
    params: Params,
) -> None:
    model, champion = valued(params, 100)
    caught = []
    for number in range(3):
        window = seen(model, houses(1000, 400 + number, noise=3.0))
        estimated = estimate(window, champion)
        assert estimated is not None
        assert estimated.truth is not None
        assert estimated.high < estimated.truth
        decay = performance(cohort(window), champion, params.monitor)[1]
        caught.append("decay" in {finding.what for finding in decay})
    assert any(caught)


def _window(frame: pd.DataFrame, answer: np.ndarray, outcome: np.ndarray) -> Any:
    from collections import Counter

    from ml.journal.bulk.scan import Labels
    from ml.monitoring.inputs.window import Window

    n = len(frame)
    return Window(
        span=MONTH,
        rows=n,
        columns={},
        versions=Counter({"1": n}),
        sample=frame[["x", "z"]],
        asked=[],
        places=np.arange(n),
        mine=np.ones(n, dtype=bool),
        ripe=np.ones(n, dtype=bool),
        answer=answer,
        prediction=answer[:, 0],
        outcome=outcome,
        lag=np.zeros(n),
        repeated=0.0,
        labels=Labels(),
    )
