"""Cohorts of the journal's answers: how many are ripe, and when their outcomes came."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ml.journal.bulk.ripeness import label_cohorts, unripe_rows
from ml.journal.bulk.scan import Span
from ml.journal.records import Record
from ml.journal.store import Journal

DAY = 86_400.0
START = 1_700_000_000.0
FIRST, SECOND = Span(START, START + DAY), Span(START + DAY, START + 2 * DAY)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    """Two days with five requests of two rows each, and a shadow beside every one of them."""
    journal = Journal(f"sqlite:///{tmp_path}/journal.db")
    for day in range(2):
        for i in range(5):
            at = START + day * DAY + i * DAY / 5
            id_ = f"{int(at * 1000):012x}{i:020x}"
            journal.append([answer(id_, at, "1", "champion"), answer(f"{id_}.shadow", at, "2")])
    return journal


def answer(id_: str, at: float, version: str, role: str = "shadow") -> Record:
    """Two rows of one request."""
    return Record(id_, at, version, role, None, "[{},{}]", "[1,2]", None, 2)


def label(journal: Journal, span: Span, rows: int, at: float) -> None:
    """Outcomes of the first rows of a span."""
    entries = list(journal.predictions(span.start, span.end))
    journal.add_labels([(p.prediction_id, 1.0) for p in entries[:rows]], at=at)


def test_rows_ripe_rows_and_outcomes_by_window(journal: Journal) -> None:
    label(journal, FIRST, 4, at=FIRST.end + 60)
    label(journal, FIRST, 2, at=FIRST.end + 3600)  # sent again: the first one counts
    label(journal, SECOND, 10, at=SECOND.end)
    ripe_before = START + 1.5 * DAY
    first, second = label_cohorts(journal.engine, [FIRST, SECOND], ripe_before)
    assert (first.rows, first.ripe, first.labelled, first.is_ripe) == (10, 10, 4, True)
    assert (second.rows, second.ripe, second.labelled, second.is_ripe) == (10, 6, 6, False)
    assert [first.labelled_at(age) for age in (0, 60, 4000)] == [0, 4, 4]
    np.testing.assert_allclose(second.delays, 0)


def test_windows_without_answers_and_no_windows(journal: Journal) -> None:
    (empty,) = label_cohorts(journal.engine, [Span(0, 1)], START)
    assert (empty.rows, empty.ripe, empty.labelled, empty.is_ripe) == (0, 0, 0, False)
    assert label_cohorts(journal.engine, [], START) == []


def test_unripe_rows_are_those_of_one_version_that_somebody_got(journal: Journal) -> None:
    whole = Span(FIRST.start, SECOND.end)
    assert unripe_rows(journal.engine, whole, "1", ripe_before=SECOND.start) == 10
    assert unripe_rows(journal.engine, whole, "1", ripe_before=SECOND.end) == 0
    assert unripe_rows(journal.engine, whole, "2", ripe_before=0.0) == 0
