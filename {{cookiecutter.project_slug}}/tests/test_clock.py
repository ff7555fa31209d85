"""The clock that a replay moves: in this process, and in commands that read its file."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

import pytest

from ml import clock
from ml.clock import MovedClock, moment, now, set_clock
from ml.errors import UserError
from tests.serving.conftest import HOME

DAY = 86_400
LONG_AGO = datetime.fromisoformat("2019-05-06T07:08:09+00:00").timestamp()


def test_the_clock_is_the_machines_where_nobody_moves_it() -> None:
    assert now is time.time  # the very function: nothing is added to its cost
    before = time.time()
    assert before <= now() <= moment().timestamp() + 1e-3 <= time.time() + 1e-2
    assert moment().utcoffset() is not None


def test_a_moved_clock_runs_on_and_can_be_moved_again(tmp_path: Path) -> None:
    path = tmp_path / "clock"
    set_clock(path, LONG_AGO)
    reader = MovedClock(path)
    first = reader()
    assert LONG_AGO <= first <= reader() < LONG_AGO + 60
    set_clock(path, LONG_AGO + 10 * DAY)  # the reader has opened the file before
    assert LONG_AGO + 10 * DAY <= reader() < LONG_AGO + 10 * DAY + 60
    assert path.stat().st_size == 8


@pytest.mark.parametrize("content", [None, b"", b"soon"], ids=["missing", "empty", "short"])
def test_a_file_that_is_no_clock_is_a_users_error(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "clock"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=r"ML_CLOCK: .*clock: "):
        MovedClock(path)()


def test_a_command_reads_the_moved_clock(tmp_path: Path) -> None:
    set_clock(tmp_path / "clock", LONG_AGO)
    assert in_a_process("moment().isoformat()", tmp_path / "clock").startswith("2019-05-06T07:08")
    assert "UserError" in in_a_process("now()", tmp_path / "nowhere")


def in_a_process(expression: str, path: Path) -> str:
    """What a new Python answers under a clock; an error's last line."""
    done = subprocess.run(
        [sys.executable, "-c", f"from ml.clock import *; print({expression})"],
        env={**os.environ, "PYTHONPATH": str(HOME), clock.VARIABLE: str(path)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() or done.stderr
