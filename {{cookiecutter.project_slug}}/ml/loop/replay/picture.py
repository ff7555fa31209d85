"""A replay's time line as one PNG of 1600 by 900 pixels, for a README.

The ground is white and opaque, so that it reads on a light and on a dark page; letters stay legible
at half the size. Reads: replay.json. Writes: the picture.
"""

from __future__ import annotations

import warnings
from itertools import groupby
from typing import TYPE_CHECKING, Any

from ml.atomic import staged
from ml.charts.lines import DOTTED
from ml.charts.scales import figure, limits
from ml.charts.style import LINES, SHADE, TONES
from ml.charts.symbols import EVENTS, SWAPS, UNKNOWN, VERDICTS
from ml.charts.time_line import ROW_NAMES, SERVING, VERDICT, letter, stretches
from ml.errors import printable
from ml.loop.replay.page import recovered_words, replay_line

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ml.charts.lines import Series
    from ml.charts.symbols import Symbol
    from ml.charts.time_line import TimeLine
    from ml.loop.replay.story import Story

WIDTH, HEIGHT, DPI = 16, 9, 100
LEFT, RIGHT, BOTTOM, TOP, LANE = 0.1, 0.985, 0.05, 0.81, 0.036  # shares of the picture
INK, SOFT, PALE = "#1c2733", "#566270", "#dde3ea"
FONT = 16
TICKS = 8
LONG = 28  # characters of an incident's name
STYLE = {
    "text.parse_math": False,  # a name may hold a $
    "font.size": FONT,
    "text.color": INK,
    "axes.edgecolor": PALE,
    "axes.labelcolor": SOFT,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "savefig.facecolor": "white",
}


def write_picture(path: Path, story: Story) -> None:
    """Write the PNG in one step; it needs no display."""
    import matplotlib as mpl

    with mpl.rc_context(STYLE), warnings.catch_warnings(), staged(path) as draft:
        warnings.filterwarnings("ignore", "Glyph")  # a letter without a glyph is a box
        _drawn(story).savefig(draft, format="png", dpi=DPI)


def _drawn(story: Story) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    line = replay_line(story)
    drawn = Figure(figsize=(WIDTH, HEIGHT))
    FigureCanvasAgg(drawn)
    lanes_top = BOTTOM + LANE * len(line.rows)
    lanes = drawn.add_axes((LEFT, BOTTOM, RIGHT - LEFT, lanes_top - BOTTOM))
    plot = drawn.add_axes((LEFT, lanes_top + 0.02, RIGHT - LEFT, TOP - lanes_top - 0.02))
    drawn.text(0.015, 0.955, title(story), fontsize=FONT + 3, weight="bold")
    _plot(plot, line)
    _lanes(lanes, line)
    _legends(drawn, plot, lanes)
    return drawn


def title(story: Story) -> str:
    """Name and result in one line."""
    totals = story.totals
    means = (
        f"mean loss {figure(totals.mean.champion)}, never retrained {figure(totals.mean.frozen)}"
    )
    share = "" if totals.recovered.share is None else f"; {recovered_words(totals)} recovered"
    retrains = f"{totals.retrains} retrain{'' if totals.retrains == 1 else 's'}"
    return f"{printable(story.name, 40)}: {means}{share} with {retrains}"


def _plot(axes: Axes, line: TimeLine) -> None:
    for series in reversed(line.series):
        _draw_series(axes, line, series)
    axes.set_ylim(*limits([value for series in line.series for value in series.known]))
    axes.set_xlim(line.slots[0].left, line.slots[-1].right)
    axes.set_xticks([])
    axes.set_ylabel(f"{line.unit.split(',')[0]} (bands: 95 %)")
    axes.grid(axis="y", color=PALE)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(length=0)
    _draw_incidents(axes, line)
    for mark in line.marks:
        if mark.what in SWAPS:
            axes.axvline(mark.at, color=SOFT, linewidth=0.9, linestyle=(0, (2, 3)))


def _legends(drawn: Figure, plot: Axes, lanes: Axes) -> None:
    """Lines in one row, verdicts in the next; lines were drawn the other way round."""
    handles, labels = plot.get_legend_handles_labels()
    above = {"loc": "upper left", "frameon": False, "borderaxespad": 0, "fontsize": FONT - 1}
    shape: dict[str, Any] = {**above, "ncols": 6, "handletextpad": 0.5, "columnspacing": 1.6}
    drawn.legend(handles[::-1], labels[::-1], bbox_to_anchor=(0.012, 0.942), **shape)
    drawn.legend(*lanes.get_legend_handles_labels(), bbox_to_anchor=(0.012, 0.904), **shape)


def _draw_series(axes: Axes, line: TimeLine, series: Series) -> None:
    style, x = LINES[series.style], [slot.middle for slot in line.slots]
    dashes = (0, tuple(dash / style.width for dash in style.dashes)) if style.dashes else "solid"
    axes.plot(
        x,
        _numbers(series.values),
        color=style.light,
        linestyle=dashes,
        linewidth=style.width * 1.5,
        marker="o" if len(x) <= DOTTED else "",
        markersize=5,
        label=series.label,
    )
    if series.has_interval:
        axes.fill_between(
            x,
            _numbers(series.low),
            _numbers(series.high),
            color=style.light,
            alpha=0.15,
            linewidth=0,
        )


def _numbers(values: Any) -> list[float]:
    return [float("nan") if value is None else value for value in values]


def _draw_incidents(axes: Axes, line: TimeLine) -> None:
    """Shaded stretches; the words stand above where the next one leaves room, else a letter."""
    found = stretches(line)
    width = line.slots[-1].right - line.slots[0].left
    lefts = [line.slots[first].left for _, first, _ in found] + [line.slots[-1].right]
    for i, (words, _, last) in enumerate(found):
        axes.axvspan(lefts[i], line.slots[last].right, color=SHADE[0], alpha=0.22, linewidth=0)
        label = f"{letter(i)} {printable(words, LONG)}"
        room = (lefts[i + 1] - lefts[i]) / width * 125  # characters across the plot
        axes.annotate(
            label if len(label) < room else letter(i),
            (lefts[i], 1),
            (0, 4),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            fontsize=FONT - 2,
            weight="bold",
        )


def _lanes(axes: Axes, line: TimeLine) -> None:
    """The rows below: version, verdict and events."""
    rows = line.rows
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlim(line.slots[0].left, line.slots[-1].right)
    axes.set_yticks(range(len(rows)), [ROW_NAMES.get(row, printable(row, 14)) for row in rows])
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    _draw_versions(axes, line, rows.index(SERVING))
    _draw_verdicts(axes, line, rows.index(VERDICT))
    for mark in line.marks:
        _draw_event(axes, EVENTS.get(mark.what, UNKNOWN), mark.at, rows.index(mark.what))
    _date_ticks(axes, line)


def _draw_versions(axes: Axes, line: TimeLine, row: int) -> None:
    runs = groupby(zip(line.slots, line.versions, strict=True), lambda entry: entry[1])
    width = line.slots[-1].right - line.slots[0].left
    for i, (version, group) in enumerate(runs):
        slots = [slot for slot, _ in group]
        left, right = slots[0].left, slots[-1].right
        axes.barh(
            row,
            right - left,
            0.75,
            left,
            color=LINES["champion"].light,
            alpha=0.34 if i % 2 else 0.16,
        )
        if len(version) < (right - left) / width * 130:
            axes.text((left + right) / 2, row, version, ha="center", va="center", fontsize=FONT - 3)


def _draw_verdicts(axes: Axes, line: TimeLine, row: int) -> None:
    """One shape for each verdict that was given; `ok` lies below the others."""
    words = [word for word in VERDICTS if word in line.verdicts]
    for word in [*words, *sorted(set(line.verdicts) - set(words))]:
        given = zip(line.slots, line.verdicts, strict=True)
        places = [slot.middle for slot, verdict in given if verdict == word]
        _scatter(axes, VERDICTS.get(word, UNKNOWN), places, row, f"verdict {printable(word)}")


def _draw_event(axes: Axes, symbol: Symbol, at: float, row: int) -> None:
    _scatter(axes, symbol, [at], row, None)


def _scatter(axes: Axes, symbol: Symbol, places: list[float], row: int, label: str | None) -> None:
    color = TONES[symbol.tone][0]
    face = {"full": color, "open": "white", "stroke": "none"}[symbol.kind]
    marker = _tick() if symbol.marker == "tick" else symbol.marker
    axes.plot(
        places,
        [row] * len(places),
        linestyle="none",
        marker=marker,
        label=label,
        markersize=10,
        markeredgewidth=2,
        zorder=3,
        markerfacecolor=face,
        markeredgecolor=color,
    )


def _tick() -> Any:
    """A check mark, which is no marker of matplotlib's."""
    from matplotlib.path import Path as MarkerPath

    return MarkerPath([(-5, 0), (-1.5, -4), (5, 5)])


def _date_ticks(axes: Axes, line: TimeLine) -> None:
    every = max(1, -(-len(line.slots) // TICKS))
    labelled = line.slots[: 1 - every // 2 or None : every]  # one at the edge would be cut off
    axes.set_xticks([slot.middle for slot in labelled], [slot.tick for slot in labelled])
