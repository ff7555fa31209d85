"""Does the first line name the columns, or is it data already?"""

from __future__ import annotations

import re

import numpy as np

NUMBER = re.compile(r"[+-]?[\d.,]*\d[\d.,]*%?$")
DATE = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}")


def is_data(first: list[str], body: list[list[str]]) -> bool:
    """Whether the first record is of the same sort as those below it.

    A column votes `data` if its first cell is a number or date as its body is, or a level that its
    body repeats; it votes `names` if its body is numbers or repeated levels and its first cell is
    neither.
    """
    rows = [cells for cells in body if len(cells) == len(first)]
    if len(rows) < 5 or _is_series(first):
        return False
    votes = [
        _vote(cell.strip(), [cells[i].strip() for cells in rows]) for i, cell in enumerate(first)
    ]
    return votes.count("data") > votes.count("names") and 2 * votes.count("data") >= len(votes)


def _vote(cell: str, column: list[str]) -> str:
    held = [text for text in column if text]
    if not held:
        return ""
    for shape in (NUMBER, DATE):
        if np.mean([bool(shape.match(text)) for text in held]) >= 0.9:
            return (
                "data"
                if shape.match(cell)
                else "names"
                if cell and cell.lower() not in ("?", "na")
                else ""
            )
    if len(set(held)) <= 0.5 * len(held):
        return "data" if cell in set(held) else "names"
    return ""


def _is_series(cells: list[str]) -> bool:
    """Whether the numbers among the cells are years or another series, as names of measured columns are."""
    numbers = [int(cell) for cell in cells if cell.strip().isdecimal()]
    steps = set(np.diff(numbers).tolist())
    return len(numbers) >= 2 and len(steps) == 1 and steps != {0}
