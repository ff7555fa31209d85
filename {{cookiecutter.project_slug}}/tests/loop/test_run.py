"""Passes of the loop on a real project; journal, DVC, git, registry and link are asked."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ml.bundle import load_bundle
from ml.journal.store import Journal
from ml.ledger import chain
from ml.loop.run import run_pass
from ml.monitoring.quarantine import load as quarantined
from tests.conftest import HERE, command, commit, write_settings
from tests.loop.loops import actions, champion
from tests.loop.traffic import rows, serve, span

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.slow


def test_nothing_happens_where_nothing_changed(looped: Path) -> None:
    outcome = run_pass(serve(0, rows(300, 1)))
    assert outcome.action == "nothing", outcome
    assert champion() == ("1", "1")
    assert "retrain" not in actions()
    assert not Path("data/raw/0002-journal.parquet").exists()


def test_decay_becomes_a_better_champion(looped: Path) -> None:
    """The concept turns round; the ledger, the data's version and three commits tell the story."""
    outcome = run_pass(serve(0, rows(600, 1, turned=True)))
    assert (outcome.verdict.verdict, outcome.action) == ("decay", "promote"), outcome
    assert champion() == ("2", "2")
    assert actions()[-2:] == ["retrain", "promote"]
    begun, promoted = list(chain.entries())[-2:]
    assert promoted.evidence["retrain"] == begun.decision
    assert begun.evidence["fresh_rows"] == 600
    log = command(looped, "git", "log", "--format=%an: %s").stdout.splitlines()
    assert [line.split(":")[1].strip() for line in log[:3]] == ["Ledger", "Model", "Data"]
    assert command(looped, "git", "status", "--porcelain").stdout == ""
    assert run_pass(serve(1, rows(300, 2, turned=True))).verdict.verdict != "decay"


def test_broken_data_is_quarantined_and_never_trained_on(looped: Path) -> None:
    outcome = run_pass(serve(0, rows(600, 1, turned=True, cents=True)))
    assert outcome.action == "quarantine", outcome
    assert [entry["window"] for entry in quarantined()] == [span(0).name]
    assert champion() == ("1", "1")
    assert run_pass(serve(1, rows(300, 2))).action == "nothing"
    assert not Path("data/raw/0002-journal.parquet").exists()


def test_a_refused_challenger_makes_the_next_one_wait(looped: Path) -> None:
    """Enough new rows, and settings that make a worse model: it is refused, once."""
    stump = {"train__boosting__max_iter": 1, "train__boosting__max_leaf_nodes": 2}
    write_settings(looped / "params.yaml", loop__retrain_share=0.5, **stump)
    first = run_pass(serve(0, rows(600, 1)))
    assert first.action in ("refuse", "unchanged"), first
    assert champion() == ("1", "1")
    second = run_pass(serve(1, rows(200, 2)))
    assert second.action in ("nothing", "hold"), second
    assert actions().count("retrain") == 1


def test_the_same_pass_twice_does_nothing_twice(looped: Path) -> None:
    window = serve(0, rows(600, 1, turned=True))
    assert run_pass(window).action == "promote"
    before = chain.LEDGER.read_bytes()
    assert run_pass(window).action in ("nothing", "hold", "report")
    assert chain.LEDGER.read_bytes() == before


def test_a_pass_removes_what_need_not_be_kept(looped: Path) -> None:
    write_settings(looped / "params.yaml", journal__keep_days=300, monitor__window_days=30)
    commit(looped, "retention")
    window = serve(0, rows(50, 1))
    assert run_pass(window).verdict.verdict == "insufficient"
    with closing(Journal()) as journal:
        assert journal.count() == 0
    removed = list(chain.entries())[-1]
    assert (removed.action, removed.who, removed.evidence["answers"]) == ("prune", "loop", 50)
    assert command(looped, "git", "status", "--porcelain").stdout == ""


SCRIPT = """
import sys
from ml.journal.bulk.scan import Span
from ml.loop.run import run_pass
print(run_pass(Span(float(sys.argv[1]), float(sys.argv[2]))).action)
"""
# moments of a pass at which it is killed, in their order
MOMENTS: dict[str, Callable[[], bool]] = {
    "the retrain is written down": lambda: "retrain" in actions(),
    "the rows are data": lambda: any(Path("data/raw").glob("*-journal.parquet")),
    "the recipe is written": lambda: "refit: true" in Path("recipe.yaml").read_text("utf-8"),
    "the model is being made": lambda: "windows" in Path("metrics/candidates.json").read_text(),
    "the version is sealed": lambda: Path("serving/releases/2/manifest.json").is_file(),
    "the champion is linked": lambda: load_bundle().version == "2",
    "the ledger has the promotion": lambda: actions()[-1] == "promote",
}


def test_killed_anywhere_and_run_again_it_ends_in_the_same_state(looped: Path) -> None:
    window = serve(0, rows(600, 1, turned=True))
    words = [sys.executable, "-c", SCRIPT, str(window.start), str(window.end)]
    for has_come in MOMENTS.values():
        _kill_when(has_come, words, looped)
        assert load_bundle().version in ("1", "2")  # servable after each kill
    assert subprocess.run(words, cwd=looped, env=_environment(), check=False).returncode == 0
    assert champion() == ("2", "2")
    assert [action for action in actions() if action != "hold"][-2:] == ["retrain", "promote"]
    assert actions().count("retrain") == actions().count("promote") - 1 == 1
    assert len(list(Path("data/raw").glob("*-journal.parquet"))) == 1
    assert command(looped, "git", "status", "--porcelain").stdout == ""


def _kill_when(has_come: Callable[[], bool], words: list[str], project: Path) -> None:
    """Run a pass, and kill it at a moment, or let it end where the moment is over."""
    process = subprocess.Popen(
        words, cwd=project, env=_environment(), stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT
    )
    while process.poll() is None and not has_come():
        time.sleep(0.02)
    process.kill()
    process.wait()


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(HERE)}
