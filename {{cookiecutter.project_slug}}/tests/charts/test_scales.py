"""Ticks, bounds and labels."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.charts.scales import Scale, figure, limits, not_overlapping, ticks, width_of

FIGURES = st.floats(-1e9, 1e9)


@given(low=FIGURES, size=st.floats(1e-3, 1e9), most=st.integers(2, 12))
def test_ticks_are_few_inside_and_evenly_spaced(low: float, size: float, most: int) -> None:
    places = ticks(low, low + size, most)
    assert len(places) <= most + 1
    slack = size * 1e-6 + abs(low) * 1e-9
    assert all(low - slack <= place <= low + size + slack for place in places)
    steps = [b - a for a, b in pairwise(places)]
    assert all(math.isclose(step, steps[0], rel_tol=1e-3, abs_tol=slack) for step in steps)


def test_ticks_of_usual_ranges() -> None:
    assert ticks(0, 100) == [0, 20, 40, 60, 80, 100]
    assert ticks(0.71, 0.84) == pytest.approx([0.72, 0.74, 0.76, 0.78, 0.8, 0.82, 0.84])
    assert ticks(5, 5) == [5]


@given(st.lists(FIGURES, max_size=50))
def test_bounds_are_finite_and_apart(values: list[float]) -> None:
    low, high = limits(values)
    assert math.isfinite(low)
    assert math.isfinite(high)
    assert low < high


def test_one_window_that_is_far_off_leaves_the_others_legible() -> None:
    usual = [30.0 + i % 10 for i in range(40)]
    assert limits([*usual, 1e6])[1] < 60
    assert limits([*usual, 55.0])[1] > 55  # not so far: it is shown
    assert limits([12.0, 25.0, 39.0])[0] == 0  # zero is near
    assert limits([0.90, 0.91, 0.92])[0] > 0.85


def test_a_scale_moves_what_lies_outside_to_its_edge() -> None:
    y = Scale(0, 10, 300, 100)
    assert [y(0), y(5), y(10), y(-1), y(99)] == [300, 200, 100, 300, 100]
    assert Scale(1, 1, 0, 10)(1) == 0


@given(st.lists(st.tuples(st.floats(0, 1000), st.text(max_size=12)), max_size=40))
def test_labels_do_not_overlap(places: list[tuple[float, str]]) -> None:
    chosen = not_overlapping(sorted(places), 12)
    edges = [(x - width_of(words, 12) / 2, x + width_of(words, 12) / 2) for x, words in chosen]
    assert all(a[1] < b[0] for a, b in pairwise(edges))
    assert bool(chosen) == bool(places)


@pytest.mark.parametrize(
    ("value", "words"),
    [(None, "-"), (math.nan, "-"), (0, "0"), (0.18342, "0.1834"), (35.7398, "35.74"),
     (123.44, "123.4"), (1234.5, "1,234"), (-2.5, "-2.500"), (1e-7, "0.0000")],
)  # fmt: skip
def test_figures_have_four_digits(value: float | None, words: str) -> None:
    assert figure(value) == words
