"""What a card is made of. A number is written as a `Figure`, which knows where it stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

Style = Literal["number", "count", "percent"]


@dataclass(frozen=True)
class Figure:
    """One number of a file.

    Args:
        value: as the file has it; None: it has none.
        source: the file and the place in it, as a JSON pointer: `metrics/model.json#/roc_auc`.
        style: a `count` is written in full, a `percent` is a share times 100, a `number` has four
            decimals or four significant digits.
    """

    value: float | int | None
    source: str
    style: Style = "number"

    def __str__(self) -> str:
        if self.value is None:
            return "-"
        if self.style == "count":
            return f"{self.value:,.0f}"
        if self.style == "percent":
            return f"{100 * self.value:.1f} %"
        return significant(self.value)


def significant(value: float) -> str:
    """Four decimals where that says enough, else four significant digits."""
    size = abs(value)
    if 1e-3 <= size < 10 or size == 0:
        return f"{value:.4f}"
    if size >= 1000:
        return f"{value:,.0f}"
    return f"{value:.6f}" if 1e-6 <= size < 1e-3 else f"{value:.4g}"


Cell = str | Figure | tuple["str | Figure", ...]  # a tuple is written without a gap


@dataclass(frozen=True)
class Text:
    """A paragraph; it may hold figures."""

    parts: tuple[str | Figure, ...]


@dataclass(frozen=True)
class Blank:
    """What only a person can know and nobody has written yet.

    Args:
        setting: where the answer belongs, such as `card.contact`.
        question: what is asked.
    """

    setting: str
    question: str


@dataclass(frozen=True)
class Table:
    """Rows under a header."""

    header: tuple[str, ...]
    rows: Sequence[tuple[Cell, ...]]


@dataclass(frozen=True)
class Picture:
    """An SVG, and what it shows in words."""

    svg: str
    words: str


Block = Text | Blank | Table | Picture


@dataclass(frozen=True)
class Section:
    """Blocks under a heading."""

    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Document:
    """A card."""

    title: str
    sections: Sequence[Section] = field(default_factory=tuple)

    @property
    def blanks(self) -> list[Blank]:
        """What is still to be written by a person."""
        blocks = [block for section in self.sections for block in section.blocks]
        return [block for block in blocks if isinstance(block, Blank)]


def text(*parts: str | Figure) -> Text:
    """A paragraph of words and figures."""
    return Text(parts)
