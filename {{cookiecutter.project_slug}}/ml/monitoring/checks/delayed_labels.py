"""Outcomes that came late: former windows are judged again without reading their rows again.

Reads: verdict.json of former windows, and the journal's answers and outcomes of these windows (not
the features).
Writes: the new numbers into the former window's verdict.json, beside its estimate.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from ml.journal.bulk.ripeness import ripe_limit, unripe_rows
from ml.journal.bulk.scan import Labels, Span, label_counts, outcomes
from ml.monitoring import history
from ml.monitoring.checks.performance import Cohort, performance
from ml.monitoring.verdict import Finding, Performance, Verdict

if TYPE_CHECKING:
    from pathlib import Path

    import sqlalchemy as sql

    from ml.monitoring.inputs.reference import Champion
    from ml.params import Monitor

WINDOWS = 12  # former windows that are looked at again


@dataclass
class Late:
    """What late outcomes show: the performance in each former window, and findings."""

    performances: list[Performance] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)


def late_cohorts(
    engine: sql.Engine, champion: Champion, settings: Monitor, reports: Path, span: Span
) -> Late:
    """Judge the champion's former windows that gained outcomes, or ripened, since."""
    late, ripe_before = Late(), ripe_limit(champion.contract)
    for former in _former(reports, champion, span)[-WINDOWS:]:
        labels = label_counts(engine, _span(former))
        unripe = unripe_rows(engine, _span(former), champion.version, ripe_before)
        if labels != former.labels or unripe != former.performance.unripe:
            group = _cohort(engine, _span(former), champion, ripe_before, unripe)
            again, findings = performance(group, champion, settings)
            late.performances.append(again)
            late.findings += [_dated(finding, group.window) for finding in findings]
            history.write(reports / group.window, _settled(former, again, labels))
    return late


def _span(former: Verdict) -> Span:
    return Span(former.start, former.end)


def _former(reports: Path, champion: Champion, span: Span) -> list[Verdict]:
    """The champion's unbroken windows that ended before this one began.

    Later ones share rows with it.
    """
    return [
        verdict
        for verdict in history.verdicts(reports)
        if verdict.end <= span.start
        and verdict.version == champion.version
        and verdict.verdict != "broken"
    ]


def _dated(finding: Finding, window: str) -> Finding:
    return finding.model_copy(update={"words": f"{window}: {finding.words}"})


def _cohort(
    engine: sql.Engine, span: Span, champion: Champion, ripe_before: float, unripe: int
) -> Cohort:
    """The ripe answers of a former window with their outcomes."""
    ripe = Span(span.start, max(span.start, min(span.end, ripe_before)))
    rows, answer, outcome, lag = outcomes(engine, ripe, champion.contract, champion.version)
    known = ~np.isnan(outcome)
    return Cohort(span.name, rows, outcome[known], answer[known], lag[known], unripe)


def _settled(former: Verdict, again: Performance, labels: Labels) -> Verdict:
    """The former verdict with its outcomes; they stand beside its estimate as the truth."""
    estimate = former.estimate
    if estimate is not None and estimate.metric == again.metric and again.value is not None:
        estimate = estimate.model_copy(update={"truth": again.value})
    return former.model_copy(update={"performance": again, "labels": labels, "estimate": estimate})
