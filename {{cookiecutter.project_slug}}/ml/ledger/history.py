"""`ml history`: the decisions as a table, which version answered at a moment, and whether it holds.

Reads: ledger.jsonl, and git's last commit of it.
"""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from itertools import zip_longest
from typing import NamedTuple

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from ml.errors import SENTENCE, UserError, printable
from ml.ledger.chain import LEDGER, MOVES, BrokenLineError, Entry, check, entries, read


class Noted(NamedTuple):
    """The ledger's last line as the registry knows it."""

    number: int
    hash: str


def history() -> None:
    """Print every decision."""
    decisions = entries()
    if not decisions:
        print(f"{LEDGER}: no decision yet\nnext: make release")
        return
    console = Console()
    console.print(table(decisions))
    console.print("next: ml history --verify, or make release")


def table(decisions: list[Entry]) -> Table:
    """A line for each decision; it fits 80 columns."""
    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("", "when (UTC)", "who", "decision", "version", "why"):
        widest = 10 if heading == "who" else None
        drawn.add_column(
            heading, overflow="fold", no_wrap=heading.startswith("when"), max_width=widest
        )
    for entry in decisions:
        at = f"{entry.moment:%Y-%m-%d %H:%M}"
        shown = (str(entry.number), at, entry.who, entry.action, versions(entry))
        drawn.add_row(*map(_cell, shown), _cell(entry.why))
    return drawn


def _cell(value: str) -> Text:
    return Text(printable(value, SENTENCE))


def versions(entry: Entry) -> str:
    """The versions of a decision: `1 → 2`, where the champion changed; else the one it is about."""
    if entry.action in MOVES and entry.from_version:
        return f"{entry.from_version} → {entry.to_version}"
    return entry.to_version or ""


def answered_at(text: str) -> None:
    """Print which version was champion at a moment.

    Args:
        text: ISO 8601; without a zone it is UTC.

    Raises:
        UserError: it is no moment, or the ledger knows nothing of it.
    """
    moment = _moment(text)
    version, entry = champion_at(moment, entries())
    shown = f"{moment:%Y-%m-%d %H:%M:%S} UTC"
    if not version:
        raise UserError(f"{LEDGER}: knows of no champion at {shown}", "ml history")
    since = (
        f"since {entry.at[:19]}, line {entry.number}: {entry.action}"
        if entry.moment <= moment
        else f"until {entry.at[:19]}, line {entry.number}; what was before is not known"
    )
    print(f"{shown}: version {version} ({since})")


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UserError(
            f"--at {text}: not a moment of ISO 8601", "ml history --at 2026-11-03T12:00"
        ) from None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def champion_at(moment: datetime, decisions: list[Entry]) -> tuple[str | None, Entry]:
    """The champion at a moment, and the decision that says so.

    That is the last one before, or the first one after, which names the champion that it replaced.

    Raises:
        UserError: the ledger knows of no champion at all.
    """
    moves = [entry for entry in decisions if entry.action in MOVES]
    if not moves:
        raise UserError(f"{LEDGER}: no version was promoted yet", "make release")
    before = [entry for entry in moves if entry.moment <= moment]
    return (before[-1].to_version, before[-1]) if before else (moves[0].from_version, moves[0])


def verify(noted: Noted | None) -> list[str]:
    """Print whether the ledger is what was written; the problems.

    A changed, removed or moved line breaks the chain at its number. Lines that are missing at the
    end, and a chain that was written anew, are seen where git's last commit or the registry knows
    more lines, or others.

    Args:
        noted: the last line as the registry knows it; None: it knows none, or was not asked.
    """
    content, committed = read(), committed_bytes()
    asked = [_broken(content), _uncommitted(content, committed)]
    problems = [problem for problem in asked if problem]
    if noted and not problems:
        problems = _differs_from_noted(noted, content)
    console = Console(soft_wrap=True)
    for problem in problems:
        console.print(f"[red]broken:[/] {escape(problem)}", highlight=False)
    if not problems:
        print(_unbroken(content, committed, noted))
    return problems


def _unbroken(content: bytes, committed: bytes, noted: Noted | None) -> str:
    """What was compared, in words."""
    lines, in_git = len(content.splitlines()), len(committed.splitlines())
    known = f"the registry knows {noted.number}" if noted else "the registry knows none"
    return f"{LEDGER}: {lines} lines, unbroken; git's last commit has {in_git} of them, {known}"


def _broken(content: bytes) -> str | None:
    try:
        check(content)
    except BrokenLineError as error:
        return error.what
    return None


def _uncommitted(content: bytes, committed: bytes) -> str | None:
    """The first line that git's last commit has otherwise."""
    pairs = zip_longest(committed.splitlines(), content.splitlines())
    for i, (then, now) in enumerate(pairs, start=1):
        if then is not None and then != now:
            how = "is missing" if now is None else "differs"
            return f"{LEDGER}: line {i} {how}: git's last commit has it (`git diff {LEDGER}`)"
    return None


def _differs_from_noted(noted: Noted, content: bytes) -> list[str]:
    decisions = check(content)
    missing = len(decisions) + 1
    if noted.number >= missing:
        return [f"{LEDGER}: line {missing} is missing: the registry knows {noted.number}"]
    if decisions[noted.number - 1].hash != noted.hash:
        return [f"{LEDGER}: line {noted.number} is not the one that the registry knows"]
    return []


def committed_bytes() -> bytes:
    """The ledger as the last commit has it; empty where there is none, or no git."""
    try:
        shown = ["git", "show", f"HEAD:./{LEDGER}"]
        done = subprocess.run(shown, capture_output=True, check=False)
    except FileNotFoundError:
        return b""
    return done.stdout if done.returncode == 0 else b""
