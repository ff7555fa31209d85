"""The ledger: one JSON line for each decision, chained by hashes.

Reads and writes: ledger.jsonl in the project's folder, which git tracks. A line is appended under
a lock and is on disk when `record` returns. Each line holds the hash of the line before it, so that
a line that was changed, removed or moved is found (`broken_line`); lines that are missing at the
end are found by whoever has kept the last hash (`ml.ledger.history.verify`).
"""

from __future__ import annotations

import fcntl
import getpass
import hashlib
import json
import math
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from ml.atomic import sync
from ml.clock import moment
from ml.errors import UserError, printable

LEDGER = Path("ledger.jsonl")
FIRST = "0" * 64  # the hash before the first line
LOOP = "loop"  # who decided, where it was no person

PROMOTE, ROLLBACK, APPROVE = "promote", "rollback", "approve"
UNDO = "undo"  # of a promotion that was stopped and whose files are gone
REFUSE, WAIT, CHALLENGE = "refuse", "wait", "challenge"
MOVES = (PROMOTE, ROLLBACK, APPROVE, UNDO)  # the actions that say which version is champion


@dataclass(frozen=True)
class Entry:
    """A decision. Other rooms may record further actions than those above."""

    number: int  # of the line, from 1
    at: str  # ISO 8601 in UTC
    who: str  # git's user, or `loop`
    action: str
    from_version: str | None  # the champion before the decision
    to_version: str | None  # the version that the decision is about; of MOVES: the new champion
    why: str
    evidence: dict[str, Any]  # the figures
    hashes: dict[str, Any]  # of what was decided about: bundle, data, dvc.lock, git commit
    decision: str  # unique: a decision that was killed and finished is written once
    previous: str  # hash of the line before
    hash: str  # sha256 of all of the above

    @property
    def moment(self) -> datetime:
        """When it was decided."""
        return datetime.fromisoformat(self.at)

    @property
    def line(self) -> str:
        """The entry as it stands in the file, without the end of the line."""
        return _json(asdict(self))


class BrokenLineError(UserError):
    """A line of the ledger that is not what was written.

    Args:
        number: of the line, from 1.
        problem: what is wrong with it.
    """

    def __init__(self, number: int, problem: str) -> None:
        super().__init__(
            f"{LEDGER}: line {number} {problem}",
            f"git log -p {LEDGER} shows how it came about; `git checkout {LEDGER}` takes the last "
            "committed version",
        )
        self.number = number


def record(
    action: str,
    *,
    why: str,
    who: str | None = None,
    from_version: str | None = None,
    to_version: str | None = None,
    evidence: Mapping[str, Any] | None = None,
    hashes: Mapping[str, Any] | None = None,
    decision: str | None = None,
    at: datetime | None = None,
) -> Entry:
    """Append a decision; the entry, which is on disk.

    Args:
        action: one word, as `promote`.
        why: the reason, in a sentence.
        who: decided; None: git's user, or the machine's.
        from_version: the champion before the decision.
        to_version: the version that it is about.
        evidence: figures, as JSON.
        hashes: of what was decided about.
        decision: its unique id; where the ledger holds it already, nothing is written and that
            entry is returned. None: a new one.
        at: when it was decided; None: now.

    Raises:
        BrokenLineError: the ledger's last line is not an entry.
    """
    values = {
        "at": (at or moment()).astimezone(UTC).isoformat(timespec="milliseconds"),
        "who": who or person(),
        "action": action,
        "from_version": from_version,
        "to_version": to_version,
        "why": why,
        "evidence": dict(evidence or {}),
        "hashes": dict(hashes or {}),
        "decision": decision or new_decision(),
    }
    with _opened() as file:
        there = _entries(_repaired(file))
        earlier = next((entry for entry in there if entry.decision == values["decision"]), None)
        return earlier or _append(file, there[-1] if there else None, values)


def new_decision() -> str:
    """The id of a decision that nothing else names."""
    return uuid4().hex


def person() -> str:
    """Who types: git's user, else the machine's."""
    try:
        asked = subprocess.run(
            ["git", "config", "user.name"], capture_output=True, text=True, check=False
        )
        return asked.stdout.strip() or getpass.getuser()
    except OSError:  # git is not installed, or the user has no name (Python 3.13 raises OSError)
        return os.environ.get("USER") or "unknown"
    except KeyError:  # no name, as older Pythons say it
        return "unknown"


def _append(file: int, last: Entry | None, values: dict[str, Any]) -> Entry:
    """Write the entry behind the last one, durably."""
    linked = {
        "number": last.number + 1 if last else 1,
        **values,
        "previous": last.hash if last else FIRST,
    }
    plain = as_json(linked)  # as whoever reads the file will see them
    entry = Entry(**plain, hash=_hash(plain))
    os.write(file, f"{entry.line}\n".encode())
    os.fsync(file)
    sync(LEDGER.absolute().parent)
    return entry


def as_json(value: Any) -> Any:
    """The value as JSON holds it.

    A tuple is a list, a number of numpy is a number, a number that is not finite is null, and what
    else JSON does not know is its text. A figure must not stop a promotion halfway.
    """
    if isinstance(value, Mapping):
        return {str(name): as_json(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(each) for each in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if value is None or isinstance(value, str | int):
        return value
    return as_json(value.item()) if hasattr(value, "item") else str(value)


def _json(values: dict[str, Any]) -> str:
    """Canonical JSON: equal values give equal bytes."""
    return json.dumps(values, ensure_ascii=False, separators=(", ", ": "), allow_nan=False)


def _hash(values: Mapping[str, Any]) -> str:
    """The hash of an entry's values, of which `hash` itself is left out."""
    hashed = {name: value for name, value in values.items() if name != "hash"}
    return hashlib.sha256(_json(hashed).encode()).hexdigest()


@contextmanager
def _opened() -> Iterator[int]:
    """The ledger, made where there is none, locked against other writers."""
    file = os.open(LEDGER, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file
    finally:
        os.close(file)


def _repaired(file: int) -> bytes:
    """The whole lines of the file; what a kill left of another one is removed.

    Such a line was never on disk as a whole, so whoever wrote it writes it again.
    """
    content = os.pread(file, os.fstat(file).st_size, 0)
    whole = content[: content.rfind(b"\n") + 1]
    if whole != content:
        os.ftruncate(file, len(whole))
    return whole


def entries() -> list[Entry]:
    """All decisions, the oldest first; a half line at the end is left out.

    Raises:
        BrokenLineError: a line is not an entry. Hashes are not compared: see `broken_line`.
    """
    content = read()
    return _entries(content[: content.rfind(b"\n") + 1])


def read() -> bytes:
    """The file's bytes while nobody writes; empty where there is no ledger."""
    try:
        with LEDGER.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH)
            return file.read()
    except FileNotFoundError:
        return b""


def _entries(content: bytes) -> list[Entry]:
    return [_parsed(i, line) for i, line in enumerate(content.splitlines(), start=1)]


def _parsed(number: int, line: bytes) -> Entry:
    """The entry of a line."""
    try:
        values = json.loads(line)
        if list(values) == [field.name for field in fields(Entry)]:
            return Entry(**values)
    except (ValueError, TypeError):  # not JSON, not UTF-8, not an object
        pass
    shown = printable(line.decode(errors="replace"), limit=40)
    raise BrokenLineError(number, f"is not an entry ({shown})")


def check(content: bytes) -> list[Entry]:
    """The entries of a whole file, each compared with its hash and the hash before it.

    Raises:
        BrokenLineError: of the first line that was changed, or before which one was removed, added
            or moved; of a last line without an end.
    """
    checked: list[Entry] = []
    for i, line in enumerate(content.split(b"\n")[:-1], start=1):
        checked.append(_checked(i, line, checked[-1] if checked else None))
    if not content.endswith(b"\n") and content:
        raise BrokenLineError(
            len(checked) + 1,
            "has no end: a command was killed while it wrote it; its next run writes it again",
        )
    return checked


def _checked(number: int, line: bytes, before: Entry | None) -> Entry:
    """A line's entry, which follows the one before it."""
    entry = _parsed(number, line)
    if entry.line.encode() != line or _hash(asdict(entry)) != entry.hash:
        raise BrokenLineError(number, "was changed: it does not have its hash")
    if entry.previous != (before.hash if before else FIRST) or entry.number != number:
        raise BrokenLineError(
            number,
            f"(entry {entry.number}) does not follow the line before it: "
            "a line was removed, added or moved",
        )
    return entry
