"""The time line over all windows: quality with its interval, verdicts, decisions of the ledger.

Reads: ledger.jsonl in the project's folder.
"""

from __future__ import annotations

from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING

from ml.charts import time_line
from ml.charts.layout import Slot
from ml.charts.lines import Series
from ml.charts.scales import figure
from ml.charts.time_line import Mark, TimeLine
from ml.encode import DAY_SECONDS
from ml.errors import SENTENCE, UserError, printable
from ml.ledger import chain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ml.ledger.chain import Entry
    from ml.monitoring.verdict import Verdict

DAYS = 3  # a shorter time line has the time of day on its axis
SPOKEN = {  # the ledger's actions as rows of a time line; others keep their own word
    chain.PROMOTE: "promoted",
    chain.ROLLBACK: "rolled back",
    chain.APPROVE: "approved",
    chain.UNDO: "undone",
    chain.REFUSE: "refused",
    chain.WAIT: "waits for approval",
    chain.CHALLENGE: "challenger",
    "retrain": "retrained",
    "quarantine": "quarantined",
}


def section(windows: Sequence[Verdict]) -> str:
    """The time line as a part of a page; nothing where there is no window yet."""
    if not windows:
        return ""
    try:
        decisions, problem = chain.entries(), ""
    except UserError as error:  # a broken ledger must not cost the page
        decisions, problem = [], f"Decisions are left out: {printable(error.what, SENTENCE)}"
    note = f'<p class="soft small">{escape(problem)}</p>' if problem else ""
    return f"<h2>Quality and verdicts</h2>{time_line.page_part(draft(windows, decisions))}{note}"


def draft(windows: Sequence[Verdict], decisions: Sequence[Entry]) -> TimeLine:
    """What is drawn; the horizontal axis is time in unix seconds."""
    metric = next((name for verdict in reversed(windows) if (name := _metric(verdict))), None)
    slots = _slots(windows)
    unit = f"{metric}, higher is better" if metric else "neither outcomes nor an estimate yet"
    return TimeLine(
        name="Quality and verdicts of all windows",
        description=f"{len(windows)} windows. The table below has every figure.",
        unit=unit,
        slots=slots,
        series=_series(windows, metric) if metric else [],
        verdicts=[verdict.verdict for verdict in windows],
        versions=[printable(verdict.version) for verdict in windows],
        incidents=[None] * len(windows),
        marks=_marks(decisions, slots[0].left, slots[-1].right),
    )


def _metric(verdict: Verdict) -> str | None:
    """What the window's quality is measured by."""
    estimated = verdict.estimate.metric if verdict.estimate else None
    return verdict.performance.metric or estimated


def _slots(windows: Sequence[Verdict]) -> list[Slot]:
    """A slot ends with its window; it begins there, or where the window before ended."""
    ends = [verdict.end for verdict in windows]
    lefts = [max(v.start, end) for v, end in zip(windows[1:], ends, strict=False)]
    widths = sorted(right - left for left, right in zip(lefts, ends[1:], strict=True))
    first = windows[0]
    usual = widths[len(widths) // 2] if widths else first.end - first.start
    lefts.insert(0, max(first.start, first.end - max(usual, 1.0)))
    style = "%m-%d %H:%M" if ends[-1] - lefts[0] < DAYS * DAY_SECONDS else "%Y-%m-%d"
    return [
        Slot(left, verdict.end, f"{_utc(verdict.end):{style}}", title(verdict))
        for left, verdict in zip(lefts, windows, strict=True)
    ]


def _utc(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)


def title(verdict: Verdict) -> str:
    """A window in lines: when, verdict, evidence, quality."""
    when = f"{_utc(verdict.start):%Y-%m-%d %H:%M} to {_utc(verdict.end):%Y-%m-%d %H:%M} UTC"
    outcomes, estimate = verdict.performance, verdict.estimate
    measured = (
        f"{outcomes.metric} by outcomes {figure(outcomes.value)}"
        if outcomes.value is not None
        else None
    )
    estimated = f"{estimate.metric} estimated {figure(estimate.value)}" if estimate else None
    evidence = [printable(words, SENTENCE) for words in verdict.evidence]
    about = f"{verdict.rows:,} rows, version {printable(verdict.version)}"
    lines = [when, about, f"verdict {verdict.verdict}", *evidence, measured, estimated]
    return "\n".join(filter(None, lines))


def _series(windows: Sequence[Verdict], metric: str) -> list[Series]:
    """Quality by outcomes, its estimate, and the reference; windows of another metric are gaps."""
    measured = [_by_outcomes(verdict, metric) for verdict in windows]
    estimated = [_estimated(verdict, metric) for verdict in windows]
    reference = [_reference(verdict, metric) for verdict in windows]
    drawn = [
        _with_interval("by outcomes", "champion", measured),
        _with_interval("estimated without outcomes", "estimate", estimated),
        Series("on the reference, before release", "reference", reference, dotted=False),
    ]
    return [series for series in drawn if series.known]


Figures = tuple[float, float, float]  # low, value, high


def _with_interval(label: str, style: str, figures: list[Figures | None]) -> Series:
    low, value, high = ([f[i] if f else None for f in figures] for i in range(3))
    return Series(label, style, value, low, high, "interval")


def _by_outcomes(verdict: Verdict, metric: str) -> Figures | None:
    """The metric, and what the limits of its loss make of it."""
    p = verdict.performance
    if p.metric != metric or p.value is None or p.loss is None:
        return None
    low, high = p.loss_low, p.loss_high
    above = 0.0 if low is None else p.loss - low
    below = 0.0 if high is None else high - p.loss
    return p.value - below, p.value, p.value + above


def _estimated(verdict: Verdict, metric: str) -> Figures | None:
    estimate = verdict.estimate
    if estimate is None or estimate.metric != metric:
        return None
    return estimate.low, estimate.value, estimate.high


def _reference(verdict: Verdict, metric: str) -> float | None:
    if verdict.performance.metric == metric and verdict.performance.reference is not None:
        return verdict.performance.reference
    estimate = verdict.estimate
    return estimate.reference if estimate and estimate.metric == metric else None


def _marks(decisions: Sequence[Entry], first: float, last: float) -> list[Mark]:
    """The decisions within the time line; those after the last window stand at its end."""
    return [
        _mark(entry, min(entry.moment.timestamp(), last))
        for entry in decisions
        if entry.moment.timestamp() >= first
    ]


def _mark(entry: Entry, at: float) -> Mark:
    version = printable(entry.to_version) if entry.to_version else ""
    what = SPOKEN.get(entry.action, printable(entry.action))
    about = f"version {version} " if version else ""
    words = f"{about}{what} by {entry.who}, {entry.moment:%Y-%m-%d %H:%M} UTC: {entry.why}"
    return Mark(at, what, version, printable(words, SENTENCE))
