"""A document as Markdown (GitHub's tables). Pictures are named; the HTML card shows them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ml.card.document import Blank, Figure, Picture, Table, Text
from ml.errors import SENTENCE, printable

if TYPE_CHECKING:
    from ml.card.document import Block, Cell, Document, Section

# what begins markup inside a line, or ends a table's cell; an underscore inside a word does neither
MARKUP = re.compile(r"([\\`*{}\[\]<>|~&]|(?<!\w)_|_(?!\w))")


def markdown(document: Document) -> str:
    """The whole card."""
    parts = [f"# {escaped(document.title)}", *(_section(each) for each in document.sections)]
    return "\n\n".join(parts) + "\n"


def _section(section: Section) -> str:
    return "\n\n".join([f"## {section.title}", *map(_block, section.blocks)])


def _block(block: Block) -> str:
    match block:
        case Text(parts=parts):
            return _cell(parts)
        case Blank(setting=setting, question=question):
            return f"> **To be written by a person** (`{setting}` in params.yaml): {question}"
        case Picture(words=words):
            return f"*Picture in the HTML card: {escaped(words)}.*"
        case Table():
            return _table(block)


def _table(table: Table) -> str:
    header = "| " + " | ".join(map(escaped, table.header)) + " |"
    rule = "|" + "---|" * len(table.header)
    rows = ("| " + " | ".join(map(_cell, row)) + " |" for row in table.rows)
    return "\n".join([header, rule, *rows])


def _cell(cell: Cell) -> str:
    if isinstance(cell, tuple):
        return "".join(map(_cell, cell))
    return str(cell) if isinstance(cell, Figure) else escaped(cell)


def escaped(words: str) -> str:
    """Text of anybody on one line, without markup of its own."""
    return MARKUP.sub(r"\\\1", printable(words, SENTENCE))
