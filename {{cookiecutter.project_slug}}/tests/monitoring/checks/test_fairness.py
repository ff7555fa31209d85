"""The figures by group that the monitor follows, over audit columns that requests did not have."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ml.contract import Contract
from ml.monitoring import history
from ml.monitoring.inputs.reference import Champion
from ml.monitoring.monitor import REPORTS, evaluate_window
from ml.monitoring.reports.groups import section
from ml.monitoring.verdict import Verdict
from ml.params import Fairness
from ml.pipeline.artifacts import INGESTED
from tests.monitoring.conftest import CONTRACT, World, customers, record, week


def follow(world: World, champion: Champion, groups: Fairness) -> Verdict:
    engine, settings = world.journal.engine, world.params.monitor
    return evaluate_window(engine, champion, week(1), settings, groups=groups)


def asked(world: World, **changes: Any) -> Fairness:
    return world.params.fairness.model_copy(update={"columns": ("plan",), **changes})


def test_each_group_is_followed_beside_its_held_out_figures(
    world: World, champion: Champion
) -> None:
    record(world, customers(1500, 3), week(1).start, week(1).end, labelled=1.0)
    verdict = follow(world, champion, asked(world))
    found = {(each.level, each.figure): each for each in verdict.fairness}
    assert {level for level, _ in found} == {"basic", "plus", "pro"}
    selected = found["basic", "selection_rate"]
    assert selected.low <= selected.value <= selected.high
    assert selected.reference == pytest.approx(selected.value, abs=0.1)
    assert found["basic", "error"].rows == selected.rows  # all outcomes have come
    assert [f for f in verdict.findings if f.what == "fairness"] == []
    assert history.verdicts(REPORTS)[-1].fairness == verdict.fairness
    page = (REPORTS / "index.html").read_text(encoding="utf-8")
    assert "<h2>Groups</h2>" in page
    assert "plan = basic" in page


def test_without_columns_nothing_is_followed(world: World, champion: Champion) -> None:
    record(world, customers(600, 3), week(1).start, week(1).end)
    for columns in ((), ("of the next version",)):
        verdict = follow(world, champion, asked(world, columns=columns))
        assert verdict.fairness == ()
        assert section([verdict]) == ""


def test_outcomes_that_have_not_come_leave_the_selection_rate(
    world: World, champion: Champion
) -> None:
    record(world, customers(900, 3), week(1).start, week(1).end, labelled=0.0)
    verdict = follow(world, champion, asked(world))
    assert {each.figure for each in verdict.fairness} == {"selection_rate"}


def test_a_difference_beyond_the_tolerance_is_a_note_and_no_ticket(
    world: World, champion: Champion
) -> None:
    record(world, customers(3000, 3), week(1).start, week(1).end, labelled=1.0)
    tolerance = world.params.fairness.tolerance.model_copy(update={"selection_rate": 0.0})
    verdict = follow(world, champion, asked(world, tolerance=tolerance))
    notes = [f for f in verdict.findings if f.what == "fairness"]
    assert notes  # customers of the basic plan leave more often
    assert {(note.severity, note.column) for note in notes} == {("note", "plan")}
    assert "selection_rate of basic is +0." in notes[0].words
    assert verdict.verdict == "ok"


def test_audit_columns_come_from_the_data_by_id(
    world: World, champion: Champion, tmp_path: Path
) -> None:
    """The requests have no `sex`; the data knows it for every other customer."""
    sex = {"name": "sex", "kind": "categorical", "levels": ["f", "m"], "use": "audit"}
    columns = [*CONTRACT["columns"], sex]
    contract = Contract.model_validate({**CONTRACT, "id": "customer", "columns": columns})
    known = np.where(np.arange(len(champion.reference)) % 2, "f", "m").astype(object)
    audited = dataclasses.replace(
        champion, contract=contract, reference=champion.reference.assign(sex=known)
    )
    n = 1200
    ids = record(world, customers(n, 3), week(1).start, week(1).end, labelled=1.0)
    with world.journal.engine.begin() as connection:
        for i, prediction_id in enumerate(ids):
            connection.exec_driver_sql(
                "UPDATE predictions SET row_id = ? WHERE prediction_id = ?",
                (str(7000 + i), prediction_id),
            )
    INGESTED.parent.mkdir(parents=True, exist_ok=True)
    rows = np.arange(0, n, 2)
    values = np.where(rows % 4 == 0, "f", "m").astype(object)
    pd.DataFrame({"customer": 7000 + rows, "sex": values}).to_parquet(INGESTED)
    verdict = follow(world, audited, asked(world, columns=("sex",)))
    counts = {e.level: e.rows for e in verdict.fairness if e.figure == "selection_rate"}
    assert counts == {"f": n // 4, "m": n // 4}
    assert verdict.verdict == "ok"  # a column that requests lack is not broken
    INGESTED.unlink()
    assert follow(world, audited, asked(world, columns=("sex",))).fairness == ()
