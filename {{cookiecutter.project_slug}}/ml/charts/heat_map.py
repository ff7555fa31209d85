"""A matrix over the horizontal axis of a time line, and a row of bars below it.

Cells grow darker with their value; one cell of each column may be outlined. Cells of a large matrix
have no titles of their own: the page would be megabytes of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from ml.charts import svg
from ml.charts.layout import NARROW, WIDE, Layout, Slot, axis, both, hover, row_label
from ml.charts.scales import Scale, figure, limits, ticks

Figures = Sequence[float | None]

STEPS = 8  # of darkness
TITLED = 4000  # cells with a title each; of more, neighbours of the same darkness are one rectangle
BAR_ROOM = 90  # height of the bars


@dataclass(frozen=True)
class HeatMap:
    """What is drawn.

    Args:
        name: what the chart is, for those who don't see it.
        description: what it shows, in a sentence or two.
        slots: the columns.
        rows: names of the rows.
        values: darkness of each cell, row by row; None where it is unknown.
        titles: what is shown under the pointer, like values.
        outlined: row that is outlined in each column.
        bars: a figure for each column.
        bar_label: what the bars are.
    """

    name: str
    description: str
    slots: Sequence[Slot]
    rows: Sequence[str]
    values: Sequence[Figures]
    titles: Sequence[Sequence[str]]
    outlined: Sequence[int]
    bars: Figures
    bar_label: str


@dataclass(frozen=True)
class _Frame:
    layout: Layout
    x: Scale
    height: float  # of a row
    top: float

    def y(self, row: int) -> float:
        """A row's upper edge."""
        return self.top + row * self.height


def page_part(chart: HeatMap) -> str:
    """The chart in two sizes, as HTML."""
    return both(draw(chart, WIDE), draw(chart, NARROW))


def draw(chart: HeatMap, layout: Layout) -> str:
    """The chart as SVG."""
    height = min(max(420 / max(len(chart.rows), 1), 5), 22)
    ends = chart.slots[0].left, chart.slots[-1].right
    frame = _Frame(layout, layout.across(*ends), height, layout.font + 6)
    bars = frame.y(len(chart.rows)) + layout.font + 20
    return svg.image(
        layout.width,
        bars + BAR_ROOM + layout.font + 10,
        chart.name,
        chart.description,
        svg.text(
            layout.left,
            layout.font - 1,
            "version (row) on window (column)",
            font_size=layout.font,
            class_="quiet",
        ),
        _cells(chart, frame),
        _outline(chart, frame),
        _row_labels(chart, frame),
        _bars(chart, frame, bars),
        axis(layout, chart.slots, frame.x, bars + BAR_ROOM + 2),
    )


def _darkest(chart: HeatMap) -> float:
    """The value that is darkest; a few far above the rest don't decide it."""
    known = [value for row in chart.values for value in row if value is not None]
    return limits(known)[1] if known else 1.0


def _step(value: float | None, darkest: float) -> int | None:
    if value is None:
        return None
    return min(int(STEPS * max(value, 0.0) / darkest), STEPS - 1) if darkest > 0 else 0


def _cells(chart: HeatMap, frame: _Frame) -> str:
    darkest, cells = _darkest(chart), len(chart.rows) * len(chart.slots)
    row = _titled_row if frame.layout.titles and cells <= TITLED else _merged_row
    return "".join(row(chart, frame, i, darkest) for i in range(len(chart.rows)))


def _titled_row(chart: HeatMap, frame: _Frame, i: int, darkest: float) -> str:
    cells = zip(chart.slots, chart.values[i], chart.titles[i], strict=True)
    return "".join(
        _cell(frame, i, slot.left, slot.right, _step(value, darkest), svg.title(title))
        for slot, value, title in cells
    )


def _merged_row(chart: HeatMap, frame: _Frame, i: int, darkest: float) -> str:
    cells = list(zip(chart.slots, chart.values[i], strict=True))
    drawn = []
    for step, group in groupby(cells, lambda cell: _step(cell[1], darkest)):
        slots = [slot for slot, _ in group]
        drawn.append(_cell(frame, i, slots[0].left, slots[-1].right, step, ""))
    return "".join(drawn)


def _cell(frame: _Frame, i: int, left: float, right: float, step: int | None, title: str) -> str:
    edges = frame.x(left), frame.y(i), frame.x(right), frame.y(i + 1)
    if step is None:
        return svg.rect(*edges, title, class_="unknown")
    opacity = f"{0.04 + 0.92 * step / (STEPS - 1):.2f}"
    return svg.rect(*edges, title, class_="cell", fill_opacity=opacity)


def _outline(chart: HeatMap, frame: _Frame) -> str:
    """A frame around the stretches of cells that are outlined."""
    runs = groupby(zip(chart.slots, chart.outlined, strict=True), lambda cell: cell[1])
    drawn = []
    for row, group in runs:
        slots = [slot for slot, _ in group]
        drawn.append(
            svg.rect(
                frame.x(slots[0].left),
                frame.y(row),
                frame.x(slots[-1].right),
                frame.y(row + 1),
                class_="outline",
                pointer_events="none",
            )
        )
    return "".join(drawn)


def _row_labels(chart: HeatMap, frame: _Frame) -> str:
    """Names of the rows, every k-th where they are many."""
    every = max(1, round((frame.layout.font + 2) / frame.height))
    return "".join(
        row_label(frame.layout, frame.y(i) + frame.height / 2, name)
        for i, name in enumerate(chart.rows)
        if i % every == 0
    )


def _bars(chart: HeatMap, frame: _Frame, top: float) -> str:
    known = [bar for bar in chart.bars if bar is not None]
    high = max(limits(known)[1] if known else 1.0, 1e-12)
    y, layout = Scale(0, high, top + BAR_ROOM, top), frame.layout
    label = svg.text(layout.left, top - 6, chart.bar_label, font_size=layout.font, class_="quiet")
    drawn = [
        svg.rect(frame.x(slot.left) + 0.3, y(bar), frame.x(slot.right) - 0.3, y(0), class_="bar")
        for slot, bar in zip(chart.slots, chart.bars, strict=True)
        if bar
    ]
    return label + _bar_grid(layout, y) + "".join(drawn) + _bar_titles(chart, frame, top)


def _bar_grid(layout: Layout, y: Scale) -> str:
    return "".join(
        svg.path(f"M{layout.left} {svg.number(y(tick))}H{svg.number(layout.end)}", class_="grid")
        + row_label(layout, y(tick), f"{tick:.10g}")
        for tick in ticks(0, y.high, 3)
    )


def _bar_titles(chart: HeatMap, frame: _Frame, top: float) -> str:
    titled = [
        Slot(slot.left, slot.right, slot.tick, f"{slot.tick}: {figure(bar)}")
        for slot, bar in zip(chart.slots, chart.bars, strict=True)
    ]
    return hover(frame.layout, titled, frame.x, top, top + BAR_ROOM)
