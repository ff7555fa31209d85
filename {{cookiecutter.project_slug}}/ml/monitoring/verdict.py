"""Findings → one verdict, one action, and the evidence in words; the form of verdict.json.

| verdict | when | exit |
|---|---|---|
| insufficient | fewer rows than `monitor.min_rows` | 4 |
| broken | data quality failed: the window is not to be trusted, nor trained on | 3 |
| decay | the labelled rows show a loss that is beyond the tolerated one | 3 |
| drift | columns or predictions moved, no loss is shown | 3 |
| ok | none of it | 0 |

A ticket in one window is a ticket, in two windows in a row a page. Pure: no clock, no files.
Run: `python -m ml.monitoring.verdict > docs/verdict.schema.json` writes the JSON schema.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer

from ml.errors import SENTENCE, printable
from ml.journal.bulk.scan import Labels

Check = Literal["volume", "quality", "drift", "performance"]
Severity = Literal["note", "ticket"]
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
    "quarantine": "mend the source of the data; "
    "these rows are not trained on (`serving/quarantine.json`)",
    "retrain": "`make retrain`; the gate decides whether the new model is better",
    "investigate": "find out why the data moved; retrain when outcomes get worse",
    "call": "nobody asks for predictions: is the service up, can its clients reach it?",
}
_ORDER: tuple[tuple[Check, Word], ...] = (
    ("volume", "insufficient"),
    ("quality", "broken"),
    ("performance", "decay"),
    ("drift", "drift"),
)


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, populate_by_name=True)


class Finding(_Frozen):
    """One fact about a window. Findings are all that a verdict depends on.

    Args:
        check: which check found it (`room` in JSON).
        what: a fixed word for machines, e.g. `missing` or `location`.
        column: the column it is about, or None.
        words: the evidence in one plain sentence.
        value: what was measured.
        limit: what it was compared with.
        severity: a `ticket` wants action, a `note` is only shown.
    """

    check: Check = Field(alias="room")
    what: str
    column: str | None
    words: str
    value: int | float
    limit: int | float
    severity: Severity = "ticket"

    @classmethod
    def of_window(
        cls,
        check: Check,
        what: str,
        words: str,
        value: float,
        limit: float,
        severity: Severity = "ticket",
    ) -> Finding:
        """A finding about the window as a whole."""
        return cls(
            check=check,
            what=what,
            column=None,
            words=words,
            value=value,
            limit=limit,
            severity=severity,
        )


class Performance(_Frozen):
    """The champion's answers whose outcome has come. In JSON only what is known.

    A window that is too small or broken has `rows` alone; one with too few outcomes has no `value`
    and no loss. `unripe` answers have an outcome that can still change (`matures_after` of the
    contract's target): it is left out, and `coverage` is of the others.
    """

    window: str | None = None
    metric: str | None = None
    rows: int
    unripe: int = 0
    coverage: float = 0.0
    median_lag_days: float | None = None
    value: float | None = None
    reference: float | None = None
    loss: float | None = None
    loss_low: float | None = None
    loss_high: float | None = None

    @model_serializer(mode="wrap")
    def _known(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in dump(self).items() if name in self.model_fields_set}


class Estimate(_Frozen):
    """A metric estimated without outcomes, its interval, and the metric's value on the reference.

    `truth` is the metric by outcomes, once they came.
    """

    kind: Literal["estimate, no outcomes used"] = "estimate, no outcomes used"
    metric: str
    value: float
    low: float
    high: float
    reference: float
    truth: float | None = None


class ColumnShift(_Frozen):
    """How far a column moved (population stability index), and its smallest p-value.

    Args:
        psi: the index.
        p_value: the smallest of its tests (`p` in JSON).
    """

    psi: float
    p_value: float = Field(alias="p")


class GroupFigure(_Frozen):
    """One figure of one group of rows (`ml.fairness`), with its 95 % interval.

    Args:
        column: and `level`, the group.
        level: see there.
        figure: selection_rate, true_positive_rate, false_positive_rate, calibration or error.
        rows: that the figure is of.
        value: the figure.
        low: and `high`, its interval.
        high: see there.
        reference: its value on the held-out rows; None where these have too few of the group.
    """

    column: str
    level: str
    figure: str
    rows: int
    value: float
    low: float
    high: float
    reference: float | None


class Verdict(_Frozen):
    """What verdict.json holds. Moments are unix seconds."""

    verdict: Word
    action: Action
    tier: Tier | None
    evidence: tuple[str, ...]
    window: str
    start: float
    end: float
    judged_at: float
    rows: int
    versions: dict[str, int]
    model: str
    version: str
    released_at: str
    labels: Labels
    performance: Performance
    estimate: Estimate | None
    columns: dict[str, ColumnShift]
    late: tuple[Performance, ...]
    findings: tuple[Finding, ...]
    not_in_report: tuple[str, ...]
    fairness: tuple[GroupFigure, ...] = ()  # of the columns that fairness.columns names

    def as_json(self) -> dict[str, Any]:
        """The verdict as plain JSON values."""
        return self.model_dump(by_alias=True)

    @property
    def tickets(self) -> list[Finding]:
        """The findings that want action."""
        return _tickets(self.findings)


@dataclass(frozen=True)
class Decision:
    """What the findings come to; those that decided stand first."""

    verdict: Word
    action: Action
    findings: tuple[Finding, ...]

    @property
    def evidence(self) -> tuple[str, ...]:
        """The findings that want action, in words, printable."""
        return tuple(printable(finding.words, SENTENCE) for finding in _tickets(self.findings))


def _tickets(findings: Sequence[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.severity == "ticket"]


def decide(findings: Sequence[Finding]) -> Decision:
    """The first check that has a ticket names the verdict: volume, quality, performance, drift."""
    tickets = _tickets(findings)
    word = _word({finding.check for finding in tickets})
    action = _action(word, {finding.what for finding in tickets})
    return Decision(word, action, tuple(sorted(findings, key=_rank)))


def _word(checks: set[Check]) -> Word:
    return next((word for check, word in _ORDER if check in checks), "ok")


def _rank(finding: Finding) -> tuple[bool, int, bool]:
    """Place of a finding in a verdict: tickets first, then in the order of the checks.

    Within a check a bias comes first, because it asks for another action than its verdict.
    """
    order = [check for check, _ in _ORDER]
    return finding.severity != "ticket", order.index(finding.check), finding.what != "bias"


def _action(word: Word, kinds: set[str]) -> Action:
    if "no_rows" in kinds:
        return "call"  # nobody asks the service: no data of ours can say why
    if word == "drift" and "bias" in kinds:
        return "retrain"  # outcomes show that the answers are off, though the metric holds
    return ACTION[word]


def tier(decision: Decision, former: Tier | None) -> Tier | None:
    """One window with a ticket is a ticket, two in a row a page.

    `former` is the tier of the window before this one; None also where there was none.
    """
    if decision.verdict == "ok":
        return None
    if decision.verdict == "insufficient" and decision.action != "call":
        return None
    return "ticket" if former is None else "page"


def schema() -> dict[str, Any]:
    """The JSON schema of verdict.json."""
    draft = "https://json-schema.org/draft/2020-12/schema"
    return {"$schema": draft, **Verdict.model_json_schema()}


if __name__ == "__main__":
    print(json.dumps(schema(), indent=2, ensure_ascii=False))
