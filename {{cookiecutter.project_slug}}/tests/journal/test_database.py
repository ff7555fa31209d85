"""Addresses and errors are shown without secrets; one process at a time writes to a sqlite file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import sqlalchemy as sa

from ml.journal.database import WriteLock, first_line, lock_file, without_password


def test_a_password_is_not_shown() -> None:
    assert without_password("postgresql://me:secret@host/db") == "postgresql://me:***@host/db"
    assert without_password("no address") == "(not an address)"


def test_an_error_is_one_short_line_without_a_path() -> None:
    assert first_line(PermissionError(13, "Permission denied", "/a/b")) == "Permission denied"
    assert first_line(ValueError("first\nsecond")) == "first"
    assert first_line(ValueError()) == "ValueError"


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "postgresql://host/db"])
def test_only_a_file_has_a_lock(url: str) -> None:
    assert lock_file(sa.make_url(url)) is None


def test_the_lock_of_another_writer_is_waited_for_and_not_taken(tmp_path: Path) -> None:
    url = sa.make_url(f"sqlite:///{tmp_path}/journal.db")
    files = lock_file(url), lock_file(url)
    mine, theirs = (WriteLock(file) for file in files)
    with mine.hold(1.0) as seconds_left:
        assert 0 < seconds_left <= 1
        assert not theirs.try_acquire(0.01)
        with pytest.raises(TimeoutError, match=r"locked by another process, waited 0\.01 s"):
            theirs.hold(0.01).__enter__()
    assert theirs.try_acquire(0.01)
    theirs.release()
    for file in files:
        assert file is not None
        os.close(file)
