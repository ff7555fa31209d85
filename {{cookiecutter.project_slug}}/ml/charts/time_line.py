"""Quality over time: lines with their intervals, incidents shaded, verdicts and events in rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from ml.charts import svg, symbols
from ml.charts.layout import (
    NARROW,
    WIDE,
    Layout,
    Slot,
    axis,
    both,
    hover,
    legend,
    row_label,
)
from ml.charts.scales import Scale, figure, limits, ticks, width_of
from ml.errors import printable

Figures = Sequence[float | None]

SERVING, VERDICT = "version", "verdict"
ROW_NAMES = {
    "probation passed": "passed",
    "probation unclear": "unclear",
    "waits for approval": "waits",
}
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
class Mark:
    """An event at a place of the horizontal axis; `what` names its row."""

    at: float
    what: str
    label: str
    title: str


@dataclass(frozen=True)
class TimeLine:
    """What is drawn. Verdicts, versions and incidents have an entry for each slot.

    Args:
        name: what the chart is, for those who don't see it.
        description: what it shows, in a sentence or two.
        unit: what the vertical axis counts.
    """

    name: str
    description: str
    unit: str
    slots: Sequence[Slot]
    series: Sequence[Series]
    verdicts: Sequence[str]
    versions: Sequence[str]
    incidents: Sequence[str | None]
    marks: Sequence[Mark]

    @property
    def rows(self) -> list[str]:
        """The rows below the plot: version, verdict, and the events that happened."""
        happened = {mark.what for mark in self.marks}
        known = [what for what in symbols.EVENTS if what in happened]
        return [SERVING, VERDICT, *known, *sorted(happened - set(known))]


@dataclass(frozen=True)
class _Frame:
    """A layout with its scales."""

    layout: Layout
    x: Scale
    y: Scale
    top: float
    bottom: float  # of the plot

    def row(self, place: int) -> float:
        """The middle of a row below the plot."""
        return self.bottom + 8 + (place + 0.5) * self.layout.row


def page_part(line: TimeLine) -> str:
    """Legend, chart in two sizes, and the list of incidents, as HTML."""
    charts = both(draw(line, WIDE), draw(line, NARROW))
    return f"{line_legend(line)}{charts}{symbol_legend(line)}{incident_list(line)}"


def draw(line: TimeLine, layout: Layout) -> str:
    """The chart as SVG."""
    frame = _frame(line, layout)
    end = frame.row(len(line.rows) - 1) + layout.row / 2 + 4
    return svg.image(
        layout.width,
        end + layout.font + 6,
        line.name,
        line.description,
        _incidents(line, frame),
        _grid(line, frame),
        _events(line, frame),
        *(_band(series, line.slots, frame) for series in line.series),
        *(_line(series, line.slots, frame) for series in reversed(line.series)),
        axis(layout, line.slots, frame.x, end),
        hover(layout, line.slots, frame.x, frame.top, end),
        *(_row(line, what, frame, i) for i, what in enumerate(line.rows)),
    )


def _frame(line: TimeLine, layout: Layout) -> _Frame:
    low, high = limits([value for series in line.series for value in series.known])
    top = 2.6 * layout.font + 8
    bottom = top + layout.plot
    left = min((slot.left for slot in line.slots), default=0.0)
    right = max((slot.right for slot in line.slots), default=1.0)
    return _Frame(layout, layout.across(left, right), Scale(low, high, bottom, top), top, bottom)


def _grid(line: TimeLine, frame: _Frame) -> str:
    layout = frame.layout
    unit = svg.text(layout.left, layout.font, line.unit, font_size=layout.font, class_="quiet")
    return unit + "".join(
        svg.path(
            f"M{layout.left} {svg.number(frame.y(tick))}H{svg.number(layout.end)}", class_="grid"
        )
        + row_label(layout, frame.y(tick), f"{tick:.10g}")
        for tick in ticks(frame.y.low, frame.y.high)
    )


def _line(series: Series, slots: Sequence[Slot], frame: _Frame) -> str:
    points = list(_points(series.values, slots, frame))
    line = svg.path(svg.polyline(points), class_=f"line {series.style}")
    return line + _dots(series, points) + _beyond(series, slots, frame)


def _dots(series: Series, points: Sequence[tuple[float, float] | None]) -> str:
    """A dot for each figure where they are few, else for those that no line reaches."""
    all_of_them = series.dotted and len(points) <= DOTTED
    return "".join(
        svg.tag("circle", cx=point[0], cy=point[1], r=2.6, class_=f"dot-{series.style}")
        for point, alone in zip(points, _alone(points), strict=True)
        if point and (alone or all_of_them)
    )


def _points(
    values: Figures, slots: Sequence[Slot], frame: _Frame
) -> Iterator[tuple[float, float] | None]:
    for value, slot in zip(values, slots, strict=True):
        yield None if value is None else (frame.x(slot.middle), frame.y(value))


def _alone(points: Sequence[object]) -> list[bool]:
    """Whether no line reaches a point, because both neighbours are missing."""
    edged = [None, *points, None]
    return [edged[i] is None and edged[i + 2] is None for i in range(len(points))]


def _beyond(series: Series, slots: Sequence[Slot], frame: _Frame) -> str:
    """An arrow with the figure where a value lies above or below the plot."""
    marks = []
    for value, slot in zip(series.values, slots, strict=True):
        if value is None or frame.y.low <= value <= frame.y.high:
            continue
        above = value > frame.y.high
        x, y = frame.x(slot.middle), frame.top + 6 if above else frame.bottom - 6
        marks.append(
            svg.path(
                symbols.UP if above else symbols.DOWN,
                class_=f"dot-{series.style}",
                transform=f"translate({svg.number(x)} {svg.number(y)})",
            )
        )
        marks.append(svg.text(x + 8, y + 4, figure(value), font_size=frame.layout.font - 1))
    return "".join(marks)


def _band(series: Series, slots: Sequence[Slot], frame: _Frame) -> str:
    """The interval, as an area for each stretch of neighbours that have one."""
    if not series.has_interval:
        return ""
    ends = zip(slots, series.low, series.high, strict=True)
    areas = []
    for known, stretch in groupby(ends, lambda end: end[1] is not None and end[2] is not None):
        if known:
            areas.append(_area(list(stretch), frame))
    return svg.path("".join(areas), class_=f"band band-{series.style}") if areas else ""


def _area(stretch: list[tuple[Slot, float | None, float | None]], frame: _Frame) -> str:
    """An area through the ends of intervals; a single one is a bar of a few pixels."""
    spread = 3.0 if len(stretch) == 1 else 0.0
    upper = [(frame.x(slot.middle) - spread, frame.y(high or 0.0)) for slot, _, high in stretch]
    lower = [(frame.x(slot.middle) + spread, frame.y(low or 0.0)) for slot, low, _ in stretch[::-1]]
    if spread:
        upper, lower = [*upper, (lower[0][0], upper[0][1])], [*lower, (upper[0][0], lower[0][1])]
    return svg.polyline([*upper, *lower]) + "Z"


def stretches(line: TimeLine) -> list[tuple[str, int, int]]:
    """Incidents with their first and last slot."""
    found = list[tuple[str, int, int]]()
    for incident, group in groupby(enumerate(line.incidents), lambda entry: entry[1]):
        places = [place for place, _ in group]
        if incident:
            found.append((incident, places[0], places[-1]))
    return found


def letter(place: int) -> str:
    """A, B, … Z, AA, AB: the name of an incident in the chart."""
    return chr(65 + place) if place < 26 else letter(place // 26 - 1) + letter(place % 26)


def _incidents(line: TimeLine, frame: _Frame) -> str:
    """Shaded stretches with a letter above, and the words where they have room."""
    found, font = stretches(line), frame.layout.font
    lefts = [frame.x(line.slots[first].left) for _, first, _ in found]
    drawn = []
    for i, (words, _, last) in enumerate(found):
        left, right = lefts[i], frame.x(line.slots[last].right)
        room = (lefts[i + 1] if i + 1 < len(found) else frame.layout.width) - left
        label = f"{letter(i)} {words}"
        label = label if width_of(label, font) < room else letter(i)
        drawn.append(
            svg.rect(left, frame.top, max(right, left + 2), frame.bottom, class_="incident")
        )
        drawn.append(svg.text(left, frame.top - 5, label, font_size=font, font_weight="600"))
    return "".join(drawn)


def _events(line: TimeLine, frame: _Frame) -> str:
    """The moments from which another version answered as lines through the plot."""
    places = [frame.x(mark.at) for mark in line.marks if mark.what in symbols.SWAPS]
    down = f"V{svg.number(frame.bottom)}"
    d = "".join(f"M{svg.number(x)} {svg.number(frame.top)}{down}" for x in places)
    return svg.path(d, class_="event") if d else ""


def _row(line: TimeLine, what: str, frame: _Frame, place: int) -> str:
    y = frame.row(place)
    drawn = {SERVING: _versions, VERDICT: _verdicts}.get(what)
    inside = drawn(line, frame, y) if drawn else _marks(line, what, frame, y)
    return row_label(frame.layout, y, ROW_NAMES.get(what, printable(what, 14))) + inside


def _versions(line: TimeLine, frame: _Frame, y: float) -> str:
    """Which version answered: blocks in two tones in turn, with their name where it fits."""
    blocks, font = [], frame.layout.font
    runs = groupby(zip(line.slots, line.versions, strict=True), lambda entry: entry[1])
    for i, (version, group) in enumerate(runs):
        slots = [slot for slot, _ in group]
        left, right = frame.x(slots[0].left), frame.x(slots[-1].right)
        odd = " odd" if i % 2 else ""
        blocks.append(
            svg.rect(
                left,
                y - 8,
                right,
                y + 8,
                svg.title(f"version {version} answered"),
                class_=f"strip{odd}",
            )
        )
        fits = width_of(version, font) + 4 < right - left
        words, middle = version if fits else "", (left + right) / 2
        label = svg.text(middle, y + font / 3, words, font_size=font - 1, text_anchor="middle")
        blocks.append(svg.tag("g", label, pointer_events="none"))
    return "".join(blocks)


def _verdicts(line: TimeLine, frame: _Frame, y: float) -> str:
    return "".join(
        symbols.draw(symbols.VERDICTS.get(verdict, symbols.UNKNOWN), frame.x(slot.middle), y)
        for slot, verdict in zip(line.slots, line.verdicts, strict=True)
    )


def _marks(line: TimeLine, what: str, frame: _Frame, y: float) -> str:
    """A row of events of one kind, with the version where it fits."""
    marks = sorted((mark for mark in line.marks if mark.what == what), key=lambda mark: mark.at)
    symbol, font = symbols.EVENTS.get(what, symbols.UNKNOWN), frame.layout.font
    drawn = []
    for i, mark in enumerate(marks):
        x = frame.x(mark.at)
        room = (frame.x(marks[i + 1].at) if i + 1 < len(marks) else frame.layout.width + 6) - x
        drawn.append(symbols.draw(symbol, x, y, svg.title(mark.title)))
        words = mark.label if width_of(mark.label, font) + 16 < room else ""
        drawn.append(svg.text(x + 8, y + font / 3, words, font_size=font - 1))
    return "".join(drawn)


def line_legend(line: TimeLine) -> str:
    """The lines' names beside samples of them."""
    return legend([(_sample(series.style), _legend_words(series)) for series in line.series])


def _legend_words(series: Series) -> str:
    return series.label + (f", with {series.interval}" if series.has_interval else "")


def _sample(style: str) -> str:
    drawn = svg.path("M0 6H30", class_=f"line {style}")
    return (
        f'<svg class="chart" viewBox="0 0 30 12" width="30" height="12" aria-hidden="true">'
        f"{drawn}</svg>"
    )


def symbol_legend(line: TimeLine) -> str:
    """The verdicts that were given, beside their symbols."""
    given = [word for word in symbols.VERDICTS if word in line.verdicts]
    return legend([(symbols.sample(symbols.VERDICTS[word]), f"verdict {word}") for word in given])


def incident_list(line: TimeLine) -> str:
    """The shaded stretches by their letters."""
    shade = (
        '<svg class="chart" viewBox="0 0 16 12" width="16" height="12" aria-hidden="true">'
        f"{svg.rect(0, 0, 16, 12, class_='incident')}</svg>"
    )
    return legend(
        [
            (shade, f"{letter(i)}: {words}, {_between(line, first, last)}")
            for i, (words, first, last) in enumerate(stretches(line))
        ]
    )


def _between(line: TimeLine, first: int, last: int) -> str:
    start, end = line.slots[first].tick, line.slots[last].tick
    return start if first == last else f"{start} to {end}"
