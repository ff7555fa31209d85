"""The split: later rows or a stable draw; what cannot be split is refused."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from ml.contract import Contract
from ml.dataset.held_out import held_out
from ml.errors import UserError
from ml.params import Params

Make = Callable[..., pd.DataFrame]


@pytest.fixture
def timeless(contract: Contract) -> Contract:
    return contract.model_copy(update={"time": None})


def test_with_a_time_the_latest_rows_are_held_out(
    contract: Contract, params: Params, make_frame: Make
) -> None:
    frame = make_frame(500).sample(frac=1, random_state=1)
    mask = held_out(frame, contract, params.split)
    assert frame["seen"][mask].min() > frame["seen"][~mask].max()
    assert mask.mean() == pytest.approx(0.2, abs=0.01)


def test_one_moment_is_never_on_both_sides(
    contract: Contract, params: Params, make_frame: Make
) -> None:
    frame = make_frame(500)
    frame["seen"] = frame["seen"].dt.floor("7D")
    mask = held_out(frame, contract, params.split)
    assert mask.any()
    assert not set(frame["seen"][mask]) & set(frame["seen"][~mask])


def test_a_single_moment_is_refused(contract: Contract, params: Params, make_frame: Make) -> None:
    with pytest.raises(UserError, match='"seen" holds 1 different moments'):
        held_out(make_frame(100).assign(seen=pd.Timestamp("2025-01-01")), contract, params.split)


def test_the_draw_is_stratified(timeless: Contract, params: Params, make_frame: Make) -> None:
    frame = make_frame(4000)
    mask = held_out(frame, timeless, params.split)
    for name in ("no", "yes"):
        assert mask[(frame["left"] == name).to_numpy()].mean() == pytest.approx(0.2, abs=0.03)


def test_rows_keep_their_side_when_more_come(
    timeless: Contract, params: Params, make_frame: Make
) -> None:
    some, more = make_frame(1000), make_frame(3000, seed=1)
    both = pd.concat([some, more.assign(customer=more["customer"] + "-later")], ignore_index=True)
    np.testing.assert_array_equal(
        held_out(some, timeless, params.split), held_out(both, timeless, params.split)[: len(some)]
    )


def test_equal_rows_share_a_side(timeless: Contract, params: Params, make_frame: Make) -> None:
    nameless = timeless.model_copy(update={"id": None})
    frame = make_frame(300)
    mask = held_out(pd.concat([frame, frame], ignore_index=True), nameless, params.split)
    np.testing.assert_array_equal(mask[:300], mask[300:])


def test_rows_without_an_id_are_drawn_one_by_one(
    timeless: Contract, params: Params, make_frame: Make
) -> None:
    frame = make_frame(1000)
    frame.loc[frame.index % 2 == 0, "customer"] = None
    mask = held_out(frame, timeless, params.split)
    assert 0.1 < mask[::2].mean() < 0.3
    repeated = frame.assign(customer=[f"c{i // 4}" for i in range(1000)])
    by_customer = held_out(repeated, timeless, params.split).reshape(-1, 4)
    # but for a class of few rows
    assert (by_customer.all(axis=1) | ~by_customer.any(axis=1)).mean() > 0.95


def test_another_seed_draws_other_rows(
    timeless: Contract, params: Params, make_frame: Make
) -> None:
    frame, other = make_frame(500), params.split.model_copy(update={"seed": 8})
    assert (held_out(frame, timeless, params.split) != held_out(frame, timeless, other)).any()


def test_a_class_of_two_rows_is_on_both_sides(
    timeless: Contract, params: Params, make_frame: Make
) -> None:
    frame = make_frame(300).assign(left="no")
    frame.loc[[5, 250], "left"] = "yes"
    assert held_out(frame, timeless, params.split)[[5, 250]].sum() == 1


@pytest.mark.parametrize(
    ("rows", "left", "told"), [(12, "no", "12 rows"), (100, "no", "no row of class 'yes'")]
)
def test_what_cannot_be_split_is_refused(
    timeless: Contract, params: Params, make_frame: Make, rows: int, left: str, told: str
) -> None:
    with pytest.raises(UserError, match=told):
        held_out(make_frame(rows).assign(left=left), timeless, params.split)
