"""Where Evidently and the monitor compute the same figure they agree, on the same rows."""

from __future__ import annotations

import json
import warnings
from typing import Any

import numpy as np
import pytest

from ml.journal.bulk.scan import Span
from ml.metrics import measure
from ml.monitoring.checks.performance import cohort, performance
from ml.monitoring.inputs.reference import Champion
from ml.monitoring.inputs.window import read_window
from ml.monitoring.monitor import REPORTS
from ml.monitoring.reports.evidently import write_pages
from ml.statistics.column_tests import shift
from tests.monitoring.conftest import DAY, NOW, World, customers, judged, record, week


def evidently(current: Any, reference: Any, metrics: Any, **definition: Any) -> list[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from evidently import DataDefinition, Dataset, Report

        data = [
            Dataset.from_pandas(f, data_definition=DataDefinition(**definition))
            for f in (current, reference)
        ]
        values = [m["value"] for m in Report(metrics()).run(*data).dict()["metrics"]]
    return [
        value.get("count", value.get("value")) if isinstance(value, dict) else value
        for value in values
    ]


@pytest.mark.slow
def test_counts_indices_and_metrics_agree(world: World, champion: Champion) -> None:
    frame = customers(900, 81, charge=80)
    frame.loc[frame.index[:40], "plan"] = "gold"
    frame.loc[frame.index[40:90], "charge"] = 2000.0
    record(world, frame, labelled=1.0)
    window = read_window(
        world.journal.engine, Span(NOW - 30 * DAY, NOW), world.contract, champion.profiles, "3"
    )
    columns, plan = window.columns, champion.profiles["plan"]
    names = ["charge", "tenure", "plan"]

    def metrics() -> list[Any]:
        from evidently.metrics import (
            MaxValue,
            MedianValue,
            MissingValueCount,
            OutListValueCount,
            OutRangeValueCount,
            RowCount,
            ValueDrift,
        )

        return [
            RowCount(),
            MissingValueCount(column="tenure"),
            OutRangeValueCount(column="charge", left=0, right=1000),
            OutListValueCount(column="plan", values=["basic", "plus", "pro"]),
            MaxValue(column="charge"),
            MedianValue(column="charge"),
            ValueDrift(column="plan", method="psi"),
        ]

    theirs = evidently(
        window.sample[names],
        champion.reference[names],
        metrics,
        numerical_columns=["charge", "tenure"],
        categorical_columns=["plan"],
    )
    ours = [
        len(window),
        float(columns["tenure"].tally.missing),
        columns["charge"].outside,
        float(columns["plan"].tally.cells[-1]),
        columns["charge"].high,
        float(window.sample["charge"].median()),
    ]
    assert theirs[:6] == pytest.approx(ours)
    # both put the same small share into an empty cell: Evidently 0.0001, the monitor half a row of
    # the reference's 5000
    assert theirs[6] == pytest.approx(float(shift(plan, columns["plan"].tally).psi), rel=1e-6)

    group = cohort(window)
    numbers, _ = performance(group, champion, world.params.monitor)
    assert numbers.value == pytest.approx(_roc_auc(group, champion)[0], rel=1e-6)
    assert measure("accuracy", group.outcome, group.answer) == pytest.approx(
        _roc_auc(group, champion)[1], rel=1e-6
    )


def _roc_auc(group: Any, champion: Champion) -> list[float]:
    import pandas as pd

    def metrics() -> list[Any]:
        from evidently.metrics import Accuracy, RocAuc

        return [RocAuc(), Accuracy()]

    def frame(outcome: Any, answer: Any) -> pd.DataFrame:
        return pd.DataFrame(
            {
                "target": outcome.astype(int),
                "label": answer.argmax(axis=1),
                "probability": answer[:, 1],
            }
        )

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from evidently import BinaryClassification

        task = BinaryClassification(
            target="target", prediction_labels="label", prediction_probas="probability", pos_label=1
        )
    return evidently(
        frame(group.outcome, group.answer),
        frame(champion.outcome, champion.answer),
        metrics,
        classification=[task],
        categorical_columns=["target", "label"],
        numerical_columns=["probability"],
    )


@pytest.mark.slow
def test_the_chi_square_is_not_evidentlys_and_why(champion: Champion) -> None:
    """Evidently takes the reference as exact.

    With many levels and a small reference it flags healthy windows.
    """
    rng = np.random.default_rng(0)
    from ml.statistics.profile import level_profile, tally

    ours, theirs = [], []
    for _ in range(40):
        reference, window = rng.integers(0, 50, 1000), rng.integers(0, 50, 1000)
        profile = level_profile("x", reference, 50, ordered=False)
        ours.append(shift(profile, tally(profile, window)).p_values[0])
        theirs.append(_their_chi_square(reference, window))
    assert np.mean(np.array(theirs) < 0.05) > 0.5
    assert np.mean(np.array(ours) < 0.05) < 0.15


def _their_chi_square(reference: Any, window: Any) -> float:
    import pandas as pd

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from evidently.legacy.calculations.stattests import chi_stat_test
        from evidently.legacy.core import ColumnType

        categorical = ColumnType.Categorical
        test = chi_stat_test(pd.Series(reference), pd.Series(window), categorical, 0.05)
    return float(test.drift_score)


@pytest.mark.slow
def test_evidentlys_report_shows_our_decision(world: World, champion: Champion) -> None:
    judged(world, champion, week(2), customers(600, 70, charge=81))
    write_pages(REPORTS / week(2).name)
    report = json.loads((REPORTS / week(2).name / "report.json").read_text())
    drifts = {
        m["config"]["column"]: m["config"]["method"]
        for m in report["metrics"]
        if "ValueDrift" in m["metric_name"]
    }
    assert set(drifts.values()) == {f"calibrated: {name}" for name in drifts}
    failed = {
        t["metric_config"]["params"]["column"]
        for t in report["tests"]
        if t["status"] == "FAIL" and "Value Drift" in t["name"]
    }
    assert failed == {"charge", "prediction"}
