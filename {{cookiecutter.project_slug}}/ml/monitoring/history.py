"""The verdicts of former windows, as they were written.

Reads and writes: reports/monitoring/<window>/verdict.json.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from ml.journal.scan import Span

OVERLAP = 0.1  # of a window's length that the one before it may reach into it


def verdicts(reports: Path) -> list[dict[str, Any]]:
    """All stored verdicts, oldest window first."""
    found = [
        json.loads(path.read_text(encoding="utf-8")) for path in reports.glob("*--*/verdict.json")
    ]
    return sorted(found, key=lambda shown: (shown["end"], shown["start"]))


def before(reports: Path, span: Span) -> dict[str, Any] | None:
    """The window before: the latest one that ended when this one began (a tenth of overlap is forgiven)."""
    limit = span.start + OVERLAP * (span.end - span.start)
    earlier = [shown for shown in verdicts(reports) if shown["end"] <= limit]
    return earlier[-1] if earlier else None
