"""A line of figures with their interval inside a plot, and a sample of it for the legend."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from ml.charts import svg, symbols
from ml.charts.layout import Layout, Slot, legend
from ml.charts.scales import Scale, figure

Figures = Sequence[float | None]

DOTTED = 60  # points; more are a line without dots


@dataclass(frozen=True)
class Series:
    """One line.

    Args:
        label: its name in the legend.
        style: a key of `ml.charts.style.LINES`.
        values: a figure for each slot.
        low: lower ends of the intervals; empty: there are none.
        high: upper ends.
        interval: what the legend calls them.
        dotted: whether each figure is a dot, where there are few.
    """

    label: str
    style: str
    values: Figures
    low: Figures = ()
    high: Figures = ()
    interval: str = "95 % interval"
    dotted: bool = True

    @property
    def has_interval(self) -> bool:
        """Whether any of its figures has an interval."""
        return any(end is not None for end in self.low)

    @property
    def known(self) -> list[float]:
        """Its figures and the ends of their intervals, as far as they are known."""
        figures = (*self.values, *self.low, *self.high)
        return [value for value in figures if value is not None]


@dataclass(frozen=True)
class Plot:
    """The place of a chart's lines: a layout with its scales."""

    layout: Layout
    x: Scale
    y: Scale
    top: float
    bottom: float  # of the plot

    def row(self, place: int) -> float:
        """The middle of a row below the plot."""
        return self.bottom + 8 + (place + 0.5) * self.layout.row


def draw_line(series: Series, slots: Sequence[Slot], plot: Plot) -> str:
    """The figures as a line with gaps; dots and arrows stand where it alone would not be seen."""
    points = list(_points(series.values, slots, plot))
    line = svg.path(svg.polyline(points), class_=f"line {series.style}")
    return line + _dots(series, points) + _beyond(series, slots, plot)


def _dots(series: Series, points: Sequence[tuple[float, float] | None]) -> str:
    """A dot for each figure where they are few, else for those that no line reaches."""
    all_of_them = series.dotted and len(points) <= DOTTED
    return "".join(
        svg.tag("circle", cx=point[0], cy=point[1], r=2.6, class_=f"dot-{series.style}")
        for point, alone in zip(points, _alone(points), strict=True)
        if point and (alone or all_of_them)
    )


def _points(
    values: Figures, slots: Sequence[Slot], plot: Plot
) -> Iterator[tuple[float, float] | None]:
    for value, slot in zip(values, slots, strict=True):
        yield None if value is None else (plot.x(slot.middle), plot.y(value))


def _alone(points: Sequence[object]) -> list[bool]:
    """Whether no line reaches a point, because both neighbours are missing."""
    edged = [None, *points, None]
    return [edged[i] is None and edged[i + 2] is None for i in range(len(points))]


def _beyond(series: Series, slots: Sequence[Slot], plot: Plot) -> str:
    """An arrow with the figure where a value lies above or below the plot."""
    marks = []
    for value, slot in zip(series.values, slots, strict=True):
        if value is None or plot.y.low <= value <= plot.y.high:
            continue
        above = value > plot.y.high
        x, y = plot.x(slot.middle), plot.top + 6 if above else plot.bottom - 6
        marks.append(
            svg.path(
                symbols.UP if above else symbols.DOWN,
                class_=f"dot-{series.style}",
                transform=f"translate({svg.number(x)} {svg.number(y)})",
            )
        )
        marks.append(svg.text(x + 8, y + 4, figure(value), font_size=plot.layout.font - 1))
    return "".join(marks)


def draw_band(series: Series, slots: Sequence[Slot], plot: Plot) -> str:
    """The interval, as an area for each stretch of neighbours that have one."""
    if not series.has_interval:
        return ""
    ends = zip(slots, series.low, series.high, strict=True)
    areas = []
    for known, stretch in groupby(ends, lambda end: end[1] is not None and end[2] is not None):
        if known:
            areas.append(_area(list(stretch), plot))
    return svg.path("".join(areas), class_=f"band band-{series.style}") if areas else ""


def _area(stretch: list[tuple[Slot, float | None, float | None]], plot: Plot) -> str:
    """An area through the ends of intervals; a single one is a bar of a few pixels."""
    spread = 3.0 if len(stretch) == 1 else 0.0
    upper = [(plot.x(slot.middle) - spread, plot.y(high or 0.0)) for slot, _, high in stretch]
    lower = [(plot.x(slot.middle) + spread, plot.y(low or 0.0)) for slot, low, _ in stretch[::-1]]
    if spread:
        upper, lower = [*upper, (lower[0][0], upper[0][1])], [*lower, (upper[0][0], lower[0][1])]
    return svg.polyline([*upper, *lower]) + "Z"


def line_legend(lines: Sequence[Series]) -> str:
    """The lines' names beside samples of them."""
    return legend([(_sample(series.style), _legend_words(series)) for series in lines])


def _legend_words(series: Series) -> str:
    return series.label + (f", with {series.interval}" if series.has_interval else "")


def _sample(style: str) -> str:
    drawn = svg.path("M0 6H30", class_=f"line {style}")
    return (
        f'<svg class="chart" viewBox="0 0 30 12" width="30" height="12" aria-hidden="true">'
        f"{drawn}</svg>"
    )
