"""The card's pictures as SVG: importance, calibration, partial dependence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ml.charts import svg
from ml.charts.scales import Scale, ticks
from ml.charts.style import STYLE
from ml.errors import printable

WIDTH = 640.0
LEFT = 170.0
RIGHT = 20.0
FONT = 12.0
ROW = 22.0
PLOT = 220.0
BARS = 15
NAME = 24  # characters of a column's name or level

PAGE_COLORS = """
:root { --ink: #1c2733; --soft: #566270; --line: #dde3ea; --ground: #fff }
@media screen and (prefers-color-scheme: dark) { :root { --ink: #e6ebf1; --soft: #a3afbd;
  --line: #35414e; --ground: #151b22 } }
"""
WHISKER = ".chart .whisker { stroke: var(--ink); stroke-width: 1.4; fill: none }\n"

Row = dict[str, Any]


def importance(listed: Sequence[Row]) -> str:
    """A bar for each column, with its interval."""
    shown = listed[:BARS]
    ends = [end for each in shown for end in (each["low"], each["high"]) if end is not None]
    x = Scale(min([0.0, *ends]), max([1e-9, *ends]), LEFT, WIDTH - RIGHT)
    bars = [_bar(each, x, ROW * (i + 0.5)) for i, each in enumerate(shown)]
    bottom = ROW * len(shown) + 4
    return svg.image(
        WIDTH,
        bottom + 2 * FONT,
        "Permutation importance",
        "A bar for each column: what the metric loses when it is shuffled",
        _axis(x, bottom),
        *bars,
    )


def _bar(each: Row, x: Scale, y: float) -> str:
    label = _label(str(each["column"]), y)
    if each["loss"] is None:
        return label
    zero, end = sorted((x(0.0), x(each["loss"])))
    return label + svg.rect(zero, y - 6, end, y + 6, class_="bar") + _whisker(each, x, y)


def _whisker(each: Row, x: Scale, y: float) -> str:
    if each["low"] is None:
        return ""
    ends = f"M{svg.number(x(each['low']))} {svg.number(y)}H{svg.number(x(each['high']))}"
    return svg.path(ends, class_="whisker")


def _label(words: str, y: float) -> str:
    return svg.text(
        LEFT - 8,
        y + FONT / 3,
        printable(words, NAME),
        font_size=FONT,
        class_="quiet",
        text_anchor="end",
    )


def _axis(x: Scale, top: float) -> str:
    """Ticks of a horizontal axis, with lines up to the top of the picture."""
    return "".join(
        svg.path(f"M{svg.number(x(at))} 0V{svg.number(top)}", class_="grid")
        + svg.text(
            x(at), top + FONT + 2, f"{at:.10g}", font_size=11, class_="quiet", text_anchor="middle"
        )
        for at in ticks(x.low, x.high, 5)
    )


def _side(y: Scale) -> str:
    """Ticks of a vertical axis."""
    return "".join(
        svg.path(
            f"M{svg.number(LEFT)} {svg.number(y(at))}H{svg.number(WIDTH - RIGHT)}", class_="grid"
        )
        + _label(f"{at:.10g}", y(at))
        for at in ticks(y.low, y.high, 5)
    )


def _range(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    room = 0.05 * ((high - low) or abs(high) or 1.0)
    return low - room, high + room


def calibration(groups: Sequence[Row]) -> str:
    """A point and its interval for each group, and the diagonal."""
    if not groups:
        return ""
    values = [group[name] for group in groups for name in ("predicted", "low", "high")]
    low, high = _range(values)
    x, y = Scale(low, high, LEFT, WIDTH - RIGHT), Scale(low, high, PLOT, 8.0)
    return svg.image(
        WIDTH,
        PLOT + 2 * FONT,
        "Calibration",
        "Predicted across, observed up; the dashed line is perfect",
        _axis(x, PLOT),
        _side(y),
        svg.path(svg.polyline([(x(low), y(low)), (x(high), y(high))]), class_="line reference"),
        *(_point(group, x, y) for group in groups),
    )


def _point(group: Row, x: Scale, y: Scale) -> str:
    across = x(group["predicted"])
    ends = f"M{svg.number(across)} {svg.number(y(group['low']))}V{svg.number(y(group['high']))}"
    dot = svg.tag("circle", cx=across, cy=y(group["observed"]), r=3.5, class_="dot-champion")
    return svg.path(ends, class_="whisker") + dot


def dependence(curve: Row) -> str:
    """The mean answer over a column's values: a line of numbers, bars of levels."""
    points = [point for point in curve["points"] if point["answer"] is not None]
    if not points:
        return ""
    name = "Partial dependence"
    words = f"The mean answer over values of {printable(str(curve['column']))}"
    if isinstance(points[0]["value"], str):
        return _levels(points, name, words)
    return _line(points, name, words)


def dependences(curves: Sequence[Row]) -> str:
    """All curves below each other, as a file of its own."""
    drawn, top = list[str](), 0.0
    for curve in curves:
        top += 2 * FONT
        title = svg.text(LEFT, top - 6, printable(str(curve["column"])), font_size=FONT)
        drawn.append(title + svg.tag("svg", dependence(curve), y=top))
        top += PLOT + 2 * FONT if _is_line(curve) else ROW * len(curve["points"]) + 2 * FONT + 4
    style = svg.tag("style", f"{PAGE_COLORS}{STYLE}{WHISKER}")
    words = "The mean answer when a column has the same value in all rows, of the rows held out"
    return svg.image(WIDTH, max(top, 1.0), "Partial dependence", words, style, *drawn)


def _is_line(curve: Row) -> bool:
    return not any(isinstance(point["value"], str) for point in curve["points"])


def _line(points: Sequence[Row], name: str, words: str) -> str:
    low, high = _range([point[end] for point in points for end in ("low", "high")])
    across = [point["value"] for point in points]
    x, y = Scale(min(across), max(across), LEFT, WIDTH - RIGHT), Scale(low, high, PLOT, 8.0)
    edge = [(x(p["value"]), y(p["high"])) for p in points]
    back = [(x(p["value"]), y(p["low"])) for p in reversed(points)]
    return svg.image(
        WIDTH,
        PLOT + 2 * FONT,
        name,
        words,
        _axis(x, PLOT),
        _side(y),
        svg.path(svg.polyline([*edge, *back]) + "Z", class_="band band-champion"),
        svg.path(
            svg.polyline((x(p["value"]), y(p["answer"])) for p in points), class_="line champion"
        ),
    )


def _levels(points: Sequence[Row], name: str, words: str) -> str:
    ends = [point[end] for point in points for end in ("low", "high")]
    x = Scale(min([0.0, *ends]), max([1e-9, *ends]), LEFT, WIDTH - RIGHT)
    rows = [{**point, "column": point["value"], "loss": point["answer"]} for point in points]
    bottom = ROW * len(rows) + 4
    bars = [_bar(row, x, ROW * (i + 0.5)) for i, row in enumerate(rows)]
    return svg.image(WIDTH, bottom + 2 * FONT, name, words, _axis(x, bottom), *bars)
