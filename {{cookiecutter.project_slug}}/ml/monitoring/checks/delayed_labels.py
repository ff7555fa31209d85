"""Outcomes that came late: former windows are judged again on them, without reading their rows a second time.

Reads: verdict.json of former windows, and the journal's answers and outcomes of these windows (not
the features).
Writes: the new numbers into the former window's verdict.json, beside its estimate.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ml.atomic import write_json
from ml.journal.scan import Span, label_counts, outcomes
from ml.monitoring import history
from ml.monitoring.checks.performance import Cohort, performance

if TYPE_CHECKING:
    from pathlib import Path

    import sqlalchemy as sql

    from ml.monitoring.finding import Finding
    from ml.monitoring.inputs.reference import Champion
    from ml.params import Monitor

WINDOWS = 12  # former windows that are looked at again


@dataclass
class Late:
    """What late outcomes said: numbers by window, and findings."""

    shown: list[dict[str, Any]] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)


def late_cohorts(
    engine: sql.Engine, champion: Champion, settings: Monitor, reports: Path, span: Span
) -> Late:
    """Judge the cohorts of the champion's former windows that gained outcomes since they were judged."""
    late = Late()
    for shown in _former(reports, champion, span)[-WINDOWS:]:
        old = Span(shown["start"], shown["end"])
        counts = label_counts(engine, old)
        if vars(counts) == shown["labels"]:
            continue
        numbers, found = performance(_cohort(engine, old, champion), champion, settings)
        late.shown.append(numbers)
        late.findings += [_dated(finding, old) for finding in found]
        _settle(shown, numbers, vars(counts), reports / old.name / "verdict.json")
    return late


def _former(reports: Path, champion: Champion, span: Span) -> list[dict[str, Any]]:
    """The champion's sound windows that ended before this one began; later ones share rows with it."""
    return [
        shown
        for shown in history.verdicts(reports)
        if shown["end"] <= span.start
        and shown["version"] == champion.version
        and shown["verdict"] != "broken"
    ]


def _dated(finding: Finding, old: Span) -> Finding:
    return type(finding)(**{**finding.as_json(), "words": f"{old.name}: {finding.words}"})


def _cohort(engine: sql.Engine, old: Span, champion: Champion) -> Cohort:
    mine, answer, outcome, lag = outcomes(engine, old, champion.contract, champion.version)
    known = ~np.isnan(outcome)
    return Cohort(old.name, mine, outcome[known], answer[known], lag[known])


def _settle(
    shown: dict[str, Any], numbers: dict[str, Any], labels: dict[str, int], path: Path
) -> None:
    """The truth beside the estimate, once it came."""
    shown["performance"], shown["labels"] = numbers, labels
    guess = shown.get("estimate")
    if guess and guess["metric"] == numbers.get("metric") and "value" in numbers:
        guess["truth"] = numbers["value"]
    write_json(path, shown)
