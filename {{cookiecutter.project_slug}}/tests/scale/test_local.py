"""Parts in processes of this machine: each fault costs its own part, and nothing hangs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ml.scale.local import LocalPool
from ml.scale.part import Outcome, Part
from ml.scale.run import Ended, run_parts
from tests.conftest import HERE
from tests.scale.conftest import wait_for
from tests.scale.tasks import task


def run(*words: str, workers: int = 2, seconds: float = 0.5) -> Ended:
    parts = [Part(f"part-{i}", word) for i, word in enumerate(words)]
    return run_parts(LocalPool(workers), task, parts, seconds, "parts")


def problems(ended: Ended) -> dict[str, str]:
    return {outcome.part.name: outcome.answer.problem for outcome in ended.failed}


def test_a_poisoned_part_is_named_and_the_others_are_done(
    capsys: pytest.CaptureFixture[str],
) -> None:
    ended = run("a", "dies", "b", "hangs", "c", "raises:no\nsuch", "refuses:column", "d")
    assert problems(ended) == {
        "part-1": "its process died (SIGKILL)",
        "part-3": "was not done within 0.5 seconds",
        "part-5": "ValueError: no\\nsuch",
        "part-6": "column",
    }
    assert ended.results == {"part-0": "a", "part-2": "b", "part-4": "c", "part-7": "d"}
    told = capsys.readouterr().err.splitlines()
    # a person's mistake is not tried again
    assert [line.split(":")[0] for line in sorted(told)] == ["part-1", "part-3", "part-5"]
    assert all(line.endswith("is tried again, alone") for line in told)


def test_a_part_that_died_by_accident_is_done_the_second_time(tmp_path: Path) -> None:
    ended = run(f"once:{tmp_path}/seen", "a")
    assert problems(ended) == {}
    assert set(ended.results) == {"part-0", "part-1"}


def test_a_process_is_used_again() -> None:
    ended = run(*["process"] * 4, workers=1)
    assert len(set(ended.results.values())) == 1
    assert os.getpid() not in ended.results.values()


def test_without_a_limit_a_part_may_take_its_time() -> None:
    assert run("sleeps:0.6", seconds=0).results == {"part-0": None}


def test_a_process_that_was_killed_while_it_waited_costs_no_part() -> None:
    pool = LocalPool(1)
    parts = [Part("first", "process"), Part("second", "process")]
    found: list[Outcome] = []
    for outcome in pool.outcomes(task, parts, 5):
        found.append(outcome)
        if len(found) == 1:
            os.kill(outcome.answer.result, signal.SIGKILL)
            wait_for(lambda: not is_running(str(found[0].answer.result)))
    assert [outcome.answer.problem for outcome in found] == ["", ""]


ORPHANS = """
from ml.scale.local import LocalPool
from ml.scale.part import Part
from tests.scale.tasks import task

if __name__ == "__main__":
    for outcome in LocalPool(2).outcomes(task, [Part("a", "process"), Part("b", "hangs")], 1):
        print(outcome.answer.result, flush=True)
"""


def test_processes_end_with_the_one_that_started_them(tmp_path: Path) -> None:
    """The idle one when the pipe closes; the one that hangs at the limit of its part."""
    program = tmp_path / "orphans.py"
    program.write_text(ORPHANS)
    env = {**os.environ, "PYTHONPATH": str(HERE)}
    words = [sys.executable, str(program)]
    with subprocess.Popen(words, env=env, stdout=subprocess.PIPE, text=True) as client:
        assert client.stdout is not None
        assert int(client.stdout.readline()) > 0
        children = Path(f"/proc/{client.pid}/task/{client.pid}/children").read_text().split()
        client.kill()
    assert len(children) >= 2
    wait_for(lambda: not any(is_running(child) for child in children), 20)


def is_running(process: str) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_a_stopped_process_is_ended_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own timer cannot end it: it does not run."""
    monkeypatch.setattr("ml.scale.local.GRACE_SECONDS", 0.5)
    started = time.monotonic()
    pool = LocalPool(1)
    (outcome,) = pool.outcomes(stop_itself, [Part("stopped", "")], 0.5)
    assert outcome.answer.problem == "was not done within 0.5 seconds"
    assert time.monotonic() - started < 60


def stop_itself(_: str) -> None:
    """Be stopped as by a debugger."""
    os.kill(os.getpid(), signal.SIGSTOP)
