"""A document as one page of HTML that needs nothing from elsewhere; light and dark.

Each number is `<data value="…" data-source="file#place">`, so that a program can compare it.
"""

from __future__ import annotations

import json
from html import escape
from typing import TYPE_CHECKING

from ml.card import pictures
from ml.card.document import Blank, Figure, Picture, Table, Text
from ml.charts.style import STYLE as CHART_STYLE
from ml.errors import SENTENCE, printable

if TYPE_CHECKING:
    from ml.card.document import Block, Cell, Document, Section

STYLE = """
:root { color-scheme: light dark; --ink: #1c2733; --soft: #566270; --line: #dde3ea; --ground: #fff;
  --blank: #fff6dc; --edge: #9a5b00 }
@media screen and (prefers-color-scheme: dark) { :root { --ink: #e6ebf1; --soft: #a3afbd;
  --line: #35414e; --ground: #151b22; --blank: #33290f; --edge: #f0b04a } }
html { background: var(--ground) }
body { margin: 0 auto; max-width: 52rem; padding: 2rem 1.2rem; color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif; overflow-wrap: anywhere }
h1 { font-size: 1.5rem; margin: 0 } h2 { font-size: 1.15rem; margin: 2rem 0 .4rem }
p { margin: .5rem 0 } figure { margin: 1rem 0 } figcaption { color: var(--soft); font-size: .87rem }
.scroll { overflow-x: auto } table { border-collapse: collapse; margin: .5rem 0 }
th { font-weight: 600; font-size: .87rem; color: var(--soft) }
th, td { text-align: left; vertical-align: top; padding: .3rem .9rem .3rem 0;
  border-bottom: 1px solid var(--line) }
data { font-variant-numeric: tabular-nums }
.blank { background: var(--blank); border-left: 4px solid var(--edge); padding: .4rem .8rem }
"""


def page(document: Document) -> str:
    """The whole card."""
    sections = "\n".join(_section(each) for each in document.sections)
    title = _text(document.title)
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title><style>{CHART_STYLE}{pictures.WHISKER}{STYLE}</style></head>
<body><h1>{title}</h1>
{sections}
</body></html>
"""


def _section(section: Section) -> str:
    blocks = "\n".join(map(_block, section.blocks))
    return f"<section><h2>{_text(section.title)}</h2>\n{blocks}</section>"


def _block(block: Block) -> str:
    match block:
        case Text(parts=parts):
            return f"<p>{_cell(parts)}</p>"
        case Blank(setting=setting, question=question):
            where = f"<code>{_text(setting)}</code> in params.yaml"
            asked = f"<b>To be written by a person</b> ({where}): {_text(question)}"
            return f'<p class="blank">{asked}</p>'
        case Picture(svg=svg, words=words):
            return f"<figure>{svg}<figcaption>{_text(words)}</figcaption></figure>" if svg else ""
        case Table():
            return _table(block)


def _table(table: Table) -> str:
    header = "".join(f"<th>{_text(name)}</th>" for name in table.header)
    head = f"<thead><tr>{header}</tr></thead>" if any(table.header) else ""
    rows = "\n".join(
        f"<tr>{''.join(f'<td>{_cell(cell)}</td>' for cell in row)}</tr>" for row in table.rows
    )
    return f'<div class="scroll"><table>{head}<tbody>\n{rows}\n</tbody></table></div>'


def _cell(cell: Cell) -> str:
    if isinstance(cell, tuple):
        return "".join(map(_cell, cell))
    return _figure(cell) if isinstance(cell, Figure) else _text(cell)


def _figure(figure: Figure) -> str:
    value, source = json.dumps(figure.value), escape(figure.source)
    return f'<data value="{value}" data-source="{source}">{figure}</data>'


def _text(words: str) -> str:
    return escape(printable(words, SENTENCE))
