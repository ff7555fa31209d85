"""The figures of a replay, against figures by hand and against simulations."""

from __future__ import annotations

import numpy as np
import pytest

from ml.loop.replay import totals
from ml.loop.replay.totals import PolicyLosses


def test_losses_of_rows() -> None:
    assert totals.absolute_error(np.array([1, 5]), np.array([[2.0], [3.0]])).tolist() == [1, 2]
    two = totals.brier(np.array([1, 0]), np.array([[0.2, 0.8], [0.5, 0.5]]))
    assert two == pytest.approx([0.04, 0.25])
    assert totals.brier(np.array([2]), np.array([[1.0, 0.0, 0.0]])) == pytest.approx([1.0])


def test_a_window_without_known_loss_has_no_mean() -> None:
    assert totals.mean_and_error(np.array([np.nan])) == (None, None)
    assert totals.mean_and_error(np.array([2.0, np.nan])) == (2.0, None)
    mean, error = totals.mean_and_error(np.array([1.0, 3.0]))
    assert (mean, error) == (2.0, 1.0)


def test_means_are_over_the_same_rows_for_every_policy() -> None:
    losses: PolicyLosses = {
        "frozen": np.array([9.0, 2.0, 4.0]),
        "champion": np.array([np.nan, 1.0, 2.0]),
        "ceiling": np.full(3, np.nan),  # not followed: it takes no row from the others
    }
    mean, error, rows = totals.total_losses(losses, np.array([1, 1, 2]))
    assert (mean.frozen, mean.champion, mean.ceiling, rows) == (3.0, 1.5, None, 2)
    assert error.frozen is not None


def test_recovered_by_hand() -> None:
    window = np.repeat(np.arange(20), 5)
    frozen = 10.0 + np.sin(np.arange(100))
    losses: PolicyLosses = {"frozen": frozen, "every": frozen - 4, "champion": frozen - 3}
    told = totals.recovered(losses, window)
    assert told.share == pytest.approx(0.75)
    assert told.standard_error == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("missing", ["champion", "every"])
def test_recovered_needs_its_policies(missing: str) -> None:
    followed: PolicyLosses = {p: np.ones(4) for p in ("champion", "frozen", "every")}
    losses = {policy: loss for policy, loss in followed.items() if policy != missing}
    told = totals.recovered(losses, np.arange(4))
    assert (told.share, told.reason) == (None, f"not followed: {missing}")


def test_no_share_of_a_gain_within_the_noise_or_below_zero() -> None:
    random = np.random.default_rng(1)
    window = np.repeat(np.arange(30), 40)
    frozen = random.gamma(2, size=1200)
    for every, reason in (
        (frozen - 0.01 * random.gamma(2, size=1200) * (window == 3), "less than 3 standard errors"),
        (frozen, "gains nothing (0)"),
        (frozen + 1, "gains nothing (-1)"),
    ):
        told = totals.recovered({"frozen": frozen, "every": every, "champion": frozen}, window)
        assert told.share is None
        assert reason in (told.reason or "")
    one = totals.recovered(
        {"frozen": frozen, "every": frozen - 1, "champion": frozen}, np.ones(1200, dtype=int)
    )
    assert one.reason == "fewer than two windows"


def test_the_standard_error_covers_where_windows_depend_on_each_other() -> None:
    """95 % intervals hold the true share in at least 85 % of 300 streams with sticky windows."""
    random, covered, naive = np.random.default_rng(5), 0, 0
    for _ in range(300):
        noise, level = random.normal(size=(120, 10)), np.zeros(120)
        for i in range(1, 120):
            level[i] = 0.7 * level[i - 1] + random.normal()
        window = np.repeat(np.arange(120), 10)
        every = np.zeros(1200)
        frozen = every + 5
        champion = (frozen - 4 + level[:, None].repeat(10, 1).ravel()) + noise.ravel()
        told = totals.recovered({"frozen": frozen, "every": every, "champion": champion}, window)
        assert told.share is not None
        assert told.standard_error is not None
        covered += abs(told.share - 0.8) < 1.96 * told.standard_error
        naive += abs(told.share - 0.8) < 1.96 * (champion.std() / 5 / 1200**0.5)
    assert covered >= 255
    assert naive < 150  # as if rows were independent


def test_regret_and_the_cost_of_waiting() -> None:
    matrix = np.array([[1.0, 5.0, 6.0, np.nan], [2.0, 3.0, 2.0, np.nan]])
    told = totals.regret(matrix, np.array([0, 0, 1, 1]))
    assert told[:3].tolist() == [0, 2, 0]
    assert np.isnan(told[3])
    cost = totals.deploy_cost(matrix[:, :3], np.array([0, 0, 1]), np.array([0, 1, 1]))
    assert cost.tolist() == [0, 2, 0]
