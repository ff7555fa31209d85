"""A person's rows are removed from the journal; every reader finds the others as they were."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from starlette.testclient import TestClient

from ml.errors import UserError
from ml.journal.bulk.pairs import pairs
from ml.journal.bulk.ripeness import label_cohorts, unripe_rows
from ml.journal.bulk.scan import Span, chunks, label_counts, latest_rows, outcomes
from ml.journal.erasure import count_labels, empty_log, find, remove
from ml.journal.export import export
from ml.journal.records import SHADOW, SHADOW_SUFFIX, Record, ids_of
from ml.journal.store import Journal
from ml.serving.settings import Settings
from ml.trace.record import find as find_traced
from tests.serving.conftest import CLASSIFICATION, sample_rows

HER = 'a "quoted" \\ Ł-4711'  # an id that JSON spells otherwise
NOW = time.time()
ALL = Span(0.0, NOW + 3600)


def answers_with(client: TestClient, ids: list[str | None]) -> list[dict[str, Any]]:
    """The answers to one request whose rows have these ids."""
    rows = sample_rows(CLASSIFICATION, len(ids))
    sent = [{**row, "customer id": i} for row, i in zip(rows, ids, strict=True)]
    answered: list[dict[str, Any]] = client.post("/predict", json=sent).json()
    return answered


def forget(journal: Journal, *row_ids: str) -> None:
    remove(journal, find(journal, row_ids))
    assert find(journal, row_ids) == []


@pytest.fixture
def journal(client: TestClient, settings: Settings) -> Journal:
    """A journal of requests of one, three and two rows, labelled; three rows are hers."""
    requests: list[list[str | None]] = [[HER], ["a", HER, None], ["b", "c"], [HER]]
    for ids in requests:
        for answer in answers_with(client, ids):
            label = {"prediction_id": answer["prediction_id"], "outcome": answer["prediction"]}
            client.post("/labels", json=label)
    journal = Journal(settings.journal)
    add_shadows(journal)
    return journal


def add_shadows(journal: Journal) -> None:
    """What version 2 answers to the same requests."""
    with journal.engine.connect() as connection:
        entries = connection.exec_driver_sql("SELECT * FROM predictions").all()
    for entry in entries:
        shadow = Record(*entry)._replace(role=SHADOW, version="2")
        journal.append([shadow._replace(prediction_id=entry[0] + SHADOW_SUFFIX)])


def by_id(journal: Journal) -> dict[str, Any]:
    return {each.prediction_id: each for each in journal.predictions(role=None)}


def test_every_reader_finds_the_other_rows_as_they_were(journal: Journal) -> None:
    before = by_id(journal)
    hers = {i for i, each in before.items() if each.row_id == HER}
    assert len(hers) == 6  # three answers and their shadows
    assert count_labels(journal, sorted(hers)) == 3
    forget(journal, HER)
    after = {i: each for i, each in before.items() if i not in hers}
    assert by_id(journal) == after
    assert {i: journal.prediction(i) for i in before} == {i: after.get(i) for i in before}
    assert {find_traced(i).prediction.prediction_id for i in after} == set(after)
    for i in hers:
        with pytest.raises(UserError, match="no prediction has the id"):
            find_traced(i)
    assert {p.prediction_id for p in journal.labelled()} == {i for i in after if "." not in i}
    assert journal.count() == len(after) == 8
    assert export(Path("all.parquet")) == 8
    assert set(pd.read_parquet("all.parquet")["prediction_id"]) == set(after)
    assert not any(HER in str(each) for each in journal.predictions(role=None))


def test_what_monitoring_reads_in_bulk_is_the_other_rows(journal: Journal) -> None:
    forget(journal, HER)
    answered = [p for p in journal.predictions() if p.row_id != HER]
    (chunk,) = chunks(journal.engine, ALL, CLASSIFICATION)
    assert len(chunk) == len(answered) == 4
    charges = sorted(p.features["monthly charge"] for p in answered)
    assert sorted(chunk.table["monthly charge"].to_pylist()) == charges
    assert (chunk.outcome == chunk.prediction).all()
    assert not chunk.mistyped
    assert label_counts(journal.engine, ALL).matched == 4
    assert label_counts(journal.engine, ALL).unknown == 0
    assert outcomes(journal.engine, ALL, CLASSIFICATION, "1")[0] == 4
    (cohort,) = label_cohorts(journal.engine, [ALL], ALL.end)
    assert (cohort.rows, cohort.labelled) == (4, 4)
    assert unripe_rows(journal.engine, ALL, "1", 0.0) == 4
    assert latest_rows(journal.engine, 4, ALL.end) == min(p.at for p in answered)
    beside = pairs(journal.engine, ALL, CLASSIFICATION, "1", "2")
    assert len(beside.at) == 4
    assert (beside.answers[0] == beside.answers[1]).all()


def test_a_later_label_finds_its_row(journal: Journal, client: TestClient) -> None:
    with_her = [p for p in journal.predictions() if p.row_id in ("a", HER, None)]
    alone = next(p.prediction_id for p in with_her if p.row_id == "a")
    gone = next(p.prediction_id for p in with_her if p.prediction_id == alone[:-1] + "1")
    forget(journal, HER)
    labels = [{"prediction_id": i, "outcome": 'yes, "100%"'} for i in (alone, gone, "elsewhere")]
    assert client.post("/labels", json=labels).json() == {"recorded": 3, "unknown": 2}
    kept = journal.prediction(alone)
    assert kept is not None
    assert kept.outcome == 'yes, "100%"'
    again = find(journal, ["a"])
    assert [each.prediction_ids for each in again] == [[alone], [alone + SHADOW_SUFFIX]]
    forget(journal, "a", "b")
    assert journal.prediction(alone) is None
    assert {p.row_id for p in journal.predictions()} == {"c", None}


def test_an_id_that_holds_hers_is_another_one(journal: Journal) -> None:
    assert find(journal, [HER[:-1], HER.upper(), "%", "_", "null"]) == []


def test_pruning_finds_what_was_split(journal: Journal) -> None:
    forget(journal, HER)
    assert journal.remove(NOW + 3600, 500) == 8
    with journal.engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM labels").scalar() == 0


def test_a_reader_between_two_pieces_sees_no_answer_twice(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ml.journal.reading.PIECE", 2)
    journal = Journal(settings.journal)
    ids = [f"{i:032x}" for i in (1, 2)]
    arrays = ('["a","b","c"]', "[{},{},{}]", '["no","no","no"]', None)
    journal.append([Record(i, 1.0, "1", "champion", *arrays, 3) for i in ids])
    reader = journal.predictions()
    read = [next(reader).prediction_id]
    forget(journal, "c")
    read += [p.prediction_id for p in reader]
    assert read == [*ids_of(ids[0], 3), *ids_of(ids[1], 3)[:2]]


def test_the_file_and_its_log_hold_none_of_it(journal: Journal, project: Path) -> None:
    files = [project / "serving" / f"journal.db{suffix}" for suffix in ("", "-wal")]
    assert any(HER.encode()[-8:] in file.read_bytes() for file in files)
    forget(journal, HER)
    assert empty_log(journal)
    assert not any(HER.encode()[-8:] in file.read_bytes() for file in files)
    assert journal.count() == 8
    assert files[1].stat().st_size > 1_000_000  # room for the server's next answers


def test_while_somebody_reads_the_log_stays(journal: Journal) -> None:
    forget(journal, HER)
    with journal.engine.connect() as reader:
        reader.exec_driver_sql("BEGIN")
        reader.exec_driver_sql("SELECT count(*) FROM predictions").scalar()
        journal._patience = 0.2
        assert not empty_log(journal)
    assert empty_log(journal)
