"""Evidently's pages of a window, without what aborts them, and with our decision for each column.

The drift of each column is judged by a test of ours that is registered with Evidently: its page
shows the decision of `ml.monitoring.checks.drift`. Evidently writes names and levels into a script
of its page as they are: it gets them from `labels`.
Run: `python -m ml.monitoring.reports.evidently reports/monitoring/<window>`; `ml monitor` starts it
as a child process (`ml.monitoring.reports.page_writer`).
Reads: page-inputs/ in the window's folder; removes it at the end. Writes: report.html, report.json,
performance.html where outcomes have come, report.error where that failed, the page over all
windows, and the same reports as runs of Evidently's workspace (`ml.monitoring.reports.workspace`).
"""

from __future__ import annotations

import shutil
import sys
import warnings
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml.atomic import locked, sync, write_text
from ml.contract import Boolean, Categorical, Contract
from ml.errors import SENTENCE, SHOWN, UserError, printable
from ml.monitoring.history import LOCK
from ml.monitoring.reports import html, page_inputs, workspace
from ml.monitoring.reports.page_inputs import PAGES, PageInputs, class_names, predicted

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd

    from ml.monitoring.reports.page_inputs import Decisions, Tables
    from ml.monitoring.verdict import Verdict

    Runs = dict[str, Any]  # kind → Evidently's Snapshot
    About = dict[str, Any]  # what a run says of itself

# levels of a column in the report; of ten thousand it takes longer than ten minutes
MAX_LEVELS = 50
OTHERS = "all other levels"
ANGLES = str.maketrans("<>", "\u2039\u203a")  # no browser and no Plotly takes them for a tag
DRAFTS = ".pages.draft"


def write_pages(folder: Path) -> None:
    """Write the pages that wait for it in a window's folder; where none do, nothing is done.

    One process at a time does that for a window. Killed, it leaves the inputs, and the next one
    starts anew.
    """
    with locked(folder / ".pages.lock"):
        with locked(folder.parent / LOCK):
            asked = page_inputs.read(folder)
        if asked is None:
            return
        drafts = folder / DRAFTS
        shutil.rmtree(drafts, ignore_errors=True)
        drafts.mkdir()
        _share(folder.parent, write_drafts(drafts, *asked), *asked)
        with locked(folder.parent / LOCK):
            _publish(folder, drafts, asked[1])


def write_drafts(folder: Path, inputs: PageInputs, verdict: Verdict) -> Runs:
    """Run Evidently's presets and put the verdict over their pages; the runs by their kind."""
    runs = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Evidently's and its libraries' own
        if list(inputs.columns[0]):
            about = workspace.about(verdict, "data")
            runs["data"] = _data(folder, inputs.columns, inputs.contract, inputs.decisions, about)
        if _outcomes_differ(inputs):
            about = workspace.about(verdict, "performance")
            runs["performance"] = _performance(folder, inputs, about)
    for path in folder.glob("*.html"):
        html.prepend_header(path, verdict)
    return runs


def _share(reports: Path, runs: Runs, inputs: PageInputs, verdict: Verdict) -> None:
    """Add the runs to Evidently's workspace; what fails there costs a line, not the pages."""
    failure = reports / workspace.FAILURE
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            workspace.add(reports, runs, verdict, inputs.workspace_windows)
    except Exception as error:  # whatever Evidently raises
        reason = printable(f"{type(error).__name__}: {error}", SENTENCE)
        write_text(failure, f"{reason}\n")
    else:
        failure.unlink(missing_ok=True)


def _publish(folder: Path, drafts: Path, verdict: Verdict) -> None:
    """Put the pages into their places, unless the window was judged again in the meantime."""
    if page_inputs.are_of(folder, verdict):
        for name in PAGES:
            _replace(drafts / name, folder / name)
        (folder / page_inputs.FAILURE).unlink(missing_ok=True)
        page_inputs.remove(folder)
    shutil.rmtree(drafts)
    html.write_index(folder.parent)


def _replace(draft: Path, page: Path) -> None:
    """Put one page into its place; one that was not drafted is removed there."""
    if not draft.is_file():
        page.unlink(missing_ok=True)
        return
    sync(draft)
    draft.replace(page)


def main(folder: Path) -> int:
    """Write the pages; what fails is said in one line, here and in the window's folder."""
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder of a window", "ls reports/monitoring")
    try:
        write_pages(folder)
    except Exception as error:  # whatever Evidently raises: the verdict stands beside it
        reason = printable(f"{type(error).__name__}: {error}", SENTENCE)
        with locked(folder.parent / LOCK):
            page_inputs.write_failure(folder, reason)
            html.write_index(folder.parent)
        print(f"{folder}: no page: {reason}", file=sys.stderr)
        return 1
    return 0


def _data(
    folder: Path, sides: Tables, contract: Contract, decisions: Decisions, about: About
) -> Any:
    """Write the report of the columns, which are called by labels there; its run."""
    levels = [name for name in _with_levels(contract) if name in sides[0]]
    for name in levels:
        sides = _with_labels(*sides, name)
    names = labels(sides[0])
    labelled = {names[name]: taken for name, taken in decisions.items() if name in names}
    current, reference = (frame.rename(columns=names) for frame in sides)
    return _drift(folder, (current, reference), [names[name] for name in levels], labelled, about)


def _with_levels(contract: Contract) -> list[str]:
    """The columns of levels, and what is predicted if it is a class."""
    shown = [c for c in contract.columns if c.use == "feature"]
    levels = [c.name for c in shown if isinstance(c, Categorical | Boolean)]
    return levels + (predicted(contract) if contract.is_classification else [])


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


def _drift(
    folder: Path, sides: Tables, levels: list[str], decisions: Decisions, about: About
) -> Any:
    from evidently import Report
    from evidently.presets import DataSummaryPreset

    names = [str(name) for name in sides[0]]
    presets = [_drift_preset(names, decisions), DataSummaryPreset()]
    numbers = [name for name in names if name not in levels]
    data = _datasets(sides, categorical_columns=levels, numerical_columns=numbers)
    run = Report(presets, include_tests=True).run(*data, **about)
    run.save_html(str(folder / "report.html"))
    run.save_json(str(folder / "report.json"))
    return run


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


def _outcomes_differ(inputs: PageInputs) -> bool:
    """Whether the outcomes of both sides differ among themselves, as a report needs them."""
    return min(side["outcome"].nunique() for side in inputs.answers) >= 2


def _performance(folder: Path, inputs: PageInputs, about: About) -> Any:
    """Write the report of the answers; its run."""
    from evidently import Report
    from evidently.presets import ClassificationPreset, RegressionPreset

    contract = inputs.contract
    current, reference = (_answers(side, contract) for side in inputs.answers)
    preset = ClassificationPreset() if contract.is_classification else RegressionPreset()
    data = _datasets((current, reference), **_task(contract))
    run = Report([preset]).run(*data, **about)
    run.save_html(str(folder / "performance.html"))
    return run


def _answers(side: pd.DataFrame, contract: Contract) -> pd.DataFrame:
    """Outcomes and answers as Evidently's columns, classes by their labels."""
    import pandas as pd

    answer = side.drop(columns="outcome").to_numpy()
    prediction = answer.argmax(axis=1).astype(float) if contract.is_classification else answer[:, 0]
    columns = {"target": side["outcome"].to_numpy(), "prediction": prediction}
    frame = pd.DataFrame({name: class_names(codes, contract) for name, codes in columns.items()})
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


if __name__ == "__main__":
    try:
        sys.exit(main(Path(" ".join(sys.argv[1:]))))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
