"""What a check found: one fact with its number, its limit and its words. Findings are all that a verdict sees."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

Room = Literal["volume", "quality", "drift", "performance"]
Severity = Literal["note", "ticket"]


@dataclass(frozen=True)
class Finding:
    """One fact about a window.

    Args:
        room: which check found it.
        what: a fixed word for machines, e.g. `missing` or `location`.
        column: the column it is about, or None.
        words: the evidence in one plain sentence.
        value: what was measured.
        limit: what it was held against.
        severity: a `ticket` wants action, a `note` is only told.
    """

    room: Room
    what: str
    column: str | None
    words: str
    value: float
    limit: float
    severity: Severity = "ticket"

    def as_json(self) -> dict[str, Any]:
        """The finding as plain JSON values."""
        return asdict(self)
