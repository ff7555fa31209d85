"""The verdicts of former windows, as they were written.

Reads and writes: reports/monitoring/<window>/verdict.json. A file that is no verdict of this
version is passed over with a warning: an old file must not stop the monitor.
"""

from __future__ import annotations

from functools import cache, lru_cache
from typing import TYPE_CHECKING

from pydantic import ValidationError
from rich.console import Console

from ml.atomic import write_json
from ml.errors import SENTENCE, printable
from ml.monitoring.verdict import Verdict

if TYPE_CHECKING:
    from pathlib import Path

    from ml.journal.bulk.scan import Span

FILE = "verdict.json"
LOCK = ".lock"  # in the reports' folder: one process at a time writes there
OVERLAP = 0.1  # of a window's length that the one before it may reach into it


def write(folder: Path, verdict: Verdict) -> None:
    """Write a verdict into its window's folder."""
    write_json(folder / FILE, verdict.as_json())


def verdicts(reports: Path) -> list[Verdict]:
    """All stored verdicts, oldest window first."""
    stored = [verdict for path in reports.glob(f"*--*/{FILE}") if (verdict := _read(path))]
    return sorted(stored, key=lambda verdict: (verdict.end, verdict.start))


def _read(path: Path) -> Verdict | None:
    at = path.stat()
    return _read_once(path.absolute(), at.st_mtime_ns, at.st_size, at.st_ino)


@lru_cache(maxsize=2000)  # a pass asks three times for all of them
def _read_once(path: Path, *_version: int) -> Verdict | None:
    try:
        return Verdict.model_validate_json(path.read_bytes())
    except ValidationError as error:
        _warn(f"{path}: passed over, no verdict of this version: {_reason(error)}")
        return None


def _reason(error: ValidationError) -> str:
    first = error.errors()[0]
    return ": ".join([*map(str, first["loc"]), first["msg"]])


@cache
def _warn(text: str) -> None:
    """A line on stderr, once however often the file is read."""
    warning = printable(f"warning: {text}", SENTENCE)
    Console(stderr=True).print(warning, markup=False, highlight=False, soft_wrap=True)


def previous(reports: Path, span: Span) -> Verdict | None:
    """The window before: the latest that ended when this one began.

    An overlap of a tenth is allowed.
    """
    limit = span.start + OVERLAP * (span.end - span.start)
    return next((v for v in reversed(verdicts(reports)) if v.end <= limit), None)
