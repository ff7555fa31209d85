"""How figures are written."""

from __future__ import annotations

import pytest

from ml.card.document import Figure, Style


@pytest.mark.parametrize(
    ("value", "style", "text"),
    [
        (0.81234567, "number", "0.8123"),
        (0.5, "number", "0.5000"),
        (-0.00012, "number", "-0.000120"),
        (1.2e-8, "number", "1.2e-08"),
        (51.23456, "number", "51.23"),
        (123456.7, "number", "123,457"),
        (0, "number", "0.0000"),
        (4000, "count", "4,000"),
        (0.125, "percent", "12.5 %"),
        (None, "number", "-"),
    ],
)
def test_a_figure_is_short_and_says_enough(value: float | None, style: Style, text: str) -> None:
    assert str(Figure(value, "metrics/a.json#/b", style)) == text
