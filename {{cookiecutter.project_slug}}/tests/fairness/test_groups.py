"""Which rows are a group, and what a person may name."""

from __future__ import annotations

import numpy as np
import pytest

from ml.errors import UserError
from ml.fairness.groups import groups_of
from ml.params import Params, load_params
from tests.conftest import write_settings
from tests.fairness.loans import CONTRACT, loans, settings


def test_levels_flags_and_bands_with_enough_rows(params: Params) -> None:
    frame = loans().frame
    asked = settings(params, columns=("group", "member", "age"), edges={"age": (30.0, 50.0)})
    found = {(g.column, g.level): len(g.rows) for g in groups_of(frame, CONTRACT, asked)}
    assert {level for column, level in found if column == "group"} == {"a", "b", "c"}
    assert found["member", "true"] + found["member", "false"] < len(frame)  # some have no value
    bands = [found["age", level] for level in ("below 30", "30 to 50", "from 50")]
    assert sum(bands) == len(frame)
    assert bands[0] == (frame["age"] < 30).sum()
    np.testing.assert_array_equal(
        frame["group"].to_numpy()[groups_of(frame, CONTRACT, asked)[1].rows] == "b", True
    )


@pytest.mark.parametrize(
    ("column", "told"),
    [
        ("grup", 'fairness.columns: "grup" is no column of contract.yaml; did you mean "group"?'),
        ("age", 'fairness.columns: "age" is integer and has no groups'),
    ],
)
def test_what_has_no_groups_is_named(params: Params, column: str, told: str) -> None:
    with pytest.raises(UserError) as error:
        groups_of(loans(100).frame, CONTRACT, settings(params, columns=(column,)))
    assert told in error.value.what


def test_edges_rise(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("edges") / "params.yaml"
    write_settings(path, fairness__edges={"age": [50, 30]})
    with pytest.raises(UserError, match=r"fairness\.edges: .*of age: one number or more"):
        load_params(path)
