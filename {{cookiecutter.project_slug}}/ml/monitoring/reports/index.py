"""All windows on one page.

Reads: reports/monitoring/*/verdict.json. Writes: reports/monitoring/index.html.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from ml.atomic import write_text
from ml.monitoring.history import verdicts
from ml.monitoring.reports.html import STYLE, badge, evidence, marked, span, text
from ml.monitoring.verdict import DO

if TYPE_CHECKING:
    from pathlib import Path

_STYLE = """
body { margin: 0 auto; max-width: 76rem; padding: 2rem 1.2rem } html { background: var(--ground) }
h1 { font-size: 1.4rem; margin: 0 } .latest { margin: .6rem 0 1.6rem } .latest p { margin: .4rem 0 }
table { border-collapse: collapse; width: 100% }
th { font-weight: 600; font-size: .87rem; color: var(--soft) }
th, td { text-align: left; vertical-align: top; padding: .6rem .7rem; border-bottom: 1px solid var(--line) }
@media (max-width: 48rem) { thead { display: none } tr, td { display: block; border: 0; padding: .15rem 0 }
  tr { border-bottom: 1px solid var(--line); padding: .8rem 0 } td.number { text-align: left } }
.number { text-align: right; font-variant-numeric: tabular-nums } .nowrap { white-space: nowrap }
"""


def page(found: list[dict[str, Any]], reports: Path) -> str:
    """The page over verdicts, newest first."""
    rows = "\n".join(_row(shown, reports) for shown in reversed(found))
    title = text(found[-1]["model"]) if found else "no window yet"
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}: windows</title><style>{STYLE}{_STYLE}</style></head>
<body class="ml"><h1>{title}</h1>{_latest(found)}
<table><thead><tr><th>window (UTC)</th><th class="number">rows</th><th>verdict</th><th>why</th>
<th>quality of answers</th><th>see</th></tr></thead><tbody>
{rows}
</tbody></table>
<p class="soft small">ticket: one window wants action; page: two in a row. PSI, the population stability index, says how
far a column moved: 0.1 is little, 0.2 much. The reference: the rows that the model was judged on before release.</p>
</body></html>
"""


def _latest(found: list[dict[str, Any]]) -> str:
    if not found:
        return ""
    shown = found[-1]
    action = f"<p><b>{shown['action']}</b>: {marked(DO[shown['action']])}</p>"
    return f'<div class="latest"><p>Latest window, {span(shown)}: {badge(shown)}</p>{action}</div>'


def _row(shown: dict[str, Any], reports: Path) -> str:
    why = evidence(shown) if shown["evidence"] else '<span class="soft">all checks passed</span>'
    return (
        f"<tr><td class='nowrap'>{span(shown).replace(' to ', '<br>to ')}<br>"
        f'<span class="soft small">version {text(shown["version"])}</span></td>'
        f'<td class="number">{shown["rows"]:,}</td><td>{badge(shown)}</td><td>{why}</td>'
        f'<td>{_metric(shown)}</td><td class="small">{_links(shown, reports)}</td></tr>'
    )


def _links(shown: dict[str, Any], reports: Path) -> str:
    folder = shown["window"]
    pages = [
        name for name in ("report", "performance") if (reports / folder / f"{name}.html").is_file()
    ]
    return "<br>".join(f'<a href="{escape(folder)}/{name}.html">{name}</a>' for name in pages)


def _metric(shown: dict[str, Any]) -> str:
    numbers, guess = shown["performance"], shown["estimate"]
    if "value" in numbers:
        came = f"{numbers['coverage']:.0%} of the outcomes have come"
        return _value(numbers["metric"], numbers["value"], numbers["reference"], came)
    return (
        _value(guess["metric"], guess["value"], guess["reference"], "estimated, no outcomes used")
        if guess
        else ""
    )


def _value(metric: str, value: float, before: float, note: str) -> str:
    told = f"{escape(metric)} <b>{value:.3f}</b>, reference {before:.3f}"
    return f'{told}<br><span class="soft small">{note}</span>'


def write(reports: Path) -> None:
    """Write the page in one step."""
    write_text(reports / "index.html", page(verdicts(reports), reports))
