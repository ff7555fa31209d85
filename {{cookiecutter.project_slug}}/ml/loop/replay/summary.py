"""A replay on the terminal: a line for each window, then a table of the policies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.table import Table

from ml.charts.scales import figure
from ml.loop.replay.page import NAMES, headline
from ml.loop.replay.story import POLICIES

if TYPE_CHECKING:
    from ml.loop.replay.story import Story


def window_line(window: dict[str, Any]) -> str:
    """One window as it ends, in less than 80 columns."""
    acts = ", ".join(window["acts"]) or window["action"]
    loss, seconds = figure(window["loss"]), window["seconds"]
    head = f"window {window['number']:>3}  version {window['champion']:<3} loss {loss:>7}"
    return f"{head} {seconds:>6.1f} s  {window['verdict']:<12} {acts}"


def summary(story: Story) -> Table:
    """Mean loss of each policy."""
    table = Table(title=headline(story), title_justify="left")
    for heading in ("policy", story.metric, "standard error"):
        table.add_column(heading, overflow="fold")
    for policy in POLICIES:
        mean = getattr(story.totals.mean, policy)
        error = getattr(story.totals.standard_error, policy)
        table.add_row(NAMES[policy], *("" if v is None else figure(v) for v in (mean, error)))
    return table
