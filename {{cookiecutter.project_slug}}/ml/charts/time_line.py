"""Quality over time: lines with their intervals, incidents shaded, verdicts and events in rows."""

from __future__ import annotations

from collections.abc import Sequence
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
from ml.charts.lines import Plot, Series, draw_band, draw_line, line_legend
from ml.charts.scales import Scale, limits, ticks, width_of
from ml.errors import printable

SERVING, VERDICT = "version", "verdict"
ROW_NAMES = {
    "probation passed": "passed",
    "probation unclear": "unclear",
    "waits for approval": "waits",
}


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


def page_part(line: TimeLine) -> str:
    """Legend, chart in two sizes, and the list of incidents, as HTML."""
    charts = both(draw(line, WIDE), draw(line, NARROW))
    return f"{line_legend(line.series)}{charts}{symbol_legend(line)}{incident_list(line)}"


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
        *(draw_band(series, line.slots, frame) for series in line.series),
        *(draw_line(series, line.slots, frame) for series in reversed(line.series)),
        axis(layout, line.slots, frame.x, end),
        hover(layout, line.slots, frame.x, frame.top, end),
        *(_row(line, what, frame, i) for i, what in enumerate(line.rows)),
    )


def _frame(line: TimeLine, layout: Layout) -> Plot:
    low, high = limits([value for series in line.series for value in series.known])
    top = 2.6 * layout.font + 8
    bottom = top + layout.plot
    left = min((slot.left for slot in line.slots), default=0.0)
    right = max((slot.right for slot in line.slots), default=1.0)
    return Plot(layout, layout.across(left, right), Scale(low, high, bottom, top), top, bottom)


def _grid(line: TimeLine, frame: Plot) -> str:
    layout = frame.layout
    unit = svg.text(layout.left, layout.font, line.unit, font_size=layout.font, class_="quiet")
    return unit + "".join(
        svg.path(
            f"M{layout.left} {svg.number(frame.y(tick))}H{svg.number(layout.end)}", class_="grid"
        )
        + row_label(layout, frame.y(tick), f"{tick:.10g}")
        for tick in ticks(frame.y.low, frame.y.high)
    )


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


def _incidents(line: TimeLine, frame: Plot) -> str:
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


def _events(line: TimeLine, frame: Plot) -> str:
    """The moments from which another version answered as lines through the plot."""
    places = [frame.x(mark.at) for mark in line.marks if mark.what in symbols.SWAPS]
    down = f"V{svg.number(frame.bottom)}"
    d = "".join(f"M{svg.number(x)} {svg.number(frame.top)}{down}" for x in places)
    return svg.path(d, class_="event") if d else ""


def _row(line: TimeLine, what: str, frame: Plot, place: int) -> str:
    y = frame.row(place)
    drawn = {SERVING: _versions, VERDICT: _verdicts}.get(what)
    inside = drawn(line, frame, y) if drawn else _marks(line, what, frame, y)
    return row_label(frame.layout, y, ROW_NAMES.get(what, printable(what, 14))) + inside


def _versions(line: TimeLine, frame: Plot, y: float) -> str:
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


def _verdicts(line: TimeLine, frame: Plot, y: float) -> str:
    return "".join(
        symbols.draw(symbols.VERDICTS.get(verdict, symbols.UNKNOWN), frame.x(slot.middle), y)
        for slot, verdict in zip(line.slots, line.verdicts, strict=True)
    )


def _marks(line: TimeLine, what: str, frame: Plot, y: float) -> str:
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
