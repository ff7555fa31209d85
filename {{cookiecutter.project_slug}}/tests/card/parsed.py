"""A written card, read by a program that knows nothing of how it was made."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import Any

NUMBER = re.compile(r"-?[\d,]*\d(?:\.\d+)?(?:e-?\d+)?")


class Page(HTMLParser):
    """The numbers of a page: value, source and text; and the words outside of them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.numbers: list[tuple[Any, str, str]] = []
        self.words: list[str] = []
        self.tags: list[str] = []
        self._open: tuple[Any, str] | None = None
        self._skipped = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags.append(tag)
        self._skipped = tag == "style"
        if tag == "data":
            self._open = json.loads(found["value"] or ""), found["data-source"] or ""

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002
        self._open, self._skipped = None, False

    def handle_data(self, data: str) -> None:
        if self._open is not None:
            self.numbers.append((*self._open, data))
        elif not self._skipped:
            self.words.append(data)


def at(files: dict[str, Any], source: str) -> Any:
    """What a file has at a JSON pointer; None where nothing stands."""
    name, _, pointer = source.partition("#")
    value = files[name]
    for part in pointer.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        value = value[int(key)] if isinstance(value, list) else (value or {}).get(key)
    return value


def rows(markdown: str, heading: str) -> dict[str, list[str]]:
    """The rows of the tables under a heading: first cell → the others."""
    section = markdown.split(f"\n## {heading}\n", 1)[1].split("\n## ")[0]
    found = {}
    for line in section.splitlines():
        if line.startswith("| "):
            first, *others = re.split(r" \| ", line.removeprefix("| ").removesuffix(" |"))
            found[first] = others
    return found


def numbers(cell: str) -> list[float]:
    """The numbers of a cell, in order."""
    return [float(text.replace(",", "")) for text in NUMBER.findall(cell)]
