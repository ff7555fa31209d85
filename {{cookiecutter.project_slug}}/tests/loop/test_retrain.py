"""Labelled answers become a part of the raw data, each once, and a new version is released."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread

import pandas as pd
import pytest

from ml.atomic import locked
from ml.contract import Contract, load_contract
from ml.errors import UserError
from ml.journal.bulk.scan import Span
from ml.journal.records import Prediction, Record
from ml.journal.store import Journal
from ml.loop.journal_part import labelled_part
from ml.loop.retrain import retrain
from ml.monitoring import quarantine
from ml.params import Params
from ml.pipeline.stage import FLOW_LOCK
from ml.release.lineage import data_version
from tests.conftest import commit

FEATURES = {"charge": 12.5, "calls": 3, "plan": "pro", "seen": "2025-06-01T10:00:00"}


def test_labelled_answers_as_a_part(contract: Contract, params: Params) -> None:
    at = datetime(2025, 6, 2, tzinfo=UTC).timestamp()
    labelled = Prediction("b", at, "1", "champion", "row-b", FEATURES, "no", None, "no", at)
    part, left_out = labelled_part([labelled], contract, params)
    assert left_out == []
    assert part[["prediction_id", "customer", "left", "charge"]].to_numpy().tolist() == [
        ["b", "row-b", "no", 12.5]
    ]
    assert part["seen"].tolist() == [pd.Timestamp("2025-06-01 10:00")]
    assert part["paperless"].tolist() == [None]


@pytest.mark.slow
def test_nothing_labelled_is_told_once_no_other_flow_runs(project: Path) -> None:
    ends: list[str] = []

    def told() -> None:
        with pytest.raises(UserError, match="no labelled row"):
            retrain()
        ends.append("retrain")

    waiting = Thread(target=told)
    with locked(FLOW_LOCK):
        waiting.start()
        waiting.join(0.3)
        ends.append("flow")
    waiting.join()
    assert ends == ["flow", "retrain"]


@pytest.mark.slow
def test_quarantined_rows_are_left_out_and_named(project: Path) -> None:
    journal = Journal(f"sqlite:///{project}/serving/journal.db")
    journal.append(
        [Record("p1", 5.0, "1", "champion", "p1", json.dumps({"charge": 1.0}), '"no"', None)]
    )
    journal.add_labels([("p1", "no")])
    journal.close()
    quarantine.add(Span(0.0, 10.0), ["charge in cents"])
    with pytest.raises(UserError, match="1 of 1 labelled rows lie in a quarantined window"):
        retrain()


@pytest.mark.slow
def test_labelled_answers_become_data_once(project: Path) -> None:
    commit(project, "adopted")
    before = data_version()
    charges = {f"p{i:04d}": float(i % 200) for i in range(120)}
    features = {
        p: json.dumps({"charge": charge, "calls": 3, "plan": "pro"})
        for p, charge in charges.items()
    }
    charges["p9999"], features["p9999"] = (
        5.0,
        json.dumps({"charge": "much", "calls": 3, "plan": "pro"}),
    )
    journal = Journal(f"sqlite:///{project}/serving/journal.db")
    journal.append(
        [Record(p, 1.0, "1", "champion", p, text, '"no"', None) for p, text in features.items()]
    )
    journal.add_labels([(p, "yes" if charge > 100 else "no") for p, charge in charges.items()])
    journal.close()

    retrain()
    parts = sorted(
        path.name for path in Path("data/raw").iterdir() if path.suffix in (".csv", ".parquet")
    )
    assert parts == ["0001-customers.csv", "0002-journal.parquet"]
    assert data_version() != before
    assert len(pd.read_parquet("data/ingested.parquet")) == 1320
    assert load_contract().target.name == "left"
    with pytest.raises(UserError, match=r'no labelled row .*prediction p9999: column "charge"\n'):
        retrain()
