"""`ml load` against the real service: quick enough, and stopped for some seconds on purpose."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ml.contract import load_contract
from ml.dataset.frame import frame_of_rows
from ml.errors import UserError
from ml.journal.store import Journal
from ml.load_test.commands import OUTPUT, load
from tests.serving.conftest import CLASSIFICATION, HOME, Running, Start, sample_rows

LIMIT = 5000.0  # milliseconds; a healthy service is far below it on any machine
PAUSE = 12.0  # seconds; far above it


@pytest.fixture
def referenced(project: Path) -> Path:
    """A project whose champion has its reference."""
    champion = project / "serving" / "champion"
    frame = frame_of_rows(
        sample_rows(CLASSIFICATION, 50), load_contract(champion / "contract.json")
    )
    frame.to_parquet(champion / "reference.parquet")
    return project


@contextmanager
def stopped(server: Running, after: float) -> Iterator[None]:
    """The server stands still for `PAUSE` seconds, from so many seconds on."""

    def stop() -> None:
        time.sleep(after)
        server.process.send_signal(signal.SIGSTOP)
        time.sleep(PAUSE)
        server.process.send_signal(signal.SIGCONT)

    thread = threading.Thread(target=stop)
    thread.start()
    try:
        yield
    finally:
        thread.join()


def test_a_healthy_service_meets_it_and_a_stopped_one_does_not(
    referenced: Path, start: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    server = start()
    assert load(server.url, rate=200, p99_ms=LIMIT, seconds=0.5) == 0
    assert "verdict: met" in capsys.readouterr().out
    with stopped(server, after=2.5):
        assert load(server.url, rate=200, p99_ms=LIMIT, seconds=0.5) == 3
    assert "verdict: missed" in capsys.readouterr().out
    told = json.loads((OUTPUT / "load.json").read_text(encoding="utf-8"))
    assert told["objective"] == {"p99_ms": LIMIT, "rate": 200}
    assert [step["requests"] for step in told["steps"]] == [25, 50, 75, 1000]
    assert (OUTPUT / "load.svg").is_file()


def test_its_own_service_leaves_nothing_in_the_journal(
    referenced: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(HOME))
    assert load(rate=500, seconds=0.5) == 0
    assert "verdict: reported" in capsys.readouterr().out
    assert not list(Path("serving").glob(".load-*"))
    assert not list(Journal().predictions())


@pytest.mark.parametrize(
    ("url", "told"), [("ftp://there", "not an http address"), ("http://127.0.0.1:9", "not ready")]
)
def test_a_wrong_address_is_one_line(referenced: Path, url: str, told: str) -> None:
    with pytest.raises(UserError, match=told):
        load(url)


def test_without_a_release_there_is_nothing_to_test(project: Path) -> None:
    with pytest.raises(UserError, match="no version is released here"):
        load()
