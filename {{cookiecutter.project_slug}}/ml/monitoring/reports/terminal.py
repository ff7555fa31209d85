"""The verdict as a table for a terminal of 80 columns."""

from __future__ import annotations

from typing import Any

from rich.markup import escape
from rich.table import Table

from ml.errors import SENTENCE, printable
from ml.monitoring.reports.html import span
from ml.monitoring.verdict import DO

COLOR = {
    "ok": "green",
    "insufficient": "yellow",
    "broken": "red",
    "drift": "yellow",
    "decay": "red",
}


def table(shown: dict[str, Any]) -> Table:
    """What verdict.json holds, for people."""
    word = f"[{COLOR[shown['verdict']]} bold]{shown['verdict']}[/]" + (
        f" ({shown['tier']})" if shown["tier"] else ""
    )
    made = Table(
        title=f"{_text(shown['model'])}, version {_text(shown['version'])}: {word}",
        show_header=False,
    )
    made.add_column(no_wrap=True)
    made.add_column(overflow="fold")
    made.add_row("window", f"{span(shown)} UTC")
    made.add_row("rows", f"{shown['rows']:,}{_versions(shown)}")
    made.add_row("outcomes", _outcomes(shown["performance"]) + _odd(shown["labels"]))
    if shown["estimate"]:
        made.add_row("estimate", _estimate(shown["estimate"]))
    for place, words in enumerate(shown["evidence"] or ["all checks passed"]):
        made.add_row("" if place else "why", escape(printable(words, SENTENCE)))
    made.add_row("action", f"[bold]{shown['action']}[/]: {escape(DO[shown['action']])}")
    return made


def _text(text: str) -> str:
    return escape(printable(text))


def _versions(shown: dict[str, Any]) -> str:
    others = {v: n for v, n in shown["versions"].items() if v != shown["version"]}
    return "".join(f", {n:,} of version {_text(v)}" for v, n in others.items())


def _outcomes(numbers: dict[str, Any]) -> str:
    if not numbers["rows"]:
        return "none yet"
    came = f"{numbers['rows']:,} ({numbers['coverage']:.0%} of the rows"
    came += (
        f", after {numbers['median_lag_days']:.1f} days)"
        if numbers["median_lag_days"] is not None
        else ")"
    )
    if "value" not in numbers:
        return f"{came}: too few for an interval"
    return f"{came}\n{numbers['metric']} {numbers['value']:.3f}, {numbers['reference']:.3f} in the reference"


def _odd(labels: dict[str, int]) -> str:
    told = {
        "repeated": "sent again",
        "corrected": "corrected later",
        "unknown": "for predictions that nobody made",
    }
    odd = [f"{labels[name]:,} {words}" for name, words in told.items() if labels[name]]
    return "\n" + ", ".join(odd) if odd else ""


def _estimate(guess: dict[str, Any]) -> str:
    text = f"{guess['metric']} {guess['value']:.3f} ({guess['low']:.3f} to {guess['high']:.3f}), no outcomes used"
    return (
        text
        if guess["truth"] is None
        else f"{text}\n{guess['truth']:.3f} by the outcomes that have come"
    )
