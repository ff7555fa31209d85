"""Two models' answers to the same rows, as arrays."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ml.contract import Contract
from ml.journal.bulk.pairs import pairs
from ml.journal.bulk.scan import Span
from ml.journal.records import FALLBACK, SHADOW, SHADOW_SUFFIX, Record
from ml.journal.store import Journal

CLASSES = Contract.model_validate(
    {
        "target": {"name": "y", "task": "binary", "classes": ["no", "yes"]},
        "columns": [{"name": "x", "kind": "numeric"}],
    }
)
NUMBERS = Contract.model_validate(
    {
        "target": {"name": "y", "task": "regression"},
        "columns": [{"name": "x", "kind": "numeric"}],
    }
)
ALL = Span(0.0, 1e9)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(f"sqlite:///{tmp_path}/journal.db")


def entry_id(number: int) -> str:
    return f"{number:012x}{'0' * 20}"


def both(journal: Journal, number: int, ours: Any, theirs: Any, rows: int = 1) -> None:
    """A champion's answer (version 2) and its shadow's (version 1)."""
    for version, role, answer in (("2", "champion", ours), ("1", SHADOW, theirs)):
        id_ = entry_id(number) + (SHADOW_SUFFIX if role == SHADOW else "")
        shares = None
        if isinstance(ours, dict):
            shares, answer = json.dumps(answer), json.dumps(max(answer, key=answer.get))
        text = answer if isinstance(answer, str) else json.dumps(answer)
        journal.append([Record(id_, float(number), version, role, None, "{}", text, shares, rows)])


def test_numbers_are_paired_row_by_row(journal: Journal) -> None:
    both(journal, 1, 5.0, 6.0)
    both(journal, 2, [1.0, 2.0, 3.0], [1.5, 2.5, 3.5], rows=3)
    journal.add_labels([(entry_id(1), 4.0), (f"{entry_id(2)}-1", 9.0)])
    found = pairs(journal.engine, ALL, NUMBERS, "2", "1")
    np.testing.assert_array_equal(found.at, [1, 2, 2, 2])
    np.testing.assert_array_equal(found.answers[0][:, 0], [5, 1, 2, 3])
    np.testing.assert_array_equal(found.answers[1][:, 0], [6, 1.5, 2.5, 3.5])
    np.testing.assert_array_equal(found.outcome, [4, np.nan, 9, np.nan])


def test_classes_have_the_shares_of_both(journal: Journal) -> None:
    both(journal, 1, {"no": 0.75, "yes": 0.25}, {"no": 0.25, "yes": 0.75})
    journal.add_labels([(entry_id(1), "yes")])
    found = pairs(journal.engine, ALL, CLASSES, "2", "1")
    np.testing.assert_array_equal(found.answers[0], [[0.75, 0.25]])
    np.testing.assert_array_equal(found.answers[1], [[0.25, 0.75]])
    np.testing.assert_array_equal(found.outcome, [1])


def test_what_is_no_pair_is_left_out(journal: Journal) -> None:
    both(journal, 1, 5.0, 6.0)
    journal.append([Record(entry_id(2), 2.0, "2", "champion", None, "{}", "5.0", None)])
    journal.append([Record(entry_id(3), 3.0, "1", FALLBACK, None, "{}", "5.0", None)])
    assert len(pairs(journal.engine, ALL, NUMBERS, "2", "1").at) == 1
    assert len(pairs(journal.engine, ALL, NUMBERS, "2", "0").at) == 0  # another shadow
    assert len(pairs(journal.engine, ALL, NUMBERS, "1", "2").at) == 0
    none = pairs(journal.engine, Span(2.0, 1e9), NUMBERS, "2", "1")
    assert none.answers[0].shape == (0, 1)
