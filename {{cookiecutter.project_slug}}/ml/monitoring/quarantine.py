"""Stretches of time whose rows are not to be trained on, because their data was broken.

Reads and writes: serving/quarantine.json, a list of {"start", "end", "window", "evidence"} (unix
seconds). A person who knows better deletes the entry. `ml retrain` leaves such rows out.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml.atomic import write_json

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ml.journal.bulk.scan import Span

    Entries = list[dict[str, Any]]

QUARANTINE = Path("serving/quarantine.json")


def load(path: Path = QUARANTINE) -> Entries:
    """The entries, in the order in which they were added."""
    entries: Entries = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
    return entries


def not_quarantined(path: Path = QUARANTINE) -> Callable[[float], bool]:
    """A predicate of a row's moment (unix seconds): does it lie in no quarantined stretch?"""
    entries = load(path)
    return lambda at: not any(entry["start"] <= at < entry["end"] for entry in entries)


def add(span: Span, evidence: Sequence[str], path: Path = QUARANTINE) -> None:
    """Quarantine a window; again: nothing changes."""
    entries = load(path)
    if any(entry["window"] == span.name for entry in entries):
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    entry = {"start": span.start, "end": span.end, "window": span.name, "evidence": evidence}
    write_json(path, [*entries, entry])
