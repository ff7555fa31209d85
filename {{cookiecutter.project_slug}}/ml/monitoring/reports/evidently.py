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
from ml.monitoring.checks.performance import cohort
from ml.monitoring.inputs.columns import PREDICTION

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    import pandas as pd

    from ml.monitoring.inputs.reference import Champion
    from ml.monitoring.inputs.window import Window
    from ml.monitoring.verdict import Finding

    Decisions = dict[str, tuple[float, bool]]  # column → its index, and whether it has a ticket
    Tables = tuple[pd.DataFrame, pd.DataFrame]  # the window's, the reference's

MAX_ROWS = 10_000  # rows of either side in the report; Evidently's cost grows with them
# levels of a column in the report; of ten thousand it takes longer than ten minutes
MAX_LEVELS = 50
OTHERS = "all other levels"
ANGLES = str.maketrans("<>", "\u2039\u203a")  # no browser and no Plotly takes them for a tag


def tables(window: Window, champion: Champion) -> tuple[Tables, list[str]]:
    """Both sides' tables, and the columns left out because one side is empty."""
    current, reference = _with_answers(window, champion.contract), champion.reference
    names = _names(champion.contract)
    empty = [name for name in names if _is_empty(current[name]) or _is_empty(reference[name])]
    kept = [name for name in names if name not in empty]
    return (_sample(current[kept]), _sample(reference[kept])), empty


def _with_answers(window: Window, contract: Contract) -> pd.DataFrame:
    """The window's sample with its predictions and outcomes."""
    prediction, outcome = window.prediction[window.places], window.outcome[window.places]
    frame = window.sample.assign(**{contract.added(PREDICTION): _classes(prediction, contract)})
    frame[contract.target.name] = _classes(outcome, contract)
    return frame


def _names(contract: Contract) -> list[str]:
    """The columns of the report."""
    columns = [c.name for c in contract.columns if not isinstance(c, Datetime | Text)]
    return [*columns, *_predicted(contract)]


def _predicted(contract: Contract) -> list[str]:
    return [contract.added(PREDICTION), contract.target.name]


def _is_empty(column: pd.Series) -> bool:
    return bool(column.isna().all())


def _classes(codes: Any, contract: Contract) -> Any:
    """Class codes as names, NaN as None; a regression's values as they are."""
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
    sides, empty = tables(window, champion)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Evidently's and its libraries' own
        if list(sides[0]):
            _data(folder, sides, champion.contract, _decisions(findings, psi))
        _performance(folder, window, champion)
    return empty


def _decisions(findings: Sequence[Finding], psi: dict[str, float]) -> Decisions:
    tickets = {f.column for f in findings if f.check == "drift" and f.severity == "ticket"}
    return {name: (index, name in tickets) for name, index in psi.items()}


def _data(folder: Path, sides: Tables, contract: Contract, decisions: Decisions) -> None:
    """Write the report of the columns, which are called by labels there."""
    levels = [name for name in _with_levels(contract) if name in sides[0]]
    for name in levels:
        sides = _with_labels(*sides, name)
    names = labels(sides[0])
    labelled = {names[name]: taken for name, taken in decisions.items() if name in names}
    current, reference = (frame.rename(columns=names) for frame in sides)
    _drift(folder, (current, reference), [names[name] for name in levels], labelled)


def _with_levels(contract: Contract) -> list[str]:
    """The columns of levels, and what is predicted if it is a class."""
    levels = [c.name for c in contract.columns if isinstance(c, Categorical | Boolean)]
    return levels + (_predicted(contract) if contract.is_classification else [])


def labels(texts: Iterable[object]) -> dict[Any, str]:
    """Labels for texts from outside: short, no markup, different for different texts."""
    label_of: dict[Any, str] = {}
    taken, repeated = set[str](), Counter[str]()
    for text in texts:
        short = label = printable(str(text)).translate(ANGLES)
        while label in taken:
            repeated[short] += 1
            label = f"{short[: SHOWN - 8]} ({repeated[short] + 1})"
        taken.add(label)
        label_of[text] = label
    return label_of


def _with_labels(current: pd.DataFrame, reference: pd.DataFrame, name: str) -> Tables:
    """The tables with labels for a column's commonest levels, and one for all others."""
    counts = Counter(reference[name].dropna())
    counts.update(current[name].dropna())
    label_of = labels(level for level, _ in counts.most_common(MAX_LEVELS))
    return _mapped(current, name, label_of), _mapped(reference, name, label_of)


def _mapped(frame: pd.DataFrame, name: str, label_of: dict[Any, str]) -> pd.DataFrame:
    label = frame[name].map(lambda level: label_of.get(level, OTHERS), na_action="ignore")
    return frame.assign(**{name: label})


def _drift(folder: Path, sides: Tables, levels: list[str], decisions: Decisions) -> None:
    from evidently import Report
    from evidently.presets import DataSummaryPreset

    names = [str(name) for name in sides[0]]
    presets = [_drift_preset(names, decisions), DataSummaryPreset()]
    numbers = [name for name in names if name not in levels]
    data = _datasets(sides, categorical_columns=levels, numerical_columns=numbers)
    run = Report(presets, include_tests=True).run(*data)
    run.save_html(str(folder / "report.html"))
    run.save_json(str(folder / "report.json"))


def _drift_preset(names: list[str], decisions: Decisions) -> Any:
    from evidently.presets import DataDriftPreset

    return DataDriftPreset(
        per_column_method={name: _decided(name, decisions) for name in names},
        drift_share=1 / len(names),  # one column with a ticket is drift
    )


def _datasets(sides: Tables, **definition: Any) -> list[Any]:
    """Both tables with Evidently's definition of their columns."""
    from evidently import DataDefinition, Dataset

    defined = DataDefinition(**definition)
    return [Dataset.from_pandas(frame, data_definition=defined) for frame in sides]


def _decided(name: str, decisions: Decisions) -> Any:
    """Evidently's custom test: gives the column's stability index and the decision taken."""
    from evidently.legacy.calculations.stattests import StatTest, register_stattest
    from evidently.legacy.core import ColumnType

    test = StatTest(
        name=f"calibrated: {name}",
        display_name="PSI, calibrated ticket" if name in decisions else "not tested",
        allowed_feature_types=[ColumnType.Numerical, ColumnType.Categorical],
    )
    register_stattest(
        test, lambda _reference, _current, _kind, _threshold: decisions.get(name, (0.0, False))
    )
    return test


def _performance(folder: Path, window: Window, champion: Champion) -> None:
    """Write the report of the answers, where both sides' outcomes differ among themselves."""
    from evidently import Report
    from evidently.presets import ClassificationPreset, RegressionPreset

    contract, group = champion.contract, cohort(window)
    current = _answers(group.outcome, group.answer, contract)
    reference = _answers(champion.outcome, champion.answer, contract)
    if min(current["target"].nunique(), reference["target"].nunique()) < 2:
        return
    preset = ClassificationPreset() if contract.is_classification else RegressionPreset()
    data = _datasets((_sample(current), _sample(reference)), **_task(contract))
    Report([preset]).run(*data).save_html(str(folder / "performance.html"))


def _answers(outcome: Any, answer: Any, contract: Contract) -> pd.DataFrame:
    """Outcomes and answers as Evidently's columns, classes by their labels."""
    import pandas as pd

    prediction = answer.argmax(axis=1).astype(float) if contract.is_classification else answer[:, 0]
    columns = {"target": outcome, "prediction": prediction}
    frame = pd.DataFrame({name: _classes(codes, contract) for name, codes in columns.items()})
    if contract.is_classification:
        frame = frame.apply(lambda column: column.map(labels(contract.target.classes)))
    if contract.target.task == "binary":
        frame["probability"] = answer[:, 1]
    return frame


def _task(contract: Contract) -> dict[str, Any]:
    """The task in Evidently's words."""
    from evidently import MulticlassClassification, Regression

    names = {"categorical_columns": ["target", "prediction"]}
    match contract.target.task:
        case "binary":
            task = [_binary(labels(contract.target.classes)[contract.target.classes[-1]])]
            return {"classification": task, "numerical_columns": ["probability"], **names}
        case "multiclass":
            many = MulticlassClassification(target="target", prediction_labels="prediction")
            return {"classification": [many], **names}
        case "regression":
            return {"regression": [Regression()], "numerical_columns": ["target", "prediction"]}


def _binary(positive: str) -> Any:
    from evidently import BinaryClassification

    return BinaryClassification(
        target="target",
        prediction_labels="prediction",
        prediction_probas="probability",
        pos_label=positive,
    )
