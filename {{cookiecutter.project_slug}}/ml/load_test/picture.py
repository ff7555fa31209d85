"""Latency and rate over the seconds of a load test, as one SVG that needs nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ml.charts import svg
from ml.charts.scales import Scale, figure, ticks
from ml.charts.style import STYLE
from ml.load_test.figures import P, quantile
from ml.load_test.sender import OK

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ml.load_test.sender import Sent

WIDTH, LEFT, RIGHT, FONT = 760.0, 70.0, 20.0, 12.0
LATENCY, RATE, GAP = 240.0, 90.0, 44.0  # heights of both plots, and the room above each
ACROSS = f"H{WIDTH - RIGHT:g}"
PAGE_COLORS = """
:root { --ink: #1c2733; --soft: #566270; --line: #dde3ea; --ground: #fff }
.ground { fill: var(--ground) }
@media screen and (prefers-color-scheme: dark) { :root { --ink: #e6ebf1; --soft: #a3afbd;
  --line: #35414e; --ground: #151b22 } }
"""

Values = list[float | None]


def draw(sent: Sent, limit_ms: float | None) -> str:
    """The picture: p50 and p99 of the requests due in each second, below how many there were."""
    latency, rate = _by_second(sent)
    seconds = len(rate["reference"])
    x = Scale(0, seconds, LEFT, WIDTH - RIGHT)
    below = GAP + LATENCY + GAP
    height = below + RATE + 3 * FONT
    return svg.image(
        WIDTH,
        height,
        "Load test",
        "Latency of the requests that were due in each second, and how many these were",
        svg.tag("style", f"{PAGE_COLORS}{STYLE}"),
        svg.rect(0, 0, WIDTH, height, class_="ground"),
        _legend(GAP / 2, [("champion", "p99, ms"), ("estimate", "median, ms")]),
        _plot(latency, x, GAP, LATENCY, limit_ms),
        _legend(below - GAP / 2, [("reference", "requests a second"), ("frozen", "failed")]),
        _plot(rate, x, below, RATE, None),
        *(_label(x(t), below + RATE + 1.5 * FONT, f"{t:g} s") for t in ticks(0, seconds)),
    )


def _by_second(sent: Sent) -> tuple[dict[str, Values], dict[str, Values]]:
    """Lines of latency and of counts by their styles, a value for each second."""
    failed = sent.status != OK
    groups = [sent.due.astype(int) == second for second in range(int(sent.due.max()) + 1)]
    good = [np.sort(sent.latency[group & ~failed]) * 1000 for group in groups]
    counts: dict[str, Values] = {
        "reference": [float(group.sum()) for group in groups],
        "frozen": [float((group & failed).sum()) for group in groups],
    }
    return {"champion": _quantiles(good, P), "estimate": _quantiles(good, 0.5)}, counts


def _quantiles(groups: list[NDArray[np.float64]], p: float) -> Values:
    return [quantile(group, p) if len(group) else None for group in groups]


def _plot(
    lines: dict[str, Values], x: Scale, top: float, height: float, limit: float | None
) -> str:
    known = [value for values in lines.values() for value in values if value is not None]
    y = Scale(0.0, 1.08 * max([1e-9, limit or 0.0, *known]), top + height, top)
    drawn = [_grid(tick, y) for tick in ticks(y.low, y.high, 5)]
    for style, values in lines.items():
        points = [None if v is None else (x(i + 0.5), y(v)) for i, v in enumerate(values)]
        drawn.append(svg.path(svg.polyline(points), class_=f"line {style}"))
    return "".join(drawn) + (_limit(limit, y) if limit is not None else "")


def _grid(tick: float, y: Scale) -> str:
    label = _label(LEFT - 10, y(tick) + FONT / 3, f"{tick:.10g}", "end")
    return svg.path(f"M{LEFT} {svg.number(y(tick))}{ACROSS}", class_="grid") + label


def _limit(limit: float, y: Scale) -> str:
    words = f"objective {figure(limit)} ms"
    line = svg.path(f"M{LEFT} {svg.number(y(limit))}{ACROSS}", class_="line ceiling")
    return line + _label(WIDTH - RIGHT, y(limit) - 5, words, "end")


def _label(x: float, y: float, words: str, anchor: str = "middle") -> str:
    return svg.text(x, y, words, font_size=FONT - 1, class_="quiet", text_anchor=anchor)


def _legend(y: float, names: list[tuple[str, str]]) -> str:
    drawn = []
    for i, (style, words) in enumerate(names):
        left = LEFT + 170 * i
        line = f"M{svg.number(left)} {svg.number(y - 4)}h26"
        drawn.append(svg.path(line, class_=f"line {style}"))
        drawn.append(svg.text(left + 34, y, words, font_size=FONT))
    return "".join(drawn)
