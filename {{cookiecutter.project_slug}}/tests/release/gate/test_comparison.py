"""Which rows are fresh, who answers them, and in which order they stand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchmarks.simulated_models import Case
from ml.contract import Contract
from ml.dataset.row_hash import row_hashes
from ml.release.gate.comparison import Comparison, compare, contender, reference_of

Compare = Callable[..., Comparison]
LEARNED = 600  # rows of each release, see conftest.py


def test_both_answer_the_fresh_rows(
    champion: Path, challenger: Path, held_out: pd.DataFrame
) -> None:
    of = compare(contender(challenger), contender(champion), held_out)
    assert (len(of), of.left_out, of.metric) == (400, (0, 0), "roc_auc")
    assert of.challenger.shape == of.champion.shape == (400, 2)
    assert of.gain.value > 0.03


def test_rows_that_either_was_trained_on_are_left_out(
    champion: Path, challenger: Path, held_out: pd.DataFrame, make_frame: Callable[..., Any]
) -> None:
    learned = make_frame(1000)[:LEARNED]
    mixed = pd.concat([learned[:50], held_out], ignore_index=True)
    of = compare(contender(challenger), contender(champion), mixed)
    assert (len(of), of.left_out) == (400, (0, 50))
    swapped = compare(contender(champion), contender(challenger), mixed)
    assert (len(swapped), swapped.left_out) == (400, (50, 0))


def test_a_release_without_hashes_has_seen_nothing(
    champion: Path, challenger: Path, make_frame: Callable[..., Any], tmp_path: Path
) -> None:
    learned = make_frame(1000)[:LEARNED]
    assert contender(champion).has_seen(learned).all()
    nothing = np.empty(0, dtype=np.uint64)
    assert not contender(champion, trained_rows=nothing).has_seen(learned).any()
    for name in ("contract.json", "model.json"):
        (tmp_path / name).write_bytes((champion / name).read_bytes())
    assert not contender(tmp_path).has_seen(learned).any()
    assert reference_of(contender(tmp_path)) is None


def test_a_row_of_the_journal_is_known_by_its_prediction(
    champion: Path, contract: Contract, held_out: pd.DataFrame
) -> None:
    journaled = held_out.assign(prediction_id=[f"p{i}" for i in range(len(held_out))])
    seen = contender(champion, trained_rows=row_hashes(journaled[:10], contract))
    moved = journaled.assign(charge=1.0)
    assert seen.has_seen(moved).tolist() == [True] * 10 + [False] * 390


def test_answers_that_were_measured_are_taken(
    champion: Path, challenger: Path, held_out: pd.DataFrame
) -> None:
    measured = np.tile([0.25, 0.75], (len(held_out), 1))
    of = compare(contender(challenger, measured), contender(champion), held_out[::-1])
    np.testing.assert_array_equal(of.challenger, measured)


def test_rows_stand_in_order_of_time(
    champion: Path, challenger: Path, held_out: pd.DataFrame
) -> None:
    mixed = held_out.sample(frac=1, random_state=0)
    of = compare(contender(challenger), contender(champion), mixed)
    plain = compare(contender(challenger), contender(champion), held_out)
    assert of.frame["seen"].is_monotonic_increasing
    np.testing.assert_array_equal(of.challenger, plain.challenger)
    np.testing.assert_array_equal(of.y, plain.y)


def test_the_reference_is_what_the_release_was_judged_by(champion: Path) -> None:
    reference = reference_of(contender(champion))
    assert reference is not None
    assert reference.in_order
    assert reference.answer.shape == (400, 2)
    assert 0.5 < reference.value < 1


def test_dependent_errors_inflate_the_variance(compared: Compare) -> None:
    case = Case("numbers", "regression", "r2", rows=4000)
    plain, in_time = compared(case), compared(replace(case, in_time=True))
    assert plain.inflation[0] == 1
    assert in_time.inflation[0] > 2


@pytest.mark.parametrize("rows", [0, 1])
def test_hardly_any_rows(
    champion: Path, challenger: Path, held_out: pd.DataFrame, rows: int
) -> None:
    of = compare(contender(challenger), contender(champion), held_out[:rows])
    assert len(of) == rows
    assert of.inflation[0] == 1
