"""`ml monitor`, from the journal to the verdict: each answer it can give, what it leaves behind."""

from __future__ import annotations

import json
import time

import pandas as pd
import pytest

from ml.errors import UserError
from ml.monitoring.commands import monitor
from tests.monitoring.conftest import DAY, World, customers, record


def lived(
    world: World, frame: pd.DataFrame, labelled: float = 0.0
) -> tuple[int, dict[str, object]]:
    """Record the frame in the last ten days, monitor, and read the verdict."""
    now = time.time()
    record(world, frame, now - 10 * DAY, now - 60, labelled=labelled)
    code = monitor(days=None)
    (folder,) = (world.folder / "reports" / "monitoring").glob("*--*")
    assert (folder / "report.html").stat().st_size > 100_000
    assert json.loads((folder / "report.json").read_text())["metrics"]
    return code, json.loads((folder / "verdict.json").read_text())


def test_healthy_traffic_is_ok(world: World) -> None:
    code, told = lived(world, customers(1000, 11), labelled=0.5)
    assert (code, told["verdict"], told["action"]) == (0, "ok", "nothing")


def test_a_moved_column_is_drift(world: World) -> None:
    code, told = lived(world, customers(1000, 12, charge=81))
    assert (code, told["verdict"]) == (3, "drift")
    assert "`charge`" in " ".join(told["evidence"])  # type: ignore[arg-type]


def test_a_turned_concept_is_decay(world: World) -> None:
    code, told = lived(world, customers(1000, 13, concept=1), labelled=0.8)
    assert (code, told["verdict"], told["action"]) == (3, "decay", "retrain")


def test_an_empty_column_is_broken_and_the_report_survives(world: World) -> None:
    code, told = lived(world, customers(1000, 14).assign(tenure=float("nan")))
    assert (code, told["verdict"], told["action"]) == (3, "broken", "quarantine")
    assert "tenure" in told["not_in_report"]  # type: ignore[operator]


def test_too_few_rows_are_never_ok(world: World) -> None:
    code, told = lived(world, customers(60, 15))
    assert (code, told["verdict"], told["action"]) == (4, "insufficient", "wait")


def test_no_journal_names_the_next_command(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOURNAL_URL", "sqlite:///elsewhere/journal.db")
    with pytest.raises(UserError, match=r"elsewhere/journal\.db") as error:
        monitor(days=None)
    assert error.value.then == "make serve"
