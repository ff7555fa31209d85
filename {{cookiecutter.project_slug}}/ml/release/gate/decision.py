"""What the gate answers: a `Check` for each rule with its figures, a `Decision` of all of them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Check:
    """One rule of the gate.

    Args:
        name: the rule, as a statement that holds or does not.
        passed: whether it holds.
        figures: the figures behind it, in words.
        values: the same figures for machines: numbers, texts, lists of them.
        then: what a person may do where it does not hold.
    """

    name: str
    passed: bool
    figures: str
    values: dict[str, Any] = field(default_factory=dict)
    then: str = ""


@dataclass(frozen=True)
class Decision:
    """The gate's checks; the challenger passes when all of them hold.

    Args:
        checks: in the order of the gate.
        facts: what they were made of: metric, rows, versions.
    """

    checks: tuple[Check, ...]
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether the challenger may become the champion."""
        return all(check.passed for check in self.checks)

    def beside(self, *checks: Check) -> Decision:
        """The decision with more checks."""
        return Decision((*self.checks, *checks), self.facts)

    @property
    def failed(self) -> tuple[Check, ...]:
        """The checks that do not hold."""
        return tuple(check for check in self.checks if not check.passed)

    @property
    def reason(self) -> str:
        """The failed checks in words, or all of them when none failed."""
        return "; ".join(f"{check.name}: {check.figures}" for check in self.failed or self.checks)

    @property
    def then(self) -> tuple[str, ...]:
        """What a person may do about the checks that failed, each once."""
        return tuple(dict.fromkeys(check.then for check in self.failed if check.then))

    @property
    def evidence(self) -> dict[str, Any]:
        """The decision as values of JSON, for the ledger."""
        checks = {check.name: {"passed": check.passed, **check.values} for check in self.checks}
        evidence: dict[str, Any] = _as_json({**self.facts, "checks": checks})
        return evidence


def _as_json(value: Any) -> Any:
    """The value without what JSON does not have: a number that is none becomes null."""
    if isinstance(value, dict):
        return {key: _as_json(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_as_json(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
