"""A retrain that cannot be carried out for a passing reason: the next pass goes on with it."""

from __future__ import annotations

import fcntl
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from ml.ledger import chain
from ml.loop import memory, train_challenger
from ml.loop.run import run_pass
from tests.loop.loops import actions, champion
from tests.loop.traffic import rows, serve

pytestmark = pytest.mark.slow


@contextmanager
def dvc_in_use() -> Iterator[None]:
    """Another DVC command runs."""
    with Path(".dvc/tmp/lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def registry_in_use() -> Iterator[None]:
    """Another program has locked the registry."""
    with closing(sqlite3.connect("mlflow.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield


def test_locks_of_others_are_no_refusals_and_the_retrain_is_finished(looped: Path) -> None:
    window = serve(0, rows(600, 1, turned=True))
    for nth, in_use in enumerate((dvc_in_use, registry_in_use), 1):
        with in_use():
            outcome = run_pass(window)
        assert outcome.action == memory.STOPPED, outcome
        past = memory.memory(chain.entries())
        assert (past.refusals, past.stops) == (0, nth)
        assert champion() == ("1", "1")
    assert run_pass(window).action == "promote"
    assert champion() == ("2", "2")
    assert actions().count("retrain") == 1
    assert len(list(Path("data/raw").glob("*-journal.parquet"))) == 1


def test_what_stops_it_again_and_again_is_given_up_and_costs_no_rows(looped: Path) -> None:
    window = serve(0, rows(600, 1, turned=True))
    with dvc_in_use():
        ends = [run_pass(window).action for _ in range(train_challenger.TRIES)]
    assert ends == [memory.STOPPED, memory.STOPPED, memory.ABANDONED]
    past = memory.memory(chain.entries())
    assert (past.refusals, past.unfinished, past.consumed) == (0, None, 0.0)


def test_rows_that_the_pipeline_refuses_are_a_refusal(looped: Path) -> None:
    Path("contract.yaml").write_text(
        Path("contract.yaml").read_text(encoding="utf-8").replace("[basic", "[basik"),
        encoding="utf-8",
    )
    outcome = run_pass(serve(0, rows(600, 1, turned=True)))
    assert outcome.action == memory.FAILED, outcome
    past = memory.memory(chain.entries())
    assert (past.refusals, past.unfinished) == (1, None)
