"""`ml test-score`: the 28 lines, what answers each, when it last did, and the score.

Reads: what `ml.test_score.results` and `ml.test_score.checks` read. Writes nothing.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ml.errors import SENTENCE, printable
from ml.test_score.checks import check
from ml.test_score.results import Outcome, Results, read_results
from ml.test_score.rubric import GROUPS, RUBRIC, Line

if TYPE_CHECKING:
    from collections.abc import Sequence

NOTHING = Outcome(False, "no test or command here answers it")


@dataclass(frozen=True)
class Scored:
    """A line of the rubric and what it came to."""

    line: Line
    outcomes: tuple[Outcome, ...]

    @property
    def points(self) -> float:
        """Of all that answers it nothing may be missing or fail."""
        if not all(outcome.passed for outcome in self.outcomes):
            return 0.0
        return 0.5 if self.line.by_hand else 1.0

    @property
    def date(self) -> str:
        """Of the oldest outcome: until then all of it is known to hold."""
        dates = [outcome.at for outcome in self.outcomes if outcome.at]
        return min(f"{at:%Y-%m-%d}" for at in dates) if dates else "never"

    @property
    def figures(self) -> dict[str, object]:
        """The line as JSON."""
        says = [outcome.says for outcome in self.outcomes]
        return {
            "group": self.line.group,
            "asks": self.line.asks,
            "points": self.points,
            "date": self.date,
            "answered_by": says,
        }


def scored(results: Results, lines: Sequence[Line] = RUBRIC) -> list[Scored]:
    """The lines with their outcomes."""
    return [Scored(line, tuple(_outcomes(line, results))) for line in lines]


def _outcomes(line: Line, results: Results) -> list[Outcome]:
    every = [*map(results.of, line.tests), *map(check, line.checks)]
    return every or [NOTHING]


def sums(lines: Sequence[Scored]) -> dict[str, float]:
    """The points of each group."""
    return {g: sum(each.points for each in lines if each.line.group == g) for g in GROUPS}


def print_score(*, as_json: bool = False) -> float:
    """Print the lines and the score; the score."""
    lines = scored(read_results())
    by_group = sums(lines)
    score = min(by_group.values())
    if as_json:
        every = [each.figures for each in lines]
        print(json.dumps({"score": score, "groups": by_group, "lines": every}, indent=1))
        return score
    console = Console(soft_wrap=False)
    console.print(_table(lines))
    shown = ", ".join(f"{group} {points:g}" for group, points in by_group.items())
    console.print(f"ML Test Score: {score:g}, the smallest of {shown}; each of at most 7")
    return score


def _table(lines: Sequence[Scored]) -> Table:
    """A row for each line: all that answers it, or what is missing where it has no point."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("", "asks", "points", "last", "answered by"):
        table.add_column(heading, overflow="fold")
    for i, each in enumerate(lines, start=1):
        missing = [outcome.says for outcome in each.outcomes if not outcome.passed]
        says = missing or [outcome.says for outcome in each.outcomes]
        first = "" if i > 1 and lines[i - 2].line.group == each.line.group else each.line.group
        row = (first, each.line.asks, f"{each.points:g}", each.date, "\n".join(says))
        table.add_row(
            *(Text("\n".join(printable(p, SENTENCE) for p in c.split("\n"))) for c in row)
        )
    return table
