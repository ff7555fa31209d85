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
ODD = {
    "repeated": "sent again",
    "corrected": "corrected later",
    "unknown": "for predictions that nobody made",
}


def table(verdict: Verdict) -> Table:
    """What verdict.json holds, for people."""
    grid = Table(title=_title(verdict), show_header=False)
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row("window", f"{window_dates(verdict)} UTC")
    grid.add_row("rows", f"{verdict.rows:,}{_versions(verdict)}")
    grid.add_row("outcomes", _outcomes(verdict.performance) + _odd(verdict.labels))
    if verdict.estimate:
        grid.add_row("estimate", _estimate(verdict.estimate))
    grid.add_row("why", _evidence(verdict))
    grid.add_row("action", f"[bold]{verdict.action}[/]: {escape(DO[verdict.action])}")
    return grid


def _title(verdict: Verdict) -> str:
    word = f"[{COLOR[verdict.verdict]} bold]{verdict.verdict}[/]"
    tier = f" ({verdict.tier})" if verdict.tier else ""
    return f"{_text(verdict.model)}, version {_text(verdict.version)}: {word}{tier}"


def _evidence(verdict: Verdict) -> str:
    sentences = verdict.evidence or ["all checks passed"]
    return "\n".join(escape(printable(words, SENTENCE)) for words in sentences)


def _text(text: str) -> str:
    return escape(printable(text))


def _versions(verdict: Verdict) -> str:
    others = {v: n for v, n in verdict.versions.items() if v != verdict.version}
    return "".join(f", {n:,} of version {_text(v)}" for v, n in others.items())


def _outcomes(numbers: Performance) -> str:
    young = f"{numbers.unripe:,} rows are not ripe yet" if numbers.unripe else ""
    if not numbers.rows:
        return young or "none yet"
    known = f"{numbers.rows:,} ({numbers.coverage:.0%} of the rows{_lag(numbers)})"
    known += f"; {young}" if young else ""
    if numbers.value is None:
        return f"{known}: too few for an interval"
    value = f"{numbers.metric} {numbers.value:.3f}"
    return f"{known}\n{value}, {numbers.reference:.3f} in the reference"


def _lag(numbers: Performance) -> str:
    days = numbers.median_lag_days
    return "" if days is None else f", after {days:.1f} days"


def _odd(labels: Labels) -> str:
    """Outcomes that came otherwise than once for a prediction."""
    odd = [f"{n:,} {words}" for name, words in ODD.items() if (n := getattr(labels, name))]
    return "\n" + ", ".join(odd) if odd else ""


def _estimate(estimate: Estimate) -> str:
    interval = f"{estimate.low:.3f} to {estimate.high:.3f}"
    text = f"{estimate.metric} {estimate.value:.3f} ({interval}), no outcomes used"
    if estimate.truth is None:
        return text
    return f"{text}\n{estimate.truth:.3f} by the outcomes that have come"
