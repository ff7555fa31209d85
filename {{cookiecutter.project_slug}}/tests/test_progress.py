"""The clock and the bars: shown to a person at a terminal, nothing in a log."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from ml.contract import Source
from ml.dataset.reader import read_texts
from ml.progress import counting, reading, working


@pytest.fixture(params=["x.csv", "x.csv.gz"])
def table(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    data = b"a,b\n" + b"1,2\n" * 1000
    path = tmp_path / str(request.param)
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def test_a_terminal_shows_each_file_and_the_clock(
    table: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TTY_INTERACTIVE", "1")
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    with working("ingest"), reading() as watch:
        assert read_texts(table, Source(), watch).num_rows == 1000
    shown = capsys.readouterr().err
    assert f"reading {table.name}" in shown
    assert "ingest" in shown


def test_a_terminal_shows_each_step_and_what_is_counted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TTY_INTERACTIVE", "1")
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    with working("opening the registry") as next_step:
        next_step("logging the run")
    with counting("scoring", 300) as advance:
        advance(128)
        advance(72)
    shown = capsys.readouterr().err
    assert "logging the run" in shown
    assert "200/300" in shown


def test_a_log_holds_no_bars(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with working("ingest") as next_step, reading() as watch, counting("rows", 2) as advance:
        next_step("validate")
        advance(1)
        assert read_texts(table, Source(), watch).num_rows == 1000
    assert capsys.readouterr().err == ""
