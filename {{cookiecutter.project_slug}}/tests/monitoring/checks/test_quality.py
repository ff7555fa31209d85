"""Broken data: every fault fires in its column alone, and healthy windows stay quiet."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from ml.journal.bulk.scan import Span
from ml.monitoring.checks.quality import quality, seldom_changes, unit_change
from ml.monitoring.inputs.window import read_window
from tests.monitoring.conftest import DAY, NOW, World, customers, record

if TYPE_CHECKING:
    from collections.abc import Callable

    from ml.monitoring.inputs.reference import Champion

SPAN = Span(NOW - 30 * DAY, NOW)


def findings(world: World, champion: Champion, frame: pd.DataFrame) -> set[tuple[str, str | None]]:
    record(world, frame)
    window = read_window(world.journal.engine, SPAN, world.contract, champion.profiles, "3")
    return {(f.what, f.column) for f in quality(window, champion, 0.2)}


def some(share: float, value: object, column: str) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def change(frame: pd.DataFrame) -> pd.DataFrame:
        rows = np.random.default_rng(0).random(len(frame)) < share
        return frame.assign(**{column: frame[column].mask(rows, value)})

    return change


@pytest.mark.parametrize("seed", [31, 32, 33])
def test_healthy_windows_are_quiet(world: World, champion: Champion, seed: int) -> None:
    assert findings(world, champion, customers(800, seed)) == set()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (some(0.3, None, "tenure"), ("missing", "tenure")),
        (some(0.3, 5000.0, "charge"), ("out_of_range", "charge")),
        (some(0.3, "gold", "plan"), ("unlisted", "plan")),
        (lambda f: f.assign(tenure=12.0), ("constant", "tenure")),
        (lambda f: f.assign(plan="pro"), ("constant", "plan")),
        (lambda f: f.assign(charge=f["charge"] / 60), ("unit", "charge")),
        (lambda f: pd.concat([f.head(200)] * 4, ignore_index=True), ("repeated", None)),
    ],
)
def test_each_fault_fires_in_its_column(
    world: World,
    champion: Champion,
    change: Callable[[pd.DataFrame], pd.DataFrame],
    expected: tuple[str, str | None],
) -> None:
    found = findings(world, champion, change(customers(800, 34)))
    assert expected in found
    assert {column for _, column in found} == {expected[1]}


def test_one_value_is_no_surprise_in_a_column_that_seldom_changes() -> None:
    """Two weeks of hours lie in one month; two weeks of one hour would be a broken clock."""
    months, hours = pd.Series(["3"] * 90 + ["4"] * 78), pd.Series([h % 24 for h in range(168)])
    assert seldom_changes(months, 336)
    assert not seldom_changes(hours, 336)
    assert not seldom_changes(months.sample(frac=1, random_state=0), 336)


@pytest.mark.parametrize("factor", [10.0, 60.0, 1000.0, 1 / 10, 1 / 60, 1 / 1000])
def test_a_unit_change_is_named(factor: float) -> None:
    rng = np.random.default_rng(1)
    before, now = rng.lognormal(3, 0.6, 4000), rng.lognormal(3, 0.6, 500)
    assert unit_change(before, now) is None
    found = unit_change(before, now * factor)
    assert found is not None
    assert found == pytest.approx((factor, 1.0))


def test_a_unit_change_of_some_rows_is_named() -> None:
    rng = np.random.default_rng(2)
    before, now = rng.normal(50, 8, 4000), rng.normal(50, 8, 500)
    found = unit_change(before, np.where(rng.random(500) < 0.3, now * 100, now))
    assert found is not None
    assert found[0] == 100
    assert found[1] == pytest.approx(0.3, abs=0.06)


@pytest.mark.parametrize("rows", [40, 60, 200])
def test_a_short_reference_is_no_unit_change(rows: int) -> None:
    """Rows beyond the range of a few earlier ones come by chance, above all around zero."""
    rng = np.random.default_rng(6)
    for draw in (rng.normal, rng.standard_cauchy, rng.lognormal):
        assert not [
            found
            for _ in range(300)
            if (found := unit_change(draw(size=rows), draw(size=300))) is not None
        ], draw


def test_a_shift_is_no_unit_change() -> None:
    rng = np.random.default_rng(3)
    before = rng.lognormal(3, 0.6, 4000)
    for factor in (1.3, 2.0, 4.0):
        assert unit_change(before, rng.lognormal(3, 0.6, 500) * factor) is None
