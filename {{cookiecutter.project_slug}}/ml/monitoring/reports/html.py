"""Verdicts on HTML pages: the page over all windows, and the header over Evidently's reports.

Reads: reports/monitoring/*/verdict.json, ledger.jsonl. Writes: reports/monitoring/index.html.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING

from ml.atomic import write_text
from ml.charts.style import STYLE as CHART_STYLE
from ml.errors import SENTENCE, printable
from ml.monitoring.history import verdicts
from ml.monitoring.reports import groups, page_inputs, time_line, workspace
from ml.monitoring.verdict import DO

if TYPE_CHECKING:
    from pathlib import Path

    from ml.monitoring.verdict import Verdict

STYLE = """
:root { color-scheme: light dark; --ink: #1c2733; --soft: #566270; --line: #dde3ea; --ground: #fff;
  --link: #0b57d0;
  --ok: #2c7d4f; --grey: #5f6b78; --amber: #9a5b00; --red: #b3261e }
@media screen and (prefers-color-scheme: dark) { :root { --ink: #e6ebf1; --soft: #a3afbd;
  --line: #35414e; --ground: #151b22;
  --link: #8ab4f8 } }
.ml { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--ground) }
.ml a { color: var(--link) } .ml ul { margin: 0; padding-left: 1.1rem }
  .ml li + li { margin-top: .25rem }
.ml code { font: .93em ui-monospace, monospace; background: var(--line); border-radius: .25rem;
  padding: 0 .25rem }
.ml .soft { color: var(--soft) } .ml .small { font-size: .87rem }
.ml .verdict { display: inline-block; padding: .05rem .6rem; border-radius: 1rem; font-weight: 600;
  color: #fff }
.ml .ok { background: var(--ok) } .ml .insufficient { background: var(--grey) }
  .ml .drift { background: var(--amber) }
.ml .decay, .ml .broken { background: var(--red) }
"""
HEAD = """
header.ml { padding: 1.2rem 1.6rem; border-bottom: 1px solid var(--line) }
header.ml p, header.ml ul { margin: .5rem 0 } header.ml .verdict { font-size: 1.1rem;
  margin-right: .3rem }
"""
TIER = {"ticket": "ticket", "page": "page: second in a row"}

INDEX = """
body { margin: 0 auto; max-width: 76rem; padding: 2rem 1.2rem } html { background: var(--ground) }
h1 { font-size: 1.4rem; margin: 0 } h2 { font-size: 1.1rem; margin: 1.6rem 0 .4rem }
.latest { margin: .6rem 0 1.6rem } .latest p { margin: .4rem 0 }
table { border-collapse: collapse; width: 100% }
th { font-weight: 600; font-size: .87rem; color: var(--soft) }
th, td { text-align: left; vertical-align: top; padding: .6rem .7rem;
  border-bottom: 1px solid var(--line) }
@media (max-width: 48rem) { thead { display: none } tr, td { display: block; border: 0;
  padding: .15rem 0 }
  tr { border-bottom: 1px solid var(--line); padding: .8rem 0 } td.number { text-align: left } }
.number { text-align: right; font-variant-numeric: tabular-nums } .nowrap { white-space: nowrap }
"""


def badge(verdict: Verdict) -> str:
    """The verdict's word in its colour, and the tier."""
    tier = f' <span class="soft small">{TIER[verdict.tier]}</span>' if verdict.tier else ""
    return f'<span class="verdict {verdict.verdict}">{verdict.verdict}</span>{tier}'


def window_dates(verdict: Verdict) -> str:
    """The window's two moments, without the time of day where both are midnight."""
    moments = [datetime.fromtimestamp(at, UTC) for at in (verdict.start, verdict.end)]
    days_only = all(moment.strftime("%H%M") == "0000" for moment in moments)
    style = "%Y-%m-%d" if days_only else "%Y-%m-%d %H:%M"
    return " to ".join(moment.strftime(style) for moment in moments)


def evidence(verdict: Verdict) -> str:
    """The evidence as a list, names in code's type."""
    items = (f"<li>{marked(printable(words, SENTENCE))}</li>" for words in verdict.evidence)
    return f"<ul>{''.join(items)}</ul>"


def text(words: str) -> str:
    """A name from outside as text of a page."""
    return escape(printable(words))


def marked(words: str) -> str:
    """Escaped, with what stands between backticks as code."""
    return re.sub(r"`(.+?)`", r"<code>\1</code>", escape(words))


def prepend_header(path: Path, verdict: Verdict) -> None:
    """Put the verdict over one of Evidently's pages, if that page was written."""
    if not path.is_file():
        return
    page = path.read_text(encoding="utf-8")
    write_text(path, page.replace("<body>", f"<body>{_header(verdict)}", 1))


def _header(verdict: Verdict) -> str:
    left_out = ", ".join(f"`{printable(name)}`" for name in verdict.not_in_report)
    note = f"Not below, because one side is empty: {left_out}" if left_out else ""
    links = "<a href='../index.html'>all windows</a> · <a href='verdict.json'>verdict.json</a>"
    return (
        f"<style>{STYLE}{HEAD}</style><header class='ml'>{badge(verdict)} "
        f"<b>{text(verdict.model)}</b> version "
        f"{text(verdict.version)}, {verdict.rows:,} rows, {window_dates(verdict)} UTC"
        f"{evidence(verdict)}{_action(verdict)}"
        f"<p class='soft small'>{marked(note)}</p><p class='small'>{links}</p></header>"
    )


def index_page(windows: list[Verdict], reports: Path) -> str:
    """The page over verdicts, newest first."""
    rows = "\n".join(_row(verdict, reports) for verdict in reversed(windows))
    title = text(windows[-1].model) if windows else "no window yet"
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,
initial-scale=1">
<title>{title}: windows</title><style>{STYLE}{CHART_STYLE}{INDEX}</style></head>
<body class="ml"><h1>{title}</h1>{_latest(windows)}
{time_line.section(windows)}
<h2>Windows</h2>
<table><thead><tr><th>window (UTC)</th><th class="number">rows</th><th>verdict</th><th>why</th>
<th>quality of answers</th><th>see</th></tr></thead><tbody>
{rows}
</tbody></table>
{groups.section(windows)}
{_workspace_note(reports)}
<p class="soft small">ticket: one window wants action; page: two in a row. PSI, the population
stability index, says how
far a column moved: 0.1 is little, 0.2 much. The reference: the rows that the model was judged on
before release.</p>
</body></html>
"""


def _workspace_note(reports: Path) -> str:
    """Why the latest window is missing in Evidently's workspace, where it is."""
    path = reports / workspace.FAILURE
    if not path.is_file():
        return ""
    reason = text(path.read_text(encoding="utf-8").strip())
    return f'<p class="soft small">Not in Evidently\'s workspace: {reason}</p>'


def _latest(windows: list[Verdict]) -> str:
    if not windows:
        return ""
    verdict = windows[-1]
    latest = f"<p>Latest window, {window_dates(verdict)}: {badge(verdict)}</p>"
    return f'<div class="latest">{latest}{_action(verdict)}</div>'


def _action(verdict: Verdict) -> str:
    return f"<p><b>{verdict.action}</b>: {marked(DO[verdict.action])}</p>"


def _row(verdict: Verdict, reports: Path) -> str:
    why = evidence(verdict) if verdict.evidence else '<span class="soft">all checks passed</span>'
    return (
        f"<tr><td class='nowrap'>{window_dates(verdict).replace(' to ', '<br>to ')}<br>"
        f'<span class="soft small">version {text(verdict.version)}</span></td>'
        f'<td class="number">{verdict.rows:,}</td><td>{badge(verdict)}</td><td>{why}</td>'
        f'<td>{_metric(verdict)}</td><td class="small">{_links(verdict, reports)}</td></tr>'
    )


def _links(verdict: Verdict, reports: Path) -> str:
    """The window's pages, or why there is none."""
    folder, pages = verdict.window, ("report", "performance")
    written = [name for name in pages if (reports / folder / f"{name}.html").is_file()]
    if not written and verdict.rows:
        return f'<span class="soft">{_no_page(reports / folder)}</span>'
    return "<br>".join(f'<a href="{escape(folder)}/{name}.html">{name}</a>' for name in written)


def _no_page(folder: Path) -> str:
    reason = page_inputs.failure(folder)
    if reason is not None:
        return f"no report: {text(reason)}"
    return "report not written yet" if page_inputs.are_there(folder) else "no report"


def _metric(verdict: Verdict) -> str:
    """The metric by outcomes or, without them, its estimate."""
    outcomes, estimate = verdict.performance, verdict.estimate
    if outcomes.metric and outcomes.value is not None and outcomes.reference is not None:
        note = f"{outcomes.coverage:.0%} of the outcomes have come"
        return _value(outcomes.metric, outcomes.value, outcomes.reference, note)
    if estimate is None:
        return ""
    note = "estimated, no outcomes used"
    return _value(estimate.metric, estimate.value, estimate.reference, note)


def _value(metric: str, value: float, reference: float, note: str) -> str:
    numbers = f"{escape(metric)} <b>{value:.3f}</b>, reference {reference:.3f}"
    return f'{numbers}<br><span class="soft small">{note}</span>'


def write_index(reports: Path) -> None:
    """Write the page in one step."""
    write_text(reports / "index.html", index_page(verdicts(reports), reports))
