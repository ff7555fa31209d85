"""The demo's story.

The same rows each time, a target worth predicting, and windows that go wrong in three ways.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score

from ml.adopt import demo_data

FEATURES = ["age", "tenure_months", "monthly_fee", "hours_watched", "days_since_login",
"support_calls",
            "failed_payments", "satisfaction", "annual_contract", "discount_pct", "channel",
            "plan"]  # fmt: skip


@pytest.fixture(scope="module")
def year() -> pd.DataFrame:
    """The twelve months that `ml adopt demo` adopts."""
    return demo_data.simulate()


@pytest.fixture(scope="module")
def model(year: pd.DataFrame) -> HistGradientBoostingClassifier:
    """A model of the first ten months."""
    train = year[:16_000]
    return HistGradientBoostingClassifier(max_iter=120, max_leaf_nodes=15).fit(_x(train), _y(train))


def _x(frame: pd.DataFrame) -> pd.DataFrame:
    levels = {"channel": demo_data.CHANNELS, "plan": demo_data.PLANS}
    coded = {
        name: frame[name].map({level: i for i, level in enumerate(listed)})
        for name, listed in levels.items()
    }
    return frame[FEATURES].assign(**coded).astype(float)


def _y(frame: pd.DataFrame) -> pd.Series:
    return frame[demo_data.TARGET] == "yes"


def _auc(model: HistGradientBoostingClassifier, frame: pd.DataFrame) -> float:
    return float(roc_auc_score(_y(frame), model.predict_proba(_x(frame))[:, 1]))


def test_the_same_arguments_give_the_same_rows(year: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(demo_data.simulate(), year)
    assert not demo_data.simulate(seed=8).equals(year)


def test_a_year_of_twenty_thousand_customers_in_order(year: pd.DataFrame) -> None:
    assert len(year) == year[demo_data.ID].nunique() == 20_000
    assert year[demo_data.TIME].is_monotonic_increasing
    assert (
        pd.Timedelta(days=360)
        < year[demo_data.TIME].max() - year[demo_data.TIME].min()
        < pd.Timedelta(days=367)
    )
    missing = year.isna().mean()
    assert set(missing[missing > 0].index) == {"age", "device", "satisfaction"}


def test_the_latest_months_are_predictable_and_not_too_much(
    year: pd.DataFrame, model: HistGradientBoostingClassifier
) -> None:
    assert 0.80 < _auc(model, year[16_000:]) < 0.88
    assert 0.1 < _y(year).mean() < 0.3


def test_windows_of_one_stream_follow_each_other() -> None:
    first, second = (
        demo_data.simulate(rows=500, months=1),
        demo_data.simulate(rows=500, months=1, first_month=1),
    )
    assert first[demo_data.TIME].max() < second[demo_data.TIME].min()
    assert not set(first[demo_data.ID]) & set(second[demo_data.ID])


def test_a_shift_changes_who_is_seen_and_not_why_they_leave(
    model: HistGradientBoostingClassifier,
) -> None:
    calm, shifted = (
        demo_data.simulate(rows=4000, months=1, first_month=12, shift=s) for s in (0.0, 1.0)
    )
    assert shifted["age"].mean() < calm["age"].mean() - 8
    assert (shifted["channel"] == "app").mean() > (calm["channel"] == "app").mean() + 0.2
    assert _auc(model, shifted) > _auc(model, calm) - 0.05


def test_a_change_of_concept_leaves_the_columns_alone_and_breaks_the_model(
    model: HistGradientBoostingClassifier,
) -> None:
    calm, changed = (
        demo_data.simulate(rows=4000, months=1, first_month=12, concept=c) for c in (0.0, 1.0)
    )
    pd.testing.assert_frame_equal(calm[FEATURES], changed[FEATURES])
    assert _auc(model, changed) < _auc(model, calm) - 0.1


def test_a_fault_breaks_the_data_and_not_the_customers() -> None:
    calm = demo_data.simulate(rows=1000, months=1, first_month=12)
    cents = demo_data.simulate(rows=1000, months=1, first_month=12, fault="cents")
    np.testing.assert_allclose(cents["monthly_fee"], calm["monthly_fee"] * 100)
    lost = demo_data.simulate(rows=1000, months=1, first_month=12, fault="lost")
    assert lost["days_since_login"].isna().mean() > 0.5
    for broken in (cents, lost):
        assert broken[demo_data.TARGET].equals(calm[demo_data.TARGET])
