"""The checks of one window in their order, and what they leave behind.

Reads: the journal's rows of the window, the champion's reference.
Writes: reports/monitoring/<window>/ (verdict.json, and page-inputs/, of which
`ml.monitoring.reports.evidently` makes the pages), reports/monitoring/index.html and metrics.prom;
serving/quarantine.json when a window is broken.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ml.atomic import locked
from ml.clock import now
from ml.journal.bulk.ripeness import ripe_limit
from ml.monitoring import history, quarantine
from ml.monitoring.checks.delayed_labels import Late, late_cohorts
from ml.monitoring.checks.drift import drift, shifts
from ml.monitoring.checks.estimate import estimate, estimate_findings
from ml.monitoring.checks.fairness import fairness
from ml.monitoring.checks.performance import cohort, performance
from ml.monitoring.checks.quality import quality
from ml.monitoring.inputs.audited import sample_with_audited
from ml.monitoring.inputs.parts import (
    PARTS,
    Exports,
    address_of,
    export_parts,
    journal_parts,
    read_parts,
)
from ml.monitoring.inputs.tallies import Watching
from ml.monitoring.inputs.window import tallies_of, window_of
from ml.monitoring.reports import html, page_inputs, prometheus
from ml.monitoring.verdict import (
    ColumnShift,
    Estimate,
    Finding,
    GroupFigure,
    Performance,
    Verdict,
    decide,
    tier,
)
from ml.progress import working

if TYPE_CHECKING:
    import sqlalchemy as sql

    from ml.journal.bulk.scan import Span
    from ml.monitoring.inputs.reference import Champion
    from ml.monitoring.inputs.window import Window
    from ml.monitoring.reports.page_inputs import PageInputs
    from ml.params import Fairness, Monitor
    from ml.scale.part import Executor
    from ml.statistics.column_tests import Shift

REPORTS = Path("reports/monitoring")


def evaluate_window(
    engine: sql.Engine | Exports,
    champion: Champion,
    span: Span,
    settings: Monitor,
    reports: Path = REPORTS,
    groups: Fairness | None = None,
    executor: Executor | None = None,
) -> Verdict:
    """Judge one window of the journal and write its folder, but for Evidently's pages.

    Args:
        engine: of the journal; or exported files, which hold nothing but the window: then former
            windows are not looked at again, and audit columns are not looked up.
        champion: whose answers are judged.
        span: the window.
        settings: what is tolerated.
        reports: folder of all windows.
        groups: whose figures are followed; None: nobody's.
        executor: where the window is read in parts; None: in this process, at once.
    """
    with working("judging the window"):
        window = _read(engine, span, champion, executor)
        checked, late = run_checks(window, champion, settings), Late()
        if groups is not None and len(window) >= settings.min_rows:
            _follow_groups(checked, window, champion, engine, groups)
        inputs = _page_inputs(window, champion, checked, settings.workspace_windows)
        with locked(reports / history.LOCK):
            if len(window) >= settings.min_rows and not isinstance(engine, Exports):
                late = late_cohorts(engine, champion, settings, reports, span)
                checked.findings = [*checked.findings, *late.findings]
            former = history.previous(reports, span)
            verdict = _verdict(window, champion, checked, late, former, inputs)
            _write(verdict, span, reports, inputs)
    return verdict


def _follow_groups(
    checked: Checked,
    window: Window,
    champion: Champion,
    engine: sql.Engine | Exports,
    groups: Fairness,
) -> None:
    sample = window.sample
    if not isinstance(engine, Exports):
        sample = sample_with_audited(window, engine, champion.contract, groups.columns)
    checked.fairness, notes = fairness(window, sample, champion, groups)
    checked.findings = [*checked.findings, *notes]


def _read(
    engine: sql.Engine | Exports, span: Span, champion: Champion, executor: Executor | None
) -> Window:
    contract = champion.contract
    ripe_before = ripe_limit(contract)
    watching = Watching(contract, champion.profiles, champion.version, ripe_before)
    if isinstance(engine, Exports):
        return read_parts(export_parts(engine.addresses, span, watching), watching, span, executor)
    if executor is None:
        return window_of(tallies_of(engine, span, watching), span)
    parts = journal_parts(address_of(engine), span, watching, PARTS)
    return read_parts(parts, watching, span, executor)


def _page_inputs(
    window: Window, champion: Champion, checked: Checked, workspace_windows: int
) -> PageInputs | None:
    """What Evidently's pages of the window are made of; of a window of no rows there are none."""
    if not len(window):
        return None
    psi = {name: column.psi for name, column in checked.columns.items()}
    return page_inputs.page_inputs(window, champion, checked.findings, psi, workspace_windows)


def _verdict(
    window: Window,
    champion: Champion,
    checked: Checked,
    late: Late,
    former: Verdict | None,
    inputs: PageInputs | None,
) -> Verdict:
    decision = decide(checked.findings)
    return Verdict(
        verdict=decision.verdict,
        action=decision.action,
        tier=tier(decision, former.tier if former else None),
        evidence=decision.evidence,
        window=window.span.name,
        start=window.span.start,
        end=window.span.end,
        judged_at=checked.at,
        rows=len(window),
        versions=dict(window.versions),
        model=champion.name,
        version=champion.version,
        released_at=champion.released_at,
        labels=window.labels,
        performance=checked.performance,
        estimate=checked.estimate,
        columns=checked.columns,
        late=tuple(late.performances),
        findings=decision.findings,
        not_in_report=inputs.left_out if inputs else (),
        fairness=tuple(checked.fairness),
    )


def _write(verdict: Verdict, span: Span, reports: Path, inputs: PageInputs | None) -> None:
    """Write all that is made of a verdict."""
    if verdict.verdict == "broken":
        quarantine.add(span, verdict.evidence)
    history.write(reports / span.name, verdict)
    if inputs is not None:
        page_inputs.write(reports / span.name, inputs, verdict)
    prometheus.write(verdict, reports / "metrics.prom")
    html.write_index(reports)


@dataclass
class Checked:
    """What the checks of a window came to."""

    at: float  # unix seconds
    findings: list[Finding]
    performance: Performance = field(default_factory=lambda: Performance(rows=0))
    columns: dict[str, ColumnShift] = field(default_factory=dict)
    estimate: Estimate | None = None
    fairness: list[GroupFigure] = field(default_factory=list)


def run_checks(window: Window, champion: Champion, settings: Monitor) -> Checked:
    """Every check in order: volume, quality, drift, performance.

    What is too small or broken is tested no further.
    """
    checked = Checked(now(), _volume(len(window), settings.min_rows))
    if checked.findings:
        return checked
    checked.performance, of_outcomes = performance(cohort(window), champion, settings)
    checked.findings = quality(window, champion, settings.max_faulty)
    if checked.findings:
        return checked
    tested = shifts(window, champion, settings.min_rows)
    checked.columns = {name: _column_shift(tests) for name, tests in tested.items()}
    checked.estimate = estimate(window, champion)
    of_estimate = estimate_findings(checked.estimate, settings)
    checked.findings = [*drift(window, champion, tested, settings), *of_outcomes, *of_estimate]
    return checked


def _volume(rows: int, min_rows: int) -> list[Finding]:
    if rows >= min_rows:
        return []
    few = "few_rows", f"{rows} rows in the window, {min_rows} are needed"
    what, words = few if rows else ("no_rows", "no rows at all: is the service up?")
    return [Finding.of_window("volume", what, words, rows, min_rows)]


def _column_shift(tests: Shift) -> ColumnShift:
    return ColumnShift(psi=round(float(tests.psi), 4), p_value=float(tests.p_values.min()))
