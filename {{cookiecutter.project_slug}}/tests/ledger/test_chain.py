"""The ledger's file: appended once for each decision, repaired after a kill, checked by hashes."""

from __future__ import annotations

import json
import os
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ml.ledger import chain
from ml.ledger.chain import LEDGER, BrokenLineError, check, entries, record


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def three() -> list[bytes]:
    """The lines of a ledger of three decisions."""
    for number in ("1", "2", "3"):
        record("promote", why=f"because of {number}", to_version=number, evidence={"n": (1, 2.5)})
    return LEDGER.read_bytes().splitlines(keepends=True)


def broken_at(lines: list[bytes]) -> int | None:
    """The number of the first broken line."""
    try:
        check(b"".join(lines))
    except BrokenLineError as error:
        return error.number
    return None


def test_no_ledger_holds_no_entry() -> None:
    assert entries() == []
    assert check(chain.read()) == []
    assert not LEDGER.exists()


def test_an_entry_says_who_when_from_to_why_with_evidence_and_hashes() -> None:
    at = datetime(2026, 11, 3, 12, 0, tzinfo=UTC)
    written = record(
        "promote",
        why="better",
        who="Ada",
        from_version="1",
        to_version="2",
        evidence={"gain": 0.02},
        hashes={"bundle": "ab"},
        decision="d1",
        at=at,
    )
    assert entries() == [written] == check(LEDGER.read_bytes())
    assert (written.number, written.moment, written.previous) == (1, at, chain.FIRST)
    assert json.loads(LEDGER.read_text(encoding="utf-8"))["at"] == "2026-11-03T12:00:00.000+00:00"


def test_a_decision_is_written_once() -> None:
    first = record("promote", why="better", decision="d1")
    record("promote", why="better", decision="d2")
    assert record("promote", why="said again", decision="d1") == first
    assert [entry.decision for entry in entries()] == ["d1", "d2"]


def test_values_become_what_a_reader_sees() -> None:
    three()
    assert entries()[0].evidence == {"n": [1, 2.5]}
    assert broken_at(LEDGER.read_bytes().splitlines(keepends=True)) is None


def test_figures_that_json_does_not_know() -> None:
    figures = {"gain": np.float32(0.5), "n": np.int64(3), "p": float("nan"), "to": Path("a")}
    written = record("promote", why="better", evidence=figures)
    assert written.evidence == {"gain": 0.5, "n": 3, "p": None, "to": "a"}
    assert check(LEDGER.read_bytes()) == [written]


@pytest.mark.parametrize("left", [1, 20, 200])
def test_half_a_line_of_a_kill_is_repaired(left: int) -> None:
    lines = three()
    LEDGER.write_bytes(b"".join(lines[:2]) + lines[2][:left])
    assert [entry.to_version for entry in entries()] == ["1", "2"]
    assert broken_at([LEDGER.read_bytes()]) == 3
    record("promote", why="again", to_version="3")
    assert [entry.to_version for entry in check(LEDGER.read_bytes())] == ["1", "2", "3"]


def test_a_changed_line_is_found() -> None:
    first, second, third = three()
    assert broken_at([first, second.replace(b"because", b"despite"), third]) == 2
    assert broken_at([first, second.replace(b'": ', b'":', 1), third]) == 2


def test_a_changed_line_with_a_new_hash_is_found_by_the_next() -> None:
    first, second, third = three()
    values = json.loads(second)
    values["why"] = "for no reason"
    forged = json.dumps({**values, "hash": chain._hash(values)}).encode() + b"\n"
    assert broken_at([first, forged, third]) == 3


def test_a_removed_a_moved_and_a_repeated_line_are_found() -> None:
    first, second, third = three()
    assert broken_at([first, third]) == 2
    assert broken_at([second, third]) == 1
    assert broken_at([first, third, second]) == 2
    assert broken_at([first, second, second, third]) == 3
    assert broken_at([first, second, third]) is None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(data=st.data())
def test_any_changed_byte_is_found(data: st.DataObject) -> None:
    if not LEDGER.exists():
        three()
    content = LEDGER.read_bytes()
    place = data.draw(st.integers(0, len(content) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda byte: byte != content[place]))
    with pytest.raises(BrokenLineError):
        check(content[:place] + bytes([byte]) + content[place + 1 :])


def test_a_line_that_is_no_entry_stops_the_next_decision() -> None:
    lines = three()
    LEDGER.write_bytes(b"".join([*lines[:2], b"<<<<<<< HEAD\n", lines[2]]))
    with pytest.raises(BrokenLineError, match=r"ledger.jsonl: line 3 is not an entry \(<<<<<<<"):
        record("promote", why="better")


def test_who_is_gits_user(folder: Path) -> None:
    os.system("git init -q . && git config user.name 'Ada Lovelace'")  # noqa: S605
    assert record("promote", why="better").who == "Ada Lovelace"


def several(worker: int) -> None:
    for number in range(20):
        record("look", why="nothing", who="loop", decision=f"{worker}-{number}")


def test_two_processes_write_one_chain() -> None:
    with ProcessPoolExecutor(2, mp_context=get_context("fork")) as pool:
        list(pool.map(several, range(2)))
    assert len(check(LEDGER.read_bytes())) == 40
