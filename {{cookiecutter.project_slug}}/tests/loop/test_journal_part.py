"""What the service accepts, monitor and pipeline can read; rows against the contract stay out."""

from __future__ import annotations

import functools
import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ml.contract import Contract, contract_json
from ml.dataset.checks import findings
from ml.dataset.frame import frame_of_rows, read_table, typed
from ml.dataset.reader import RAW
from ml.dataset.typed import read_typed
from ml.encode import parse_moment
from ml.errors import RefusedError
from ml.journal.bulk.scan import Span
from ml.journal.records import Prediction, Record
from ml.journal.store import Journal
from ml.loop.journal_part import labelled_part, summary, write_part
from ml.monitoring.inputs.columns import profiles
from ml.monitoring.inputs.window import Window, read_window
from ml.params import Params, load_params
from ml.pipeline import ingest
from ml.pipeline.artifacts import INGESTED
from ml.request_schema.rows import RequestSchema
from ml.statistics.profile import Profile
from tests.conftest import write_settings

CONTRACT = Contract.model_validate(
    {
        "target": {
            "name": "left",
            "task": "binary",
            "classes": ["no", "NA"],
            "set_aside": ["rare"],
        },
        "time": "seen",
        "id": "customer",
        "source": {"missing": ["", "NA", "null", "?"]},
        "columns": [
            {
                "kind": "numeric",
                "name": "charge",
                "min": 0,
                "max": 100,
                "format": {"sentinels": [-999]},
            },
            {"kind": "integer", "name": "calls", "min": 0, "max": 9, "missing": True},
            {"kind": "boolean", "name": "paperless", "missing": True},
            {"kind": "categorical", "name": "plan", "levels": ["basic", "3"]},
            {"kind": "categorical", "name": "city", "levels": ["Oslo", "Lima"], "unseen": "pool"},
            {"kind": "datetime", "name": "seen", "parts": ["month"]},
            {"kind": "datetime", "name": "born", "missing": True, "parts": ["year"]},
            {"kind": "text", "name": "note", "buckets": 4},
        ],
    }
)
ROW: dict[str, Any] = {
    "charge": 12.5,
    "calls": 3,
    "paperless": True,
    "plan": "basic",
    "city": "Oslo",
    "seen": "2025-06-01T10:00:00",
    "born": None,
    "note": "late again",
}
NOW = datetime(2026, 6, 1, tzinfo=UTC).timestamp()
TEXTS = [
    "",
    " ",
    "NA",
    "null",
    "?",
    "None",
    "nan",
    "\u2028",
    "\u00a0",
    " padded ",
    "3.0",
    "a\x00b",
    "\U0001f600",
    '"',
    "late\r\nagain",
]
FORMS = [
    "%G-W%V-%u",
    "%GW%V",
    "%Y%m%d",
    "%Y-%m-%dT%H:%M:%S,5",
    "%Y-%m-%d_%H:%M",
    "%Y-%m-%d\u2028%H:%M",
    "%Y%m%dT%H%M%SZ",
    "%Y-%m-%dT%H:%M:%S+01:00:30",
    "%Y-%m-%dt%H:%M:%S.1234567",
    "%Y-%m-%d",
    "%Y-%m-%dT%H-05",
]

texts = st.one_of(st.sampled_from(TEXTS), st.text(max_size=20))
moments = st.builds(
    lambda moment, form: moment.strftime(form),
    st.datetimes(datetime(1000, 1, 1), datetime(2026, 5, 1)),
    st.sampled_from(FORMS),
)
numbers = st.one_of(st.floats(), st.integers(), st.sampled_from([-999, -999.0, 0, 1e300, -3.4e38]))
of_kind: dict[str, st.SearchStrategy[Any]] = {
    "numeric": st.one_of(st.floats(0, 100), numbers),
    "integer": st.one_of(st.integers(0, 9), numbers),
    "boolean": st.booleans(),
    "categorical": st.one_of(st.sampled_from(["basic", "3", "Oslo"]), texts),
    "datetime": moments,
    "text": texts,
}
# mostly sound rows with a strange value or two, else hardly any would be accepted
strange = st.fixed_dictionaries(
    {}, optional={c.name: st.one_of(st.none(), of_kind[c.kind]) for c in CONTRACT.columns}
)
requests = st.lists(strange.map(lambda given: {**ROW, **given}), min_size=1, max_size=12)


@pytest.fixture
def params(tmp_path: Path) -> Params:
    """The settings that the tests count on."""
    write_settings(tmp_path / "params.yaml", serve__max_days_ahead=1)
    return load_params(tmp_path / "params.yaml")


@pytest.fixture
def project(params: Params, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a contract and data/raw; the current folder of the test."""
    (tmp_path / "contract.yaml").write_text(contract_json(CONTRACT))
    (tmp_path / "data" / "raw").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def prediction(place: int, outcome: str = "no", at: float = NOW, **changed: Any) -> Prediction:
    """A labelled answer to ROW with some values changed."""
    return Prediction(
        f"p{place}", at, "1", "champion", f"c{place}", {**ROW, **changed}, "no", None, outcome, at
    )


def accepted(rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The rows that the service takes, as it journals them."""
    valid = RequestSchema(CONTRACT, max_rows=1, max_days_ahead=1)
    for row in rows:
        try:
            yield valid.parse(json.dumps(row).encode())[0][0]
        except RefusedError:
            continue


@functools.cache
def reference() -> dict[str, Profile]:
    """Profiles of rows that the monitor compares with."""
    rng = np.random.default_rng(0)
    rows = [
        {**ROW, "charge": float(rng.uniform(0, 100)), "calls": int(rng.integers(9))}
        for _ in range(300)
    ]
    return profiles(frame_of_rows(rows, CONTRACT), np.full((300, 2), 0.5), CONTRACT)


def window_of(journal: Journal) -> Window:
    """What the monitor makes of the journal."""
    return read_window(journal.engine, Span(0.0, time.time() + 1), CONTRACT, reference(), "1")


def journaled(rows: list[dict[str, Any]], folder: Path) -> Journal:
    """A journal that holds the rows as one request, each labelled."""
    journal = Journal(f"sqlite:///{folder}/journal.db")
    text = json.dumps(rows) if len(rows) > 1 else json.dumps(rows[0])
    answers = json.dumps(["no"] * len(rows)) if len(rows) > 1 else '"no"'
    shares = (
        json.dumps([{"no": 0.6, "NA": 0.4}] * len(rows))
        if len(rows) > 1
        else '{"no": 0.6, "NA": 0.4}'
    )
    name = "0" * 32
    journal.append(
        [Record(name, time.time(), "1", "champion", None, text, answers, shares, len(rows))]
    )
    ids = [f"{name}-{i}" for i in range(len(rows))] if len(rows) > 1 else [name]
    journal.add_labels([(i, "NA") for i in ids])
    return journal


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(given_rows=requests)
def test_what_the_service_accepts_every_reader_can_read(
    given_rows: list[dict[str, Any]], params: Params, project: Path
) -> None:
    rows = list(accepted(given_rows))
    if not rows:
        return
    with tempfile.TemporaryDirectory() as folder, closing(journaled(rows, Path(folder))) as journal:
        window = window_of(journal)
        part, left_out = labelled_part(journal.labelled(), CONTRACT, params)
    assert len(window) == len(rows)
    assert {name: c.mistyped for name, c in window.columns.items() if c.mistyped} == {}
    assert window.sample["seen"].tolist() == [
        pd.Timestamp(parse_moment(row["seen"])) for row in rows
    ]
    # the range is not the service's to judge, and pydantic takes 1e-240 for a whole number
    assert all(
        "lies beyond 0 to" in reason or "is not a whole number" in reason for _, reason in left_out
    )
    assert len(part) + len(left_out) == len(rows)
    if part.empty:
        return
    path = write_part(part, CONTRACT)
    read = typed(read_typed(path, CONTRACT).table.to_pandas(), CONTRACT)
    path.unlink()
    names = [*CONTRACT.names, "left"]
    pd.testing.assert_frame_equal(read[names], part[names])
    gone = {p.prediction_id for p, _ in left_out}
    kept = [row for i, row in enumerate(rows) if len(rows) == 1 or f"{'0' * 32}-{i}" not in gone]
    assert [read[name].tolist() for name in ("note", "city")] == [
        [row[n] for row in kept] for n in ("note", "city")
    ]
    assert findings(read, CONTRACT, params.validate_) == []


@given(
    moment=st.datetimes(datetime(1000, 1, 1)),
    form=st.sampled_from([*FORMS, "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H%M%S,5"]),
)
def test_a_moment_has_one_form(moment: datetime, form: str) -> None:
    text = moment.strftime(form)
    valid = RequestSchema(CONTRACT, max_rows=1).parse(json.dumps({**ROW, "seen": text}).encode())[
        0
    ][0]
    assert valid["seen"] == parse_moment(text).isoformat()


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_means_the_same_when_trained_as_when_served(
    text: str, params: Params, project: Path
) -> None:
    part, left_out = labelled_part([prediction(0, note=text, city=text)], CONTRACT, params)
    write_part(part, CONTRACT)
    ingest.main()
    read = read_table(INGESTED, CONTRACT)
    assert left_out == []
    assert read[["note", "city"]].to_numpy().tolist() == [[text, text]]


def test_texts_of_a_file_still_mean_missing(project: Path) -> None:
    header, row = (
        ",".join([*ROW, "left", "prediction_id"]),
        "1,2,true,basic,Oslo,2025-06-01,,NA,no,p1",
    )
    (project / "data/raw/0001-own.csv").write_text(f"{header}\n{row}\n")
    assert read_typed(project / "data/raw/0001-own.csv", CONTRACT).table["note"].null_count == 1


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"seen": "yesterday"}, 'column "seen": "yesterday" is not an ISO 8601 moment'),
        (
            {"seen": "2026-06-03T00:00:00"},
            'column "seen": 2026-06-03T00:00:00 lies too far after the answer',
        ),
        ({"note": None}, 'column "note": null is not a text'),
        ({"charge": "12,5"}, 'column "charge": "12,5" is not a finite number'),
        ({"charge": 101}, 'column "charge": 101.0 lies beyond 0 to 100'),
        ({"plan": "gold"}, 'column "plan": "gold" is not one of "basic", "3"'),
        ({"outcome": "perhaps"}, 'column "left": "perhaps" is not one of "no", "NA"'),
    ],
)
def test_a_row_that_breaks_the_contract_is_left_out_and_named(
    changed: dict[str, Any], says: str, params: Params
) -> None:
    part, left_out = labelled_part(
        [prediction(0), prediction(7, **changed), prediction(2)], CONTRACT, params
    )
    assert part["prediction_id"].tolist() == ["p0", "p2"]
    assert [reason.startswith(says) for _, reason in left_out] == [True]
    said = summary(left_out)
    assert said.startswith("1 labelled rows are left out")
    assert said.endswith("prediction p7: " + says.split(":")[0])  # neither its row id nor a value


def test_of_many_rows_left_out_a_few_are_named(params: Params) -> None:
    _, left_out = labelled_part([prediction(i, note=5) for i in range(40)], CONTRACT, params)
    assert summary(left_out).count("\n") == 4
    assert summary(left_out).endswith("and 37 more")


def test_what_is_no_row_is_left_out(params: Params) -> None:
    broken = Prediction("p", NOW, "1", "champion", None, [1], "no", None, "no", NOW)  # type: ignore[arg-type]
    part, left_out = labelled_part([broken], CONTRACT, params)
    assert part.empty
    assert len(left_out) == 1


def test_few_outliers_stay_and_many_are_left_out(params: Params) -> None:
    few, none = labelled_part(
        [prediction(i, charge=500 if i < 2 else 5) for i in range(100)], CONTRACT, params
    )
    assert (len(few), none) == (100, [])
    rest, out = labelled_part(
        [prediction(i, charge=500 if i < 20 else 5) for i in range(100)], CONTRACT, params
    )
    assert (len(rest), len(out)) == (80, 20)


def test_classes_that_were_set_aside_are_kept_for_the_pipeline_to_count(
    params: Params, project: Path
) -> None:
    part, left_out = labelled_part([prediction(0), prediction(1, outcome="rare")], CONTRACT, params)
    assert left_out == []
    assert read_typed(write_part(part, CONTRACT), CONTRACT).of_rare_class == 1


def test_a_part_that_the_pipeline_cannot_read_is_not_written(params: Params, project: Path) -> None:
    part, _ = labelled_part([prediction(0)], CONTRACT, params)
    with pytest.raises(Exception, match="charge"):
        write_part(part.drop(columns="charge"), CONTRACT)
    assert list(RAW.iterdir()) == []


def test_without_a_bound_any_moment_is_taken(project: Path) -> None:
    write_settings(project / "params.yaml", serve__max_days_ahead=None)
    later = (datetime.fromtimestamp(NOW, UTC) + timedelta(days=9)).replace(tzinfo=None).isoformat()
    part, left_out = labelled_part(
        [prediction(0, seen=later)], CONTRACT, load_params(project / "params.yaml")
    )
    assert (len(part), left_out) == (1, [])
