"""Which rows an answer is compared with: named, counted, hashed, and enough of them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from ml.bundle import Bundle, load_bundle
from ml.contract import Contract
from ml.errors import RefusedError, UserError
from ml.explain.references import MIN_ROWS, MOST_NUMBERS, References, check_fixed, write_pool
from tests.serving.conftest import CLASSIFICATION


@pytest.fixture(scope="module")
def bundle(releases: Path) -> Bundle:
    return load_bundle(releases / "1")


@pytest.fixture(scope="module")
def references(bundle: Bundle) -> References:
    return References(bundle, 64)


def test_all_rows_stand_for_the_whole_pool(references: References, bundle: Bundle) -> None:
    """Chosen evenly along the answers: the base value is close to the mean of all rows."""
    found = references.named("all")
    assert found.rows.shape == (64, len(bundle.encoder.features))
    assert bundle.pool is not None
    everything = bundle.answer(bundle.pool)
    assert abs(found.answers[:, 1].mean() - everything[:, 1].mean()) < 0.02
    np.testing.assert_array_equal(found.answers, bundle.answer(found.rows).astype(np.float64))
    assert found.sha256 == hashlib.sha256(found.rows.astype("<f4").tobytes()).hexdigest()


def test_a_group_holds_its_rows_and_no_other(references: References, bundle: Bundle) -> None:
    places = {feature.name: i for i, feature in enumerate(bundle.encoder.features)}
    assert set(references.named("plan=it's").rows[:, places["plan"]]) == {2.0}
    assert set(references.named("été.2024=true").rows[:, places["été.2024"]]) == {1.0}
    approved = references.named("churned=no")
    assert set(approved.answers.argmax(axis=1)) == {0}
    hashes = {references.named(name).sha256 for name in ("all", "plan=it's", "churned=no")}
    assert len(hashes) == 3


def test_a_group_that_is_not_there_or_too_small_is_refused(bundle: Bundle) -> None:
    references = References(bundle, 64)
    with pytest.raises(RefusedError, match=r'"plan=gold" is not known; there are: "all"'):
        references.named("plan=gold")
    with pytest.raises(RefusedError, match="is not known"):
        references.named("month=1")
    references.pool[:, 3] = 0.0  # nobody has another plan
    with pytest.raises(RefusedError, match=f"0 of the 300 rows in the bundle; at least {MIN_ROWS}"):
        references.named("plan=plus")


def test_the_pool_is_drawn_the_same_way_each_time(tmp_path: Path) -> None:
    x = np.arange(60, dtype=np.float32).reshape(20, 3)
    for name in ("a", "b"):
        write_pool(tmp_path / name, x, 15)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    drawn = np.load(tmp_path / "a", allow_pickle=False)
    assert len({tuple(row) for row in drawn}) == 15
    write_pool(tmp_path / "none", x, 0)
    assert np.load(tmp_path / "none").shape == (0, 3)
    write_pool(tmp_path / "wide", np.zeros((9, MOST_NUMBERS // 4), dtype=np.float32), 9)
    assert len(np.load(tmp_path / "wide")) == 4


def test_a_fixed_column_must_be_one_of_the_contract() -> None:
    check_fixed(["plan", "monthly charge"], CLASSIFICATION)
    with pytest.raises(UserError, match=r'explain.fixed: "plam" is no column .* mean "plan"'):
        check_fixed(["plam"], CLASSIFICATION)


def test_a_contract_may_have_names_with_signs() -> None:
    """A level or a column with `=` in it is a name like any other."""
    from ml.explain.references import _groups

    contract = Contract.model_validate(
        {
            "target": {"name": "y", "task": "regression"},
            "columns": [{"kind": "categorical", "name": "a=b", "levels": ["c=d", "e"]}],
        }
    )
    assert _groups(contract) == [(0, "a=b=c=d", 0.0), (0, "a=b=e", 1.0)]
