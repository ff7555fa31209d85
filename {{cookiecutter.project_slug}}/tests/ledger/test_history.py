"""`ml history`: the table, the champion at a moment, and what `--verify` finds."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from rich.console import Console

from ml.errors import UserError
from ml.ledger import chain, history
from ml.ledger.chain import LEDGER, record
from ml.ledger.history import Noted, answered_at, champion_at, verify

START = datetime(2026, 11, 1, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose champions are 3 (before the ledger), 4, 5, and 4 again, a day each."""
    monkeypatch.chdir(tmp_path)
    record("promote", why="better", from_version="3", to_version="4", at=START)
    record("refuse", why="worse", from_version="4", to_version="6", at=day(0.5))
    record("promote", why="better", who="loop", from_version="4", to_version="5", at=day(1))
    record("rollback", why="slow " * 40, from_version="5", to_version="4", at=day(2))
    return tmp_path


def day(number: float) -> datetime:
    """So many days after the first decision."""
    return START + timedelta(days=number)


def lines() -> list[bytes]:
    """The ledger's lines."""
    return LEDGER.read_bytes().splitlines(keepends=True)


def commit() -> None:
    """Put the ledger into git."""
    for words in ("init -q", "add ledger.jsonl", "commit -qm decided"):
        user = ("-c", "user.name=test", "-c", "user.email=test@example.invalid")
        subprocess.run(["git", *user, *words.split()], check=True)


@pytest.mark.parametrize(
    ("moment", "version", "line"),
    [(day(-9), "3", 1), (day(0), "4", 1), (day(0.7), "4", 1), (day(1), "5", 3), (day(9), "4", 4)],
)
def test_the_champion_at_a_moment(moment: datetime, version: str, line: int) -> None:
    answered, entry = champion_at(moment, chain.entries())
    assert (answered, entry.number) == (version, line)


def test_a_moment_without_a_zone_is_utc(capsys: pytest.CaptureFixture[str]) -> None:
    answered_at("2026-11-02T14:00")
    answered_at("2026-11-02T14:00+05:00")
    first, second = capsys.readouterr().out.splitlines()
    assert (
        first == "2026-11-02 14:00:00 UTC: version 5 (since 2026-11-02T12:00:00, line 3: promote)"
    )
    assert second.startswith(
        "2026-11-02 09:00:00 UTC: version 4 (since 2026-11-01T12:00:00, line 1"
    )


def test_what_is_no_moment_and_what_is_not_known() -> None:
    with pytest.raises(UserError, match="--at yesterday: not a moment"):
        answered_at("yesterday")
    LEDGER.unlink()
    with pytest.raises(UserError, match="no version was promoted yet"):
        answered_at("2026-11-02T14:00")


def test_the_table_fits_80_columns(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console(width=80, force_terminal=False)
    console.print(history.table(chain.entries()))
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= 80
    assert "4 → 5" in shown
    assert shown.count("slow") == 40


def test_names_in_the_table_do_not_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    record("promote", why="[red]x[/] \x1b[2J", who="Eve\x1b]0;", to_version="7")
    history.history()
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "[red]x" in shown


def test_an_unbroken_ledger(capsys: pytest.CaptureFixture[str]) -> None:
    commit()
    last = record("promote", why="better", from_version="4", to_version="7")
    assert verify(Noted(last.number, last.hash)) == []
    assert capsys.readouterr().out == (
        "ledger.jsonl: 5 lines, unbroken; git's last commit has 4 of them, the registry knows 5\n"
    )


def test_a_changed_a_removed_and_a_moved_line_are_named() -> None:
    first, second, third, fourth = lines()
    for changed, line in (
        ([first, second.replace(b"worse", b"fine"), third, fourth], 2),
        ([first, second, fourth], 3),
        ([first, third, second, fourth], 2),
        ([second, third, fourth], 1),
    ):
        LEDGER.write_bytes(b"".join(changed))
        (problem,) = verify(None)
        assert f"ledger.jsonl: line {line} " in problem


def test_a_missing_end_is_known_to_git() -> None:
    commit()
    LEDGER.write_bytes(b"".join(lines()[:2]))
    (problem,) = verify(None)
    assert "line 3 is missing: git's last commit has it" in problem
    LEDGER.unlink()
    assert "line 1 is missing" in verify(None)[0]


def test_a_missing_end_is_known_to_the_registry() -> None:
    last = chain.entries()[-1]
    LEDGER.write_bytes(b"".join(lines()[:2]))
    assert verify(None) == []  # nobody kept the end
    (problem,) = verify(Noted(last.number, last.hash))
    assert "line 3 is missing: the registry knows 4" in problem


def test_a_chain_that_was_written_anew_is_known_to_both() -> None:
    last = chain.entries()[-1]
    commit()
    LEDGER.unlink()
    for number in range(4):
        record("promote", why="better", to_version=str(number))
    (problem,) = verify(None)
    assert "line 1 differs" in problem
    subprocess.run(["git", "update-ref", "-d", "HEAD"], check=True)
    (problem,) = verify(Noted(last.number, last.hash))
    assert "line 4 is not the one that the registry knows" in problem
