"""The verdicts of former windows, as they were written.

Reads: reports/monitoring/<window>/verdict.json.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pydantic import ValidationError

from ml.errors import UserError
from ml.monitoring.verdict import Verdict

if TYPE_CHECKING:
    from pathlib import Path

    from ml.journal.bulk.scan import Span

OVERLAP = 0.1  # of a window's length that the one before it may reach into it


def verdicts(reports: Path) -> list[Verdict]:
    """All stored verdicts, oldest window first.

    Raises:
        UserError: a file is no verdict.
    """
    stored = [_read(path) for path in reports.glob("*--*/verdict.json")]
    return sorted(stored, key=lambda verdict: (verdict.end, verdict.start))


def _read(path: Path) -> Verdict:
    try:
        return Verdict.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise UserError(f"{path}: not a verdict: {place}: {first['msg']}", f"rm {path}") from None


def before(reports: Path, span: Span) -> Verdict | None:
    """The window before: the latest that ended when this one began.

    A tenth of overlap is forgiven.
    """
    limit = span.start + OVERLAP * (span.end - span.start)
    earlier = [verdict for verdict in verdicts(reports) if verdict.end <= limit]
    return earlier[-1] if earlier else None
