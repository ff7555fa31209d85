"""Evidently's report of a window, without what aborts it, and with our decision for each column.

An empty column aborts Evidently's whole report, so such columns are left out and named. The drift
of each column is judged by a test of ours that is registered with Evidently: its page shows the
decision of `ml.monitoring.checks.drift`. Evidently writes names and levels into a script of its
page as they are: it gets them from `labels`.
Writes: report.html and report.json in the window's folder, performance.html where outcomes have
come.
"""

from __future__ import annotations

import warnings
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from ml.contract import Boolean, Categorical, Contract, Datetime, Text
from ml.errors import SHOWN, printable
from ml.monitoring.inputs.columns import PREDICTION

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    import pandas as pd

    from ml.monitoring.inputs.reference import Champion
    from ml.monitoring.inputs.window import Window
    from ml.monitoring.verdict import Finding

    Decided = dict[str, tuple[float, bool]]  # column → its index, and whether it has a ticket

MAX_ROWS = 10_000  # rows of either side in the report; Evidently's cost grows with them
# levels of a column in the report; of ten thousand it takes longer than ten minutes
MAX_LEVELS = 50
OTHERS = "all other levels"
ANGLES = str.maketrans("<>", "\u2039\u203a")  # no browser and no Plotly takes them for a tag


def tables(window: Window, champion: Champion) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
    """The window's and the reference's table, and the columns left out: one side is empty."""
    contract = champion.contract
    predicted = contract.added(PREDICTION)
    current = window.sample.assign(
        **{predicted: _labels(window.prediction[window.places], contract)}
    )
    current[contract.target.name] = _labels(window.outcome[window.places], contract)
    before = champion.reference
    shown = [c.name for c in contract.columns if not isinstance(c, Datetime | Text)]
    names = [*shown, predicted, contract.target.name]
    empty = [name for name in names if current[name].isna().all() or before[name].isna().all()]
    kept = [name for name in names if name not in empty]
    return _sample(current[kept]), _sample(before[kept]), empty


def _labels(codes: Any, contract: Contract) -> Any:
    if not contract.is_classification:
        return codes
    classes = np.array([*contract.target.classes, None], dtype=object)
    return classes[np.where(np.isnan(codes), len(classes) - 1, codes).astype(int)]


def _sample(frame: pd.DataFrame) -> pd.DataFrame:
    return frame if len(frame) <= MAX_ROWS else frame.sample(MAX_ROWS, random_state=0)


def write_report(
    folder: Path,
    window: Window,
    champion: Champion,
    findings: Sequence[Finding],
    psi: dict[str, float],
) -> list[str]:
    """Run Evidently's presets and write the files; returns the columns that had to be left out.

    `psi` says how far each column moved; a column that is not in it was not tested.
    """
    contract = champion.contract
    current, before, empty = tables(window, champion)
    levels = [name for name in _with_levels(contract) if name in current]
    for name in levels:
        current, before = _with_labels(current, before, name)
    names = labels(current)
    tickets = {f.column for f in findings if f.check == "drift" and f.severity == "ticket"}
    decided = {
        names[name]: (moved, name in tickets) for name, moved in psi.items() if name in names
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Evidently's and its libraries' own
        if list(current):
            frames = current.rename(columns=names), before.rename(columns=names)
            _drift(folder, *frames, [names[name] for name in levels], decided)
        _performance(folder, window, champion)
    return empty


def _with_levels(contract: Contract) -> list[str]:
    """The columns of levels, and what is predicted if it is a class."""
    levels = [c.name for c in contract.columns if isinstance(c, Categorical | Boolean)]
    predicted = [contract.added(PREDICTION), contract.target.name]
    return [*levels, *predicted] if contract.is_classification else levels


def labels(texts: Iterable[object]) -> dict[Any, str]:
    """Labels for texts from outside: short, no markup, different for different texts."""
    made: dict[Any, str] = {}
    taken, seen = set[str](), Counter[str]()
    for text in texts:
        short = label = printable(str(text)).translate(ANGLES)
        while label in taken:
            seen[short] += 1
            label = f"{short[: SHOWN - 8]} ({seen[short] + 1})"
        taken.add(label)
        made[text] = label
    return made


def _with_labels(
    current: pd.DataFrame, before: pd.DataFrame, name: str
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The tables with labels for a column's commonest levels, and one for all others."""
    counts = Counter(before[name].dropna())
    counts.update(current[name].dropna())
    shown = labels(level for level, _ in counts.most_common(MAX_LEVELS))
    frames = (
        frame.assign(
            **{name: frame[name].map(lambda level: shown.get(level, OTHERS), na_action="ignore")}
        )
        for frame in (current, before)
    )
    return next(frames), next(frames)


def _drift(
    folder: Path, current: pd.DataFrame, before: pd.DataFrame, levels: list[str], decided: Decided
) -> None:
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset, DataSummaryPreset

    numbers = [name for name in current if name not in levels]
    definition = DataDefinition(categorical_columns=levels, numerical_columns=numbers)
    data = [Dataset.from_pandas(frame, data_definition=definition) for frame in (current, before)]
    preset = DataDriftPreset(
        per_column_method={name: _decided(str(name), decided) for name in current},
        drift_share=1 / len(list(current)),  # one column with a ticket is drift
    )
    run = Report([preset, DataSummaryPreset()], include_tests=True).run(*data)
    run.save_html(str(folder / "report.html"))
    run.save_json(str(folder / "report.json"))


def _decided(name: str, decided: Decided) -> Any:
    """Evidently's custom test: gives the column's stability index and the decision taken."""
    from evidently.legacy.calculations.stattests import StatTest, register_stattest
    from evidently.legacy.core import ColumnType

    test = StatTest(
        name=f"calibrated: {name}",
        display_name="PSI, calibrated ticket" if name in decided else "not tested",
        allowed_feature_types=[ColumnType.Numerical, ColumnType.Categorical],
    )
    register_stattest(
        test, lambda _reference, _current, _kind, _threshold: decided.get(name, (0.0, False))
    )
    return test


def _performance(folder: Path, window: Window, champion: Champion) -> None:
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import ClassificationPreset, RegressionPreset

    contract = champion.contract
    known = np.flatnonzero(window.mine & ~np.isnan(window.outcome))
    then = _answers(champion.outcome, champion.answer, contract)
    now = _answers(window.outcome[known], window.answer[known], contract)
    if min(len(frame) and frame["target"].nunique() for frame in (now, then)) < 2:
        return
    shown = labels(contract.target.classes)
    if contract.is_classification:
        now, then = (
            frame.assign(**{name: frame[name].map(shown) for name in ("target", "prediction")})
            for frame in (now, then)
        )
    preset = ClassificationPreset() if contract.is_classification else RegressionPreset()
    definition = DataDefinition(**_task(contract))
    data = [
        Dataset.from_pandas(_sample(frame), data_definition=definition) for frame in (now, then)
    ]
    Report([preset]).run(*data).save_html(str(folder / "performance.html"))


def _answers(outcome: Any, answer: Any, contract: Contract) -> pd.DataFrame:
    import pandas as pd

    prediction = answer.argmax(axis=1).astype(float) if contract.is_classification else answer[:, 0]
    made = {"target": _labels(outcome, contract), "prediction": _labels(prediction, contract)}
    return pd.DataFrame(
        made | ({"probability": answer[:, 1]} if contract.target.task == "binary" else {})
    )


def _task(contract: Contract) -> dict[str, Any]:
    from evidently import BinaryClassification, MulticlassClassification, Regression

    names = {"categorical_columns": ["target", "prediction"]}
    match contract.target.task:
        case "binary":
            task = BinaryClassification(
                target="target",
                prediction_labels="prediction",
                prediction_probas="probability",
                pos_label=labels(contract.target.classes)[contract.target.classes[-1]],
            )
            return {"classification": [task], "numerical_columns": ["probability"], **names}
        case "multiclass":
            many = MulticlassClassification(target="target", prediction_labels="prediction")
            return {"classification": [many], **names}
        case "regression":
            return {"regression": [Regression()], "numerical_columns": ["target", "prediction"]}
