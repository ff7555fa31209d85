"""A file of a folder appears whole; what a killed process left behind is swept."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from ml.errors import UserError
from ml.scale.store import OLD_DRAFT_SECONDS, Store


def test_files_are_written_listed_read_and_removed(tmp_path: Path) -> None:
    store = Store(f"{tmp_path}/out/")
    assert store.sizes() == {}
    store.write_json("a/b.json", {"é": 1})
    store.write("c", b"12")
    assert store.sizes() == {"a/b.json": len(store.read("a/b.json")), "c": 2}
    store.fetch("a", tmp_path / "copy")
    assert (tmp_path / "copy/b.json").read_bytes() == store.read("a/b.json")
    store.remove("c")
    store.remove("c")
    assert set(store.sizes()) == {"a/b.json"}


def test_a_draft_that_fails_leaves_nothing_and_two_do_not_meet(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    with pytest.raises(ZeroDivisionError), store.draft("file") as draft:
        draft.write_bytes(b"half"[: 1 // len(store.sizes())])  # nothing is seen of it yet
    assert list(tmp_path.iterdir()) == []
    with store.draft("file") as one, store.draft("file") as other:
        one.write_bytes(b"whole")
        other.write_bytes(b"whole")
    assert store.read("file") == b"whole"


def test_old_drafts_are_swept_and_new_ones_kept(tmp_path: Path) -> None:
    old, new = tmp_path / ".a.1.draft", tmp_path / ".b.2.draft"
    for draft in (old, new):
        draft.touch()
    moment = time.time() - OLD_DRAFT_SECONDS - 60
    os.utime(old, (moment, moment))
    Store(str(tmp_path)).sweep()
    assert list(tmp_path.iterdir()) == [new]


def test_an_address_that_nobody_knows_is_told() -> None:
    with pytest.raises(UserError, match="ftpx://bucket/folder"):
        Store("ftpx://bucket/folder")
