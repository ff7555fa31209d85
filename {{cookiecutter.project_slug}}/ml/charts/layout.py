"""Sizes of a chart, for a wide page and for a telephone, and the parts that charts share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from ml.charts import svg
from ml.charts.scales import Scale, not_overlapping


@dataclass(frozen=True)
class Layout:
    """Pixels. The page scales the whole, so that text keeps its proportion."""

    width: float
    left: float  # room for labels of rows and ticks
    right: float
    plot: float  # height of the plot
    row: float  # height of a row below it
    titles: bool  # shown under a pointer, which a telephone has not
    font: float

    @property
    def end(self) -> float:
        """The plot's right edge."""
        return self.width - self.right

    def across(self, low: float, high: float) -> Scale:
        """The scale of the horizontal axis."""
        return Scale(low, high, self.left, self.end)


WIDE = Layout(width=1120, left=112, right=14, plot=300, row=21, titles=True, font=12)
NARROW = Layout(width=400, left=84, right=8, plot=210, row=21, titles=False, font=11)


@dataclass(frozen=True)
class Slot:
    """A window's stretch of the horizontal axis.

    Args:
        left: where it begins, on any scale.
        right: where it ends.
        tick: its label on the axis.
        title: everything about it, shown under the pointer.
    """

    left: float
    right: float
    tick: str
    title: str

    @property
    def middle(self) -> float:
        """Where its point stands."""
        return (self.left + self.right) / 2


def axis(layout: Layout, slots: Sequence[Slot], x: Scale, top: float) -> str:
    """The labels below, as many as have room."""
    places = [(x(slot.middle), slot.tick) for slot in slots]
    return "".join(
        svg.text(
            place,
            top + layout.font,
            words,
            font_size=layout.font - 1,
            class_="quiet",
            text_anchor="middle",
        )
        for place, words in _inside(layout, not_overlapping(places, layout.font))
    )


def _inside(layout: Layout, labels: list[tuple[float, str]]) -> list[tuple[float, str]]:
    """Without a label that would be cut off at the right."""
    half = max((len(words) for _, words in labels), default=0) * layout.font * 0.28
    return [label for label in labels if label[0] + half <= layout.width]


def row_label(layout: Layout, y: float, words: str) -> str:
    """What a row is, at its left."""
    return svg.text(
        layout.left - 10,
        y + layout.font / 3,
        words,
        font_size=layout.font,
        class_="quiet",
        text_anchor="end",
    )


def hover(layout: Layout, slots: Sequence[Slot], x: Scale, top: float, bottom: float) -> str:
    """An invisible stretch for each slot that shows its title under the pointer."""
    if not layout.titles:
        return ""
    return "".join(
        svg.rect(x(slot.left), top, x(slot.right), bottom, svg.title(slot.title), class_="hover")
        for slot in slots
    )


def both(wide: str, narrow: str) -> str:
    """One chart in two sizes, of which the page shows the one that fits."""
    return f'<div class="wide">{wide}</div><div class="narrow">{narrow}</div>'


def legend(samples: Sequence[tuple[str, str]]) -> str:
    """What lines and symbols mean: markup of a sample, and words."""
    items = "".join(f"<li>{sample}{escape(words)}</li>" for sample, words in samples)
    return f'<ul class="legend">{items}</ul>'
