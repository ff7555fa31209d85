"""Requests that come together are committed together; one that comes alone waits for no other."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from ml.journal.group_commit import GroupCommitWriter
from ml.journal.records import Record
from ml.journal.store import Journal, JournalError

pytestmark = pytest.mark.usefixtures("unhurried")


def entry(name: str) -> Record:
    return Record(name, 1.0, "1", "champion", None, "{}", '"no"', None)


async def ask(writer: GroupCommitWriter, caller: int, times: int) -> None:
    """A caller that sends its next row when the last one is durable, each with its own delay."""
    for i in range(times):
        await writer.write([entry(f"{caller}-{i}")])
        for _ in range(caller % 3):  # turns of the loop
            await asyncio.sleep(0)


def groups(url: str, callers: int, times: int) -> list[int]:
    """Rows of each commit."""
    commits: list[int] = []

    async def run() -> None:
        writer = GroupCommitWriter(Journal(url), 1000, lambda rows, _seconds: commits.append(rows))
        await asyncio.gather(*(ask(writer, caller, times) for caller in range(callers)))
        writer.close()

    asyncio.run(run())
    return commits


def test_callers_that_wait_are_committed_together(tmp_path: Path) -> None:
    commits = groups(f"sqlite:///{tmp_path}/journal.db", 8, 40)
    assert sum(commits) == 320 == Journal(f"sqlite:///{tmp_path}/journal.db").count()
    # of eight callers; those that fell behind the first time caught up
    assert sum(commits) / len(commits) > 7


def test_a_caller_alone_is_committed_at_once(tmp_path: Path) -> None:
    assert groups(f"sqlite:///{tmp_path}/journal.db", 1, 40) == [1] * 40


def test_a_burst_that_ends_leaves_nobody_waiting(tmp_path: Path) -> None:
    commits: list[int] = []

    async def run() -> None:
        writer = GroupCommitWriter(
            Journal(f"sqlite:///{tmp_path}/journal.db"),
            1000,
            lambda rows, _seconds: commits.append(rows),
        )
        await asyncio.gather(*(writer.write([entry(f"burst-{i}")]) for i in range(50)))
        await asyncio.wait_for(writer.write([entry("alone")]), 120)
        await asyncio.wait_for(writer.write([entry("again")]), 120)
        writer.close()

    asyncio.run(run())
    assert commits == [50, 1, 1]


def test_too_many_waiting_rows_are_refused(tmp_path: Path) -> None:
    async def run() -> None:
        writer = GroupCommitWriter(
            Journal(f"sqlite:///{tmp_path}/journal.db"), 2, lambda _rows, _seconds: None
        )
        first = asyncio.gather(*(writer.write([entry(f"a{i}")]) for i in range(2)))
        await asyncio.sleep(0)
        with pytest.raises(JournalError, match="2 rows are waiting"):
            await writer.write([entry("b")])
        await first
        writer.close()

    asyncio.run(run())
