"""Colours of the charts: seen on both grounds, and told apart by people who are colour-blind."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray

from ml.charts.style import LINES, STYLE, TONES
from ml.charts.symbols import EVENTS, UNKNOWN, VERDICTS
from ml.monitoring.reports import html

GROUNDS = ("#ffffff", "#151b22")  # of the pages, light and dark
SEEN = 3.0  # contrast that WCAG 2.2 asks of graphics (1.4.11)
APART = 20.0  # distance in CIELAB; 2.3 is just noticeable
# Machado, Oliveira and Fernandes, A physiologically-based model for simulation of color vision
# deficiency, 2009: severity 1.0, on linear RGB
BLINDNESS = {
    "none": np.eye(3),
    "protanopia": np.array([[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
                            [-0.003882, -0.048116, 1.051998]]),
    "deuteranopia": np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
                              [-0.011820, 0.042940, 0.968881]]),
    "tritanopia": np.array([[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
                            [0.004733, 0.691367, 0.303900]]),
}  # fmt: skip
XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def linear(color: str) -> NDArray[np.float64]:
    """Linear RGB of a colour in sRGB."""
    rgb = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    curve = ((rgb + 0.055) / 1.055) ** 2.4
    values: NDArray[np.float64] = np.where(rgb <= 0.04045, rgb / 12.92, curve)
    return values


def contrast(color: str, ground: str) -> float:
    """Contrast as WCAG computes it."""
    lights = sorted(float(XYZ[1] @ linear(c)) + 0.05 for c in (color, ground))
    return lights[1] / lights[0]


def lab(rgb: NDArray[np.float64]) -> NDArray[np.float64]:
    """CIELAB of linear RGB."""
    xyz = XYZ @ rgb.clip(0, 1) / XYZ.sum(axis=1)
    x, y, z = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_lines_and_symbols_stand_out_from_the_ground(dark: bool) -> None:
    assert f"--ground: {['#fff', GROUNDS[1]][dark]}" in html.STYLE
    colors = [line.dark if dark else line.light for line in LINES.values()]
    colors += [tone[dark] for tone in TONES.values()]
    for color in colors:
        assert contrast(color, GROUNDS[dark]) >= SEEN
        assert color in STYLE


@pytest.mark.parametrize("blindness", BLINDNESS)
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_three_lines_are_told_apart(blindness: str, dark: bool) -> None:
    for one, other in combinations(("champion", "frozen", "ceiling"), 2):
        colors = [LINES[name].dark if dark else LINES[name].light for name in (one, other)]
        seen = [lab(BLINDNESS[blindness] @ linear(color)) for color in colors]
        assert np.linalg.norm(seen[0] - seen[1]) >= APART


def test_no_line_and_no_symbol_is_told_by_its_colour_alone() -> None:
    assert len({line.dashes for line in LINES.values()}) == len(LINES)
    assert len({symbol.d for symbol in VERDICTS.values()}) == len(VERDICTS)
    assert all(symbol.tone in TONES for symbol in [*VERDICTS.values(), *EVENTS.values(), UNKNOWN])
