"""A decision for a terminal: a row for each rule, within 80 columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from ml.release.gate.decision import Decision


def checks_table(title: str, decision: Decision) -> Table:
    """The rules, whether they hold, and the figures."""
    table = Table(title=title, title_justify="left", show_lines=False)
    for heading in ("rule", "", "figures"):
        table.add_column(heading, overflow="fold")
    for check in decision.checks:
        holds = "[green]yes[/]" if check.passed else "[red]no[/]"
        table.add_row(check.name, holds, escape(check.figures))
    return table
