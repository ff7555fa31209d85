"""All windows on one page.

Reads: reports/monitoring/*/verdict.json. Writes: reports/monitoring/index.html.
"""

from __future__ import annotations

from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING, Any

from ml.monitoring.stored import verdicts

if TYPE_CHECKING:
    from pathlib import Path

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem; color: #1c2733 }
h1 { font-size: 1.4rem } table { border-collapse: collapse; width: 100% }
th, td { text-align: left; vertical-align: top; padding: .5rem .7rem; border-bottom: 1px solid #dde3ea }
td.number { text-align: right; font-variant-numeric: tabular-nums } ul { margin: 0; padding-left: 1.1rem }
.verdict { display: inline-block; padding: .05rem .6rem; border-radius: 1rem; font-weight: 600; color: #fff }
.ok { background: #2c7d4f } .insufficient { background: #6b7785 } .drift { background: #b06a00 }
.decay, .broken { background: #b3261e }
"""


def page(found: list[dict[str, Any]]) -> str:
    """The page over verdicts, newest first."""
    rows = "\n".join(_row(shown) for shown in reversed(found))
    title = escape(found[-1]["model"]) if found else "no window yet"
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}: windows</title><style>{_STYLE}</style></head>
<body><h1>{title}: {len(found)} windows</h1>
<table><thead><tr><th>window (UTC)</th><th>rows</th><th>verdict</th><th>evidence</th><th>action</th><th>metric</th>
<th>report</th></tr></thead><tbody>
{rows}
</tbody></table></body></html>
"""


def _row(shown: dict[str, Any]) -> str:
    word, tier = shown["verdict"], f" {shown['tier']}" if shown["tier"] else ""
    evidence = "".join(f"<li>{escape(words)}</li>" for words in shown["evidence"])
    report = f'<a href="{escape(shown["window"])}/report.html">report</a>' if shown["rows"] else ""
    return (
        f"<tr><td>{_day(shown['start'])} to {_day(shown['end'])}<br>version {escape(shown['version'])}</td>"
        f'<td class="number">{shown["rows"]:,}</td>'
        f'<td><span class="verdict {word}">{word}</span>{tier}</td><td><ul>{evidence}</ul></td>'
        f"<td>{shown['action']}</td><td>{_metric(shown)}</td><td>{report}</td></tr>"
    )


def _day(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M")


def _metric(shown: dict[str, Any]) -> str:
    numbers, guess = shown["performance"], shown["estimate"]
    if "value" in numbers:
        return f"{escape(numbers['metric'])} {numbers['value']:.3f}<br>{numbers['coverage']:.0%} with outcome"
    return f"{escape(guess['metric'])} {guess['value']:.3f}<br>estimate" if guess else ""


def write(reports: Path) -> None:
    """Write the page in one step."""
    draft = reports / "index.html.draft"
    draft.write_text(page(verdicts(reports)), encoding="utf-8")
    draft.replace(reports / "index.html")
