"""Shapley values: the definition's numbers, sums that close, standard errors that are true."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
from numpy.typing import NDArray

from ml.bundle import RUN
from ml.encode import Matrix
from ml.explain import shapley
from ml.explain.shapley import Game, contributions, exact, sampled

Floats = NDArray[np.float64]
WEIGHTS = np.array([3.0, -2.0, 0.5, 1.0, 0.0, 4.0, -1.0, 2.0, 0.25, -3.0])


def linear(x: Matrix) -> Floats:
    return np.asarray(7 + x.astype(np.float64) @ WEIGHTS[: x.shape[1]])


def tangled(x: Matrix) -> Floats:
    """Products and thresholds: what a column changes depends on the others."""
    z = np.nan_to_num(x.astype(np.float64))
    found = z[:, 0] * z[:, 1] + np.where(z[:, 2] > 0, z[:, 3], -z[:, 1]) + np.sin(z.sum(axis=1))
    return np.asarray(found)


def game(answer: Callable[[Matrix], Floats], columns: int, rows: int = 12, seed: int = 0) -> Game:
    """A random row beside random reference rows."""
    rng = np.random.default_rng(seed)
    reference = rng.normal(size=(rows, columns)).astype(np.float32)
    row = rng.normal(size=columns).astype(np.float32)
    value, base = float(answer(row[None])[0]), answer(reference)
    return Game(answer, row, value, reference, base, np.arange(columns))


def by_definition(given: Game) -> Floats:
    """The mean over all orders in which the columns can join, for each reference row."""
    orders = list(permutations(range(given.columns)))
    totals = np.zeros(given.columns)
    for reference in given.reference:
        for order in orders:
            mixed = reference.copy()
            before = float(given.answer(mixed[None])[0])
            for column in order:
                mixed[given.owner == column] = given.row[given.owner == column]
                after = float(given.answer(mixed[None])[0])
                totals[column] += after - before
                before = after
    return totals / len(orders) / len(given.reference)


def test_exact_values_are_the_definitions() -> None:
    given = game(tangled, 5)
    np.testing.assert_allclose(exact(given).values, by_definition(given), rtol=1e-9, atol=1e-12)


def test_the_parts_of_one_column_join_together() -> None:
    given = replace(game(tangled, 6), owner=np.array([0, 0, 1, 2, 2, 3]))
    np.testing.assert_allclose(exact(given).values, by_definition(given), rtol=1e-9, atol=1e-12)
    many = sampled(given, 20_000)
    assert np.abs(many.values - exact(given).values).max() < 4 * many.standard_errors.max()


@pytest.mark.parametrize("method", [exact, lambda given: sampled(given, 100)])
def test_of_a_linear_model_a_contribution_is_weight_times_distance(
    method: Callable[[Game], shapley.Contributions],
) -> None:
    given = game(linear, 7)
    found = method(given)
    due = WEIGHTS[:7] * (given.row - given.reference.mean(axis=0, dtype=np.float64))
    np.testing.assert_allclose(found.values, due, atol=1e-6)
    assert found.standard_errors.max() < 1e-6  # every draw says the same


@pytest.mark.parametrize("columns", [1, 4, 7, 8, 10, 150])
def test_contributions_add_up_to_the_answer_minus_the_base(columns: int) -> None:
    given = game(tangled if columns > 3 else lambda x: x[:, 0].astype(np.float64) ** 2, columns)
    found = contributions(given, 64)
    moved = given.value - given.base.mean()
    assert abs(found.values.sum() - moved) <= 1e-12 * max(1.0, abs(given.value))
    assert (found.draws == 0) == (columns <= shapley.EXACT_COLUMNS)


def test_a_column_that_equals_every_reference_row_contributes_nothing() -> None:
    given = game(tangled, 8)
    reference = given.reference.copy()
    reference[:, 2] = given.row[2] = np.nan  # missing equals missing
    same = replace(given, reference=reference, base=tangled(reference))
    assert contributions(same, 64).values[2] == 0
    alike = replace(given, reference=np.tile(given.row, (5, 1)), base=np.full(5, given.value))
    assert not contributions(alike, 64).values.any()


def test_only_rows_that_differ_are_asked_and_a_draws_coalitions_in_one_run() -> None:
    runs = []

    def counted(x: Matrix) -> Floats:
        runs.append(len(x))
        return tangled(x)

    given = replace(game(tangled, 20), answer=counted)
    found = sampled(given, 48)
    assert found.draws == 48  # 12 reference rows, two pairs of permutations each
    assert sum(runs) == 48 * 19
    assert max(runs) <= RUN
    assert all(rows % 19 == 0 for rows in runs)
    runs.clear()
    some = given.reference.copy()
    some[:, 5:] = given.row[5:]
    sampled(replace(given, reference=some, base=tangled(some)), 48)
    assert sum(runs) == 48 * 4


def test_the_standard_error_is_the_scatter_of_the_sampling(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Over 60 seeds: the errors' mean square is the square of what is stated; and no bias."""
    given = game(tangled, 6)
    due = exact(given).values
    errors, stated = [], []
    for seed in range(60):
        monkeypatch.setattr(shapley, "SEED", seed)
        shapley._ranks.cache_clear()
        found = sampled(given, 96)
        errors.append(found.values - due)
        stated.append(found.standard_errors**2)
    shapley._ranks.cache_clear()
    real, said = np.mean(np.square(errors), axis=0), np.mean(stated, axis=0)
    assert 0.8 < np.sqrt(real.sum() / said.sum()) < 1.25
    assert (np.abs(np.mean(errors, axis=0)) < 4 * np.sqrt(said / 60)).all()


def test_the_same_row_is_explained_the_same_way_each_time() -> None:
    given = game(tangled, 9)
    assert sampled(given, 64).values.tolist() == sampled(given, 64).values.tolist()
