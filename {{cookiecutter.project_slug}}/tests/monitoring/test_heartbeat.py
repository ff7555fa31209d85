"""A loop that stopped is noticed; one that was never on a schedule is not missed."""

from __future__ import annotations

from pathlib import Path

from ml.monitoring.heartbeat import beat, stopped


def test_a_loop_counts_as_stopped_after_two_intervals(tmp_path: Path) -> None:
    path = tmp_path / "loop.json"
    assert stopped(0.0, path) is None
    beat(1000.0, "nothing", 1100.0, path)
    assert stopped(1199.0, path) is None
    assert "ml loop --watch" in str(stopped(1201.0, path))


def test_single_passes_are_nobody_s_schedule(tmp_path: Path) -> None:
    beat(1000.0, "nothing", None, tmp_path / "loop.json")
    assert stopped(1e12, tmp_path / "loop.json") is None


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "loop.json"
    for text in ("", "{}", "[1]", "{"):
        path.write_text(text, encoding="utf-8")
        assert "loop.json: cannot be read" in str(stopped(0.0, path))
