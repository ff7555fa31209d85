"""The ledger knows a person by a salted hash, which answers who knows the id and nobody else."""

from __future__ import annotations

from pathlib import Path

import pytest

from ml.erasure import person
from ml.ledger import chain


@pytest.fixture
def entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> chain.Entry:
    monkeypatch.chdir(tmp_path)
    return chain.record("forget", why="asked for", hashes=person.hashed(["c-1", "c-2", "c-1"]))


def test_who_knows_the_id_finds_the_line(entry: chain.Entry) -> None:
    assert person.is_about(entry, ["c-2", "c-1"])
    assert not person.is_about(entry, ["c-1"])
    assert person.names(entry, "c-1")
    assert not person.names(entry, "c-3")
    assert not person.is_about(entry, [])


def test_the_id_is_not_in_it_and_two_lines_share_no_hash(entry: chain.Entry) -> None:
    assert "c-1" not in entry.line
    other = person.hashed(["c-1", "c-2"])
    assert other["salt"] != entry.hashes["salt"]
    assert other[person.ROW_IDS] != entry.hashes[person.ROW_IDS]


def test_a_line_of_another_kind_is_about_nobody(entry: chain.Entry) -> None:
    other = chain.record("promote", why="better")
    assert not person.is_about(other, ["c-1"])
    assert not person.names(other, "c-1")
