"""A real series: held-back weeks of the reference year are quiet, the next year's growth is found.

Reads bike_sharing_hourly.csv (UCI Bike Sharing; Fanaee-T, Gama 2013) from the folder that
REAL_TABLES names.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from rich.table import Table

from ml.contract import Contract
from ml.dataset.frame import encode_frame, rows_of_frame, typed
from ml.encode import Encoder
from ml.journal.bulk.scan import Span
from ml.journal.records import Record, id_begin
from ml.journal.store import Journal
from ml.metrics import answers
from ml.model import make_model
from ml.monitoring.inputs.reference import Champion, champion_of
from ml.monitoring.inputs.window import read_window
from ml.monitoring.monitor import run_checks
from ml.monitoring.verdict import decide
from ml.params import Params
from ml.pipeline.evaluate import reference

NAME = "bike_sharing_hourly.csv"
FILE = Path(os.environ.get("REAL_TABLES", "")) / NAME
HELD_BACK = 6  # every sixth week of 2011 is held back
COLUMNS = [
    "hr",
    "weekday",
    "holiday",
    "workingday",
    "weathersit",
    "temp",
    "atemp",
    "hum",
    "windspeed",
]


def contract_of(frame: pd.DataFrame) -> Contract:
    columns = [
        {"name": "at", "kind": "datetime"},
        {"name": "season", "kind": "categorical", "levels": list("1234")},
    ]
    columns += [
        {
            "name": name,
            "kind": "numeric",
            "min": float(frame[name].min()),
            "max": float(frame[name].max()),
        }
        for name in COLUMNS
    ]
    return Contract.model_validate(
        {"target": {"name": "cnt", "task": "regression"}, "time": "at", "columns": columns}
    )


def hours() -> pd.DataFrame:
    frame = pd.read_csv(FILE)
    at = pd.to_datetime(frame["dteday"], format="%m/%d/%Y") + pd.to_timedelta(frame["hr"], unit="h")
    return frame.assign(
        at=at.astype("datetime64[us]"), season=frame["season"].astype(str), cnt=frame["cnt"] * 1.0
    )


def release(before: pd.DataFrame, contract: Contract, params: Params) -> tuple[Any, Champion]:
    """A model of 2011; the reference's answers are from models that did not see the week."""
    encoder = Encoder(contract)
    x, y = encode_frame(before, encoder), before["cnt"].to_numpy()
    fold = (before["at"].dt.dayofyear.to_numpy() // 7) % 4
    answer = np.empty((len(before), 1))
    for part in range(4):
        model = make_model(contract, params.train).fit(x[fold != part], y[fold != part])
        answer[fold == part] = answers(model, x[fold == part], contract)
    made = reference(before, answer, contract)
    about = {"metric": "r2", "importance": {"hr": 0.6, "temp": 0.2}}
    lineage = {"name": "bikes", "version": "1", "released_at": "2012-01-01T00:00:00+00:00"}
    return make_model(contract, params.train).fit(x, y), champion_of(about, lineage, contract, made)


def journal_of(frame: pd.DataFrame, model: Any, contract: Contract, folder: Path) -> Journal:
    """Every hour asked for when it happened, and its outcome the day after."""
    journal = Journal(f"sqlite:///{folder}/journal.db")
    answer = answers(model, encode_frame(frame, Encoder(contract)), contract)[:, 0]
    seconds = frame["at"].to_numpy(dtype="datetime64[us]").astype(np.int64) / 1e6
    rows = zip(seconds.tolist(), rows_of_frame(frame, contract), answer.tolist(), strict=True)
    ids = [id_begin(at) for at in seconds]
    import json

    made = [
        Record(id_, at, "1", "champion", None, json.dumps(row), json.dumps(value), None)
        for id_, (at, row, value) in zip(ids, rows, strict=True)
    ]
    journal.append(made)
    journal.add_labels(
        zip(ids, frame["cnt"].tolist(), strict=True), at=float(seconds.max() + 86_400)
    )
    return journal


def weeks(frame: pd.DataFrame) -> pd.Series:
    return (frame["at"] - pd.Timestamp("2011-01-01")).dt.days // 7


@pytest.mark.slow
@pytest.mark.skipif(
    not FILE.is_file(), reason=f"{NAME} is not here: name its folder in REAL_TABLES"
)
def test_the_first_years_own_weeks_are_quiet_and_the_second_years_growth_is_found(
    params: Params, tmp_path: Path
) -> None:
    frame = hours()
    first = frame[frame["at"] < "2012-01-01"]
    held = weeks(first) % HELD_BACK == HELD_BACK - 1
    before = first[~held].reset_index(drop=True)
    contract = contract_of(first)
    before, later = (
        typed(before, contract),
        typed(pd.concat([first[held], frame[frame["at"] >= "2012-01-01"]]), contract),
    )
    model, champion = release(before, contract, params)
    journal = journal_of(later.reset_index(drop=True), model, contract, tmp_path)
    settings = params.monitor.model_copy(update={"min_rows": 100})
    shown = Table(
        "week of", "hours", "verdict", "r2", "evidence", title="Bike sharing, week by week"
    )
    verdicts: dict[int, list[str]] = {2011: [], 2012: []}
    for start in sorted(
        {pd.Timestamp("2011-01-01") + pd.Timedelta(days=7 * int(w)) for w in weeks(later)}
    ):
        seconds = start.timestamp()
        window = read_window(
            journal.engine, Span(seconds, seconds + 7 * 86_400), contract, champion.profiles, "1"
        )
        checked = run_checks(window, champion, settings)
        verdict = decide(checked.findings)
        if verdict.verdict != "insufficient":
            verdicts[(start + pd.Timedelta(days=3)).year].append(verdict.verdict)
        r2 = checked.performance.value
        r2 = np.nan if r2 is None else r2
        shown.add_row(
            f"{start:%Y-%m-%d}",
            f"{len(window)}",
            verdict.verdict,
            f"{r2:.2f}",
            "; ".join(verdict.evidence),
        )
    Console(width=160).print(shown)
    assert verdicts[2011] == ["ok"] * len(verdicts[2011])
    assert len(verdicts[2011]) == 8
    assert np.mean([word in ("drift", "decay") for word in verdicts[2012]]) >= 0.9
