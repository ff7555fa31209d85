"""Outcomes that came late: former windows are judged again without reading their rows again.

Reads: verdict.json of former windows, and the journal's answers and outcomes of these windows (not
the features).
Writes: the new numbers into the former window's verdict.json, beside its estimate.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from ml.atomic import write_json
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
    """What late outcomes said: the performance in each former window, and findings."""

    performances: list[Performance] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)


def late_cohorts(
    engine: sql.Engine, champion: Champion, settings: Monitor, reports: Path, span: Span
) -> Late:
    """Judge the champion's former windows that gained outcomes since they were judged."""
    late = Late()
    for former in _former(reports, champion, span)[-WINDOWS:]:
        old = Span(former.start, former.end)
        labels = label_counts(engine, old)
        if labels == former.labels:
            continue
        again, findings = performance(_cohort(engine, old, champion), champion, settings)
        late.performances.append(again)
        late.findings += [_dated(finding, old) for finding in findings]
        settled = _settled(former, again, labels)
        write_json(reports / old.name / "verdict.json", settled.as_json())
    return late


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


def _dated(finding: Finding, old: Span) -> Finding:
    return finding.model_copy(update={"words": f"{old.name}: {finding.words}"})


def _cohort(engine: sql.Engine, old: Span, champion: Champion) -> Cohort:
    mine, answer, outcome, lag = outcomes(engine, old, champion.contract, champion.version)
    known = ~np.isnan(outcome)
    return Cohort(old.name, mine, outcome[known], answer[known], lag[known])


def _settled(former: Verdict, again: Performance, labels: Labels) -> Verdict:
    """The former verdict with its outcomes; they stand beside its estimate as the truth."""
    estimate = former.estimate
    if estimate is not None and estimate.metric == again.metric and again.value is not None:
        estimate = estimate.model_copy(update={"truth": again.value})
    return former.model_copy(update={"performance": again, "labels": labels, "estimate": estimate})
