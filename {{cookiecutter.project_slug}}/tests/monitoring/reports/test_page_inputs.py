"""What the pages are made of goes through plain files and comes back as it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ml.contract import Contract
from ml.journal.bulk.scan import Span
from ml.monitoring.inputs.reference import Champion
from ml.monitoring.inputs.window import read_window
from ml.monitoring.reports import page_inputs
from ml.monitoring.reports.page_inputs import PageInputs
from tests.monitoring.conftest import DAY, NOW, World, customers, record, verdict_of


def inputs_of(world: World, champion: Champion, frame: pd.DataFrame) -> PageInputs:
    """The inputs of a window of these rows."""
    record(world, frame, labelled=0.5)
    span = Span(NOW - 30 * DAY, NOW)
    window = read_window(world.journal.engine, span, world.contract, champion.profiles, "3")
    return page_inputs.page_inputs(window, champion, [], {"charge": 0.25, "plan": 0.0})


def same(stored: PageInputs, given: PageInputs) -> None:
    """Both hold the same values."""
    assert (stored.contract, stored.decisions) == (given.contract, given.decisions)
    for name in ("columns", "answers"):
        for ours, theirs in zip(getattr(stored, name), getattr(given, name), strict=True):
            pd.testing.assert_frame_equal(objects(ours), objects(theirs.reset_index(drop=True)))


def objects(frame: pd.DataFrame) -> pd.DataFrame:
    """The values without the type that pandas gives to texts; missing ones None."""
    values = frame.astype(object)
    return values.where(values.notna(), None)


def test_what_is_written_comes_back_and_no_file_can_run_code(
    world: World, champion: Champion, tmp_path: Path
) -> None:
    frame = customers(700, 31)
    frame.loc[:9, "paperless"] = None
    frame.loc[5:20, "plan"] = None
    given, verdict = inputs_of(world, champion, frame), verdict_of(not_in_report=("tenure",))
    page_inputs.write(tmp_path / "w", given, verdict)
    stored = page_inputs.read(tmp_path / "w")
    assert stored is not None
    same(stored[0], given)
    assert stored[0].left_out == ("tenure",)
    assert stored[1] == verdict
    files = [path for path in (tmp_path / "w").rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {".parquet", ".json"}


def test_an_empty_column_is_left_out(world: World, champion: Champion) -> None:
    given = inputs_of(world, champion, customers(600, 32).assign(tenure=np.nan))
    assert given.left_out == ("tenure",)
    assert all("tenure" not in side for side in given.columns)


def test_another_verdict_of_the_window_takes_the_place_of_the_first(
    world: World, champion: Champion, tmp_path: Path
) -> None:
    first, second = verdict_of(judged_at=1.0), verdict_of(judged_at=2.0)
    given = inputs_of(world, champion, customers(600, 33))
    for verdict in (first, second):
        (tmp_path / ".page-inputs.draft").mkdir()  # of a process that was killed
        page_inputs.write(tmp_path, given, verdict)
    assert not page_inputs.are_of(tmp_path, first)
    assert page_inputs.are_of(tmp_path, second)
    page_inputs.remove(tmp_path)
    assert page_inputs.read(tmp_path) is None
    assert list(tmp_path.glob("*page-inputs*")) == []


@pytest.mark.parametrize("task", ["multiclass", "regression"])
def test_answers_of_every_task_come_back(tmp_path: Path, task: str, champion: Champion) -> None:
    target: dict[str, Any] = {"name": "y", "task": task}
    if task == "multiclass":
        target["classes"] = ["a", "b", "c"]
    columns = [{"name": "x", "kind": "numeric"}]
    contract = Contract.model_validate({"target": target, "columns": columns})
    values = np.array([0.0, 1.0, np.nan])
    frame = pd.DataFrame({"x": values, "y": page_inputs.class_names(values, contract)})
    answers = pd.DataFrame({"outcome": values, "0": values, "1": values})
    given = PageInputs(contract, {}, (frame, frame), (), (answers, answers))
    page_inputs.write(tmp_path / "w", given, verdict_of())
    stored = page_inputs.read(tmp_path / "w")
    assert stored is not None
    same(stored[0], given)
