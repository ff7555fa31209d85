"""The verdict as a table for a terminal of 80 columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from ml.errors import SENTENCE, printable
from ml.monitoring.reports.html import window_dates
from ml.monitoring.verdict import DO, Estimate, Performance, Verdict

if TYPE_CHECKING:
    from ml.journal.bulk.scan import Labels

COLOR = {
    "ok": "green",
    "insufficient": "yellow",
    "broken": "red",
    "drift": "yellow",
    "decay": "red",
}


def table(verdict: Verdict) -> Table:
    """What verdict.json holds, for people."""
    word = f"[{COLOR[verdict.verdict]} bold]{verdict.verdict}[/]" + (
        f" ({verdict.tier})" if verdict.tier else ""
    )
    made = Table(
        title=f"{_text(verdict.model)}, version {_text(verdict.version)}: {word}",
        show_header=False,
    )
    made.add_column(no_wrap=True)
    made.add_column(overflow="fold")
    made.add_row("window", f"{window_dates(verdict)} UTC")
    made.add_row("rows", f"{verdict.rows:,}{_versions(verdict)}")
    made.add_row("outcomes", _outcomes(verdict.performance) + _odd(verdict.labels))
    if verdict.estimate:
        made.add_row("estimate", _estimate(verdict.estimate))
    for place, words in enumerate(verdict.evidence or ["all checks passed"]):
        made.add_row("" if place else "why", escape(printable(words, SENTENCE)))
    made.add_row("action", f"[bold]{verdict.action}[/]: {escape(DO[verdict.action])}")
    return made


def _text(text: str) -> str:
    return escape(printable(text))


def _versions(verdict: Verdict) -> str:
    others = {v: n for v, n in verdict.versions.items() if v != verdict.version}
    return "".join(f", {n:,} of version {_text(v)}" for v, n in others.items())


def _outcomes(numbers: Performance) -> str:
    if not numbers.rows:
        return "none yet"
    came = f"{numbers.rows:,} ({numbers.coverage:.0%} of the rows"
    came += (
        f", after {numbers.median_lag_days:.1f} days)"
        if numbers.median_lag_days is not None
        else ")"
    )
    if numbers.value is None:
        return f"{came}: too few for an interval"
    value = f"{numbers.metric} {numbers.value:.3f}"
    return f"{came}\n{value}, {numbers.reference:.3f} in the reference"


def _odd(labels: Labels) -> str:
    words_of = {
        "repeated": "sent again",
        "corrected": "corrected later",
        "unknown": "for predictions that nobody made",
    }
    odd = [
        f"{getattr(labels, name):,} {words}"
        for name, words in words_of.items()
        if getattr(labels, name)
    ]
    return "\n" + ", ".join(odd) if odd else ""


def _estimate(estimate: Estimate) -> str:
    interval = f"{estimate.low:.3f} to {estimate.high:.3f}"
    text = f"{estimate.metric} {estimate.value:.3f} ({interval}), no outcomes used"
    return (
        text
        if estimate.truth is None
        else f"{text}\n{estimate.truth:.3f} by the outcomes that have come"
    )
