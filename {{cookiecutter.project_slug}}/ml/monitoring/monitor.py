"""Is the served model still right? The journal's latest window against the champion's reference.

Reads: the journal (JOURNAL_URL), serving/champion/, params.yaml (monitor).
Writes: reports/monitoring/<window>/ (verdict.json, report.html, report.json, performance.html),
reports/monitoring/index.html and metrics.prom; serving/quarantine.json when a window is broken.
Run: `ml monitor` (`--days 7`), exit status 0 ok, 3 a verdict that wants action, 4 too few rows;
`ml monitor --watch` (`ml.monitoring.commands`) judges again and again and serves the numbers on
loopback.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sql
from rich.console import Console

from ml.atomic import write_json
from ml.encode import DAY_SECONDS
from ml.errors import UserError
from ml.journal.scan import Span, latest_rows
from ml.journal.store import Journal, journal_url
from ml.monitoring import history, quarantine
from ml.monitoring.checks.delayed_labels import late_cohorts
from ml.monitoring.checks.drift import drift, shifts
from ml.monitoring.checks.estimate import estimate, estimate_findings
from ml.monitoring.checks.performance import cohort, performance
from ml.monitoring.checks.quality import quality
from ml.monitoring.finding import Finding
from ml.monitoring.inputs.reference import load_champion
from ml.monitoring.inputs.window import read_window
from ml.monitoring.reports import alerts, html, index, prometheus
from ml.monitoring.reports.evidently import write_report
from ml.monitoring.reports.terminal import table
from ml.monitoring.verdict import EXIT, Word, decide, tier
from ml.params import load_params

if TYPE_CHECKING:
    from ml.monitoring.inputs.reference import Champion
    from ml.monitoring.inputs.window import Window
    from ml.params import Monitor

REPORTS = Path("reports/monitoring")


def monitor(days: float | None) -> int:
    """Judge the last `days` days (default: monitor.window_days, or the latest monitor.window_rows rows).

    Returns:
        The exit status of the verdict.
    """
    return EXIT[once(days)["verdict"]]


def once(days: float | None) -> dict[str, Any]:
    """Judge the latest window, write everything, alert, and print the table; returns what verdict.json holds."""
    settings, console = load_params().monitor, Console(stderr=True)
    with console.status("Reading the journal"):
        engine, champion = journal(), load_champion()
        span = latest_span(engine, days, settings)
    shown = judge(engine, champion, span, settings, console)
    folder = REPORTS / span.name
    Console().print(
        table(shown), f"{folder}/report.html", f"{REPORTS}/index.html", sep="\n", soft_wrap=True
    )
    alerts.send(shown, REPORTS / "alerts.json")
    return shown


def latest_span(engine: sql.Engine, days: float | None, settings: Monitor) -> Span:
    """The latest window: by days, or by rows where monitor.window_rows says so and no days are given."""
    now = time.time()
    if days is None and settings.window_rows:
        return Span(latest_rows(engine, settings.window_rows, now), now)
    return Span(now - (days or settings.window_days) * DAY_SECONDS, now)


def journal() -> sql.Engine:
    """The journal's engine.

    Raises:
        UserError: the journal's file is not there yet, or JOURNAL_URL cannot be opened.
    """
    address = journal_url()
    path = sql.make_url(address).database if address.startswith("sqlite") else None
    if path and not Path(path).is_file():
        raise UserError(f"{path}: no such file, so nothing was predicted here yet", "make serve")
    return Journal(address).engine


def judge(
    engine: sql.Engine,
    champion: Champion,
    span: Span,
    settings: Monitor,
    console: Console | None = None,
    reports: Path = REPORTS,
) -> dict[str, Any]:
    """Judge one window of the journal and write its folder; returns what its verdict.json holds."""
    console = console or Console(quiet=True)
    folder = reports / span.name
    folder.mkdir(parents=True, exist_ok=True)
    with console.status("Judging the window"):
        window = read_window(engine, span, champion.contract, champion.profiles, champion.version)
        shown, findings = examined(window, champion, settings)
        if shown["rows"] >= settings.min_rows:
            late = late_cohorts(engine, champion, settings, reports, span)
            shown["late"], findings = late.shown, [*findings, *late.findings]
    verdict = decide(findings)
    shown = {
        "verdict": verdict.verdict,
        "action": verdict.action,
        "tier": None,
        "evidence": verdict.evidence,
        **shown,
    }
    shown["tier"] = tier(verdict, history.before(reports, span))
    shown["findings"] = [finding.as_json() for finding in verdict.findings]
    with console.status("Writing Evidently's report"):
        psi = {name: numbers["psi"] for name, numbers in shown["columns"].items()}
        shown["not_in_report"] = (
            write_report(folder, window, champion, findings, psi) if len(window) else []
        )
        for name in ("report.html", "performance.html"):
            html.prepend_header(folder / name, shown)
    _write(shown, folder, reports, verdict.verdict, span)
    return shown


def _write(shown: dict[str, Any], folder: Path, reports: Path, word: Word, span: Span) -> None:
    if word == "broken":
        quarantine.add(span, shown["evidence"])
    write_json(folder / "verdict.json", shown)
    prometheus.write(shown, reports / "metrics.prom")
    index.write(reports)


def examined(
    window: Window, champion: Champion, settings: Monitor
) -> tuple[dict[str, Any], list[Finding]]:
    """Every check in order: volume, quality, drift, performance. What is too small or broken is tested no further."""
    shown = _about(window, champion)
    volume = _volume(window, settings)
    if volume:
        return shown, volume
    shown["performance"], found = performance(cohort(window), champion, settings)
    bad = quality(window, champion, settings.max_faulty)
    if bad:
        return shown, bad
    moved = shifts(window, champion, settings.min_rows)
    shown["columns"] = {
        name: {"psi": round(float(made.psi), 4), "p": float(made.p.min())}
        for name, made in moved.items()
    }
    guess = estimate(window, champion)
    if guess is not None:
        shown["estimate"], found = guess.as_json(), [*found, *estimate_findings(guess, settings)]
    return shown, [*drift(window, champion, moved, settings), *found]


def _volume(window: Window, settings: Monitor) -> list[Finding]:
    if len(window) >= settings.min_rows:
        return []
    if len(window) == 0:
        return [
            Finding(
                "volume",
                "no_rows",
                None,
                "no rows at all: is the service up?",
                0,
                settings.min_rows,
            )
        ]
    words = f"{len(window)} rows in the window, {settings.min_rows} are needed"
    return [Finding("volume", "few_rows", None, words, len(window), settings.min_rows)]


def _about(window: Window, champion: Champion) -> dict[str, Any]:
    return {
        "window": window.span.name,
        "start": window.span.start,
        "end": window.span.end,
        "judged_at": time.time(),
        "rows": len(window),
        "versions": dict(window.versions),
        "model": champion.name,
        "version": champion.version,
        "released_at": champion.released_at,
        "labels": vars(window.labels),
        "performance": {"rows": 0},
        "estimate": None,
        "columns": {},
        "late": [],
    }
