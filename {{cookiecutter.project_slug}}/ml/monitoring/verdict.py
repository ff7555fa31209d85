"""Findings → one verdict, one action, and the evidence in words. Pure: no clock, no files.

| verdict | when | exit |
|---|---|---|
| insufficient | fewer rows than `monitor.min_rows` | 4 |
| broken | data quality failed: the window is not to be trusted, nor trained on | 3 |
| decay | the labelled rows show a loss that is beyond the tolerated one | 3 |
| drift | columns or predictions moved, no loss is shown | 3 |
| ok | none of it | 0 |

A ticket in one window is a ticket, in two windows in a row a page.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from ml.errors import SENTENCE, printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ml.monitoring.finding import Finding, Room

Tier = Literal["ticket", "page"]
Word = Literal["ok", "insufficient", "broken", "drift", "decay"]
Action = Literal["nothing", "wait", "quarantine", "retrain", "investigate", "call"]

EXIT: dict[Word, int] = {"ok": 0, "drift": 3, "decay": 3, "broken": 3, "insufficient": 4}
ACTION: dict[Word, Action] = {
    "ok": "nothing",
    "insufficient": "wait",
    "broken": "quarantine",
    "decay": "retrain",
    "drift": "investigate",
}
DO: dict[Action, str] = {
    "nothing": "all is well",
    "wait": "too few rows to judge; the next window may have enough",
    "quarantine": "mend the source of the data; these rows are not trained on (`serving/quarantine.json`)",
    "retrain": "`make retrain`; the gate decides whether the new model is better",
    "investigate": "find out why the data moved; retrain when outcomes get worse",
    "call": "nobody asks for predictions: is the service up, can its clients reach it?",
}
_ORDER: tuple[tuple[Room, Word], ...] = (
    ("volume", "insufficient"),
    ("quality", "broken"),
    ("performance", "decay"),
    ("drift", "drift"),
)


@dataclass(frozen=True)
class Verdict:
    """What a window comes to. `findings` hold the evidence, those that decided first."""

    verdict: Word
    action: Action
    findings: tuple[Finding, ...]

    @property
    def evidence(self) -> list[str]:
        """The findings that want action, in words, printable."""
        return [
            printable(finding.words, SENTENCE)
            for finding in self.findings
            if finding.severity == "ticket"
        ]


def decide(findings: Sequence[Finding]) -> Verdict:
    """The first room that has a ticket names the verdict: volume, quality, performance, drift."""
    tickets = [finding for finding in findings if finding.severity == "ticket"]
    rooms, kinds = {finding.room for finding in tickets}, {finding.what for finding in tickets}
    word: Word = next((word for room, word in _ORDER if room in rooms), "ok")
    order = [room for room, _ in _ORDER]
    ordered = sorted(findings, key=lambda f: (f.severity != "ticket", order.index(f.room)))
    return Verdict(word, _action(word, kinds), tuple(ordered))


def _action(word: Word, kinds: set[str]) -> Action:
    if "no_rows" in kinds:
        return "call"  # nobody asks the service: no data of ours can say why
    if word == "drift" and "bias" in kinds:
        return "retrain"  # outcomes show that the answers are off, though the metric holds
    return ACTION[word]


def tier(verdict: Verdict, before: dict[str, Any] | None) -> Tier | None:
    """One window with a ticket is a ticket, two in a row a page. `before`: what the window before came to."""
    if verdict.verdict == "ok" or (verdict.verdict == "insufficient" and verdict.action != "call"):
        return None
    return "page" if before is not None and before["tier"] is not None else "ticket"
