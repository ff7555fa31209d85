"""Figures by group over the latest windows, for the page over all windows."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from ml.errors import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ml.monitoring.verdict import GroupFigure, Verdict

WINDOWS = 8  # the latest that have figures

Key = tuple[str, str]  # column, level


def section(windows: Sequence[Verdict]) -> str:
    """A table for each figure: a row for each group, a column for each window; empty: no groups."""
    followed = [verdict for verdict in windows if verdict.fairness][-WINDOWS:]
    if not followed:
        return ""
    figures = dict.fromkeys(each.figure for verdict in followed for each in verdict.fairness)
    tables = "\n".join(_table(figure, followed) for figure in figures)
    return f"""<h2>Groups</h2>
<p class="soft small">In brackets the 95 % interval of the latest window; held out: on the rows that
the model was judged on before release. docs/fairness.md says what each figure is.</p>
{tables}"""


def _table(figure: str, windows: Sequence[Verdict]) -> str:
    by_window = [_of_figure(figure, verdict) for verdict in windows]
    groups = dict.fromkeys(key for found in by_window for key in found)
    heads = "".join(f"<th class='number'>{escape(v.window[:10])}</th>" for v in windows)
    rows = "\n".join(_row(key, by_window) for key in groups)
    name = figure.replace("_", " ")
    return (
        f"<table><thead><tr><th>{escape(name)}</th><th class='number'>held out</th>{heads}"
        f"<th class='number'>latest</th></tr></thead><tbody>\n{rows}\n</tbody></table>"
    )


def _of_figure(figure: str, verdict: Verdict) -> dict[Key, GroupFigure]:
    return {(e.column, e.level): e for e in verdict.fairness if e.figure == figure}


def _row(key: Key, by_window: Sequence[dict[Key, GroupFigure]]) -> str:
    found = [of_window.get(key) for of_window in by_window]
    known = [each for each in found if each is not None]
    reference, latest = known[-1].reference, found[-1]
    cells = [_number(reference), *(_number(each.value if each else None) for each in found)]
    cells.append("" if latest is None else f"({latest.low:.3f} to {latest.high:.3f})")
    name = escape(printable(f"{key[0]} = {key[1]}"))
    written = "".join(f"<td class='number'>{cell}</td>" for cell in cells)
    return f"<tr><td>{name}</td>{written}</tr>"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
