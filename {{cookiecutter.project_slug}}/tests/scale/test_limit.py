"""The operating system ends a process whose part takes too long; a part in time changes nothing."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from threading import Thread

import pytest

from ml.scale.limit import limited
from tests.conftest import HERE

TWO_THREADS = """
import time
from threading import Thread
from ml.scale.limit import limited

def part(seconds, limit):
    with limited(limit):
        time.sleep(seconds)

late = Thread(target=part, args=(60, 0.5))
in_time = Thread(target=part, args=(0.1, 30))
late.start(); in_time.start(); in_time.join()
print("one is done", flush=True)
late.join()
"""
BUSY = """
import re
from ml.scale.limit import limited
with limited(0.3):
    re.match("(a+)+b", "a" * 60)  # years, without giving the interpreter back
"""


@pytest.mark.parametrize(("program", "said"), [(TWO_THREADS, "one is done\n"), (BUSY, "")])
def test_a_process_that_is_kept_too_long_ends(program: str, said: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=HERE,
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )
    assert (done.returncode, done.stdout) == (-signal.SIGALRM, said)


def test_in_time_and_without_a_limit_nothing_happens() -> None:
    def part(limit: float) -> None:
        with limited(limit):
            time.sleep(0.02)

    threads = [Thread(target=part, args=(limit,)) for limit in (0, 60, 90, 60)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_the_timer_is_off_after_an_error() -> None:
    with pytest.raises(ZeroDivisionError), limited(60):
        1 / 0  # noqa: B018
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
