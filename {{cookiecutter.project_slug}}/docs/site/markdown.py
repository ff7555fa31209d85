"""Markdown of the reference: tables, code in a cell, running text."""

from __future__ import annotations

import re
from collections.abc import Iterable


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table. A bar inside a cell would end the cell, so it is written as an entity."""
    lines = [list(head), *map(list, rows)]
    text = [f"| {' | '.join(cell.replace('|', '&#124;') for cell in line)} |" for line in lines]
    return "\n".join([text[0], "|---" * len(lines[0]) + "|", *text[1:], ""])


def code(text: str) -> str:
    """Text as code of a cell; backquotes would show an entity as it is written."""
    safe = text.replace("&", "&amp;").replace("<", "&lt;")
    return f"<code>{safe}</code>" if text else ""


def prose(text: str) -> str:
    """Text in one line."""
    return re.sub(r"\s+", " ", text).strip()


def page(title: str, *parts: str) -> str:
    """A page of paragraphs, sections and tables."""
    return "\n\n".join([f"# {title}", *(part.strip("\n") for part in parts if part.strip())]) + "\n"
