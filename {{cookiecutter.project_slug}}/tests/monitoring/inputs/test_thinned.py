"""Which rows are kept depends on the rows alone, not on the parts in which they came."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from ml.journal.records import ids_of
from ml.monitoring.inputs.columns import repeated_share
from ml.monitoring.inputs.thinned import KEY, Distinct, Thinned, keys_of

SCHEMA = pa.schema([(KEY, pa.uint64()), ("i", pa.int64())])
CUTS = st.lists(st.integers(0, 400), max_size=5)


def table(begin: int, end: int) -> pa.Table:
    numbers = range(begin, end)
    keys = keys_of([f"{i:032x}" for i in numbers], [1] * len(numbers))
    return pa.table([pa.array(keys), pa.array(numbers, pa.int64())], schema=SCHEMA)


@given(CUTS, CUTS)
def test_parts_keep_what_the_whole_keeps(cuts: list[int], batches: list[int]) -> None:
    whole, merged = Thinned(30, SCHEMA), Thinned(30, SCHEMA)
    for begin, end in _between(batches):
        whole.add(table(begin, end))
    for begin, end in _between(cuts):
        part = Thinned(30, SCHEMA)
        part.add(table(begin, end))
        merged.merge(part)
    assert merged.table().equals(whole.table())
    assert 15 < len(whole.table()) <= 60
    assert whole.table()["i"].to_pylist() == sorted(whole.table()["i"].to_pylist())


def _between(cuts: list[int]) -> list[tuple[int, int]]:
    ends = [0, *sorted(cuts), 400]
    return list(pairwise(ends))


def test_the_share_is_a_fair_one() -> None:
    thinned = Thinned(10_000, SCHEMA)
    thinned.add(table(0, 100_000))
    kept = thinned.table()["i"].to_numpy()
    assert abs(len(kept) - 12_500) < 5 * np.sqrt(12_500)  # an eighth
    assert abs(kept.mean() - 50_000) < 5 * 100_000 / np.sqrt(12 * len(kept))


def test_a_row_has_one_key_in_its_request_and_alone() -> None:
    entry = f"{7:032x}"
    together, alone = keys_of([entry], [3]), keys_of(ids_of(entry, 3), [1, 1, 1])
    assert together.tolist() == alone.tolist()
    assert len(set(together.tolist())) == 3
    assert keys_of(["another form"], [2]).tolist() == keys_of(["another form"], [2]).tolist()


@given(CUTS, st.integers(1, 400))
def test_repeated_rows_are_counted_alike_in_parts(cuts: list[int], different: int) -> None:
    marks = np.random.default_rng(0).integers(0, different, 400).astype(float)
    whole, small, merged = Distinct(500), Distinct(20), Distinct(20)
    whole.add(marks)
    small.add(marks)
    for begin, end in _between(cuts):
        part = Distinct(20)
        part.add(marks[begin:end])
        merged.merge(part)
    assert whole.repeated_share() == repeated_share(marks)
    assert merged.repeated_share() == small.repeated_share()
    assert Distinct(5).repeated_share() == 0.0


def test_an_estimate_of_repeated_rows_is_a_fair_one() -> None:
    marks = np.repeat(np.random.default_rng(1).random(20_000), 4)
    thinned = Distinct(1000)
    for part in np.split(marks, 8):
        thinned.add(part)
    assert thinned.repeated_share() == 0.75  # each kept one with all its repetitions
