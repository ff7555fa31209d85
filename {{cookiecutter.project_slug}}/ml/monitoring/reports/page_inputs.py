"""What Evidently's pages of a window are made of, as plain files between two processes.

Writes and reads: page-inputs/ in the window's folder (Parquet of both sides after sampling, JSON of
the rest). `ml monitor` writes it together with the verdict, `ml.monitoring.reports.evidently` makes
the pages of it and removes it. So a page that was never finished can be written later, and the
report needs no journal.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ml.atomic import staged_folder, write_json, write_text
from ml.contract import Contract, Datetime, Text
from ml.errors import SENTENCE, printable
from ml.monitoring.checks.performance import cohort
from ml.monitoring.inputs.columns import PREDICTION
from ml.monitoring.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd

    from ml.monitoring.inputs.reference import Champion
    from ml.monitoring.inputs.window import Window
    from ml.monitoring.verdict import Finding

    Decisions = dict[str, tuple[float, bool]]  # column → its index, and whether it has a ticket
    Tables = tuple[pd.DataFrame, pd.DataFrame]  # the window's, the reference's

INPUTS = "page-inputs"
ABOUT = "about.json"
FAILURE = "report.error"  # one line: why there is no page
REPORT = "report.html"
PAGES = (REPORT, "report.json", "performance.html")
SIDES = ("window", "reference")
MAX_ROWS = 10_000  # rows of either side in the report; Evidently's cost grows with them


@dataclass(frozen=True)
class PageInputs:
    """The tables and decisions of a window's pages.

    Args:
        contract: what the columns are.
        decisions: for each tested column its index, and whether it has a ticket.
        columns: both sides' columns with prediction and target, without those that one side lacks.
        left_out: the columns that one side lacks; an empty one aborts Evidently's report.
        answers: both sides' outcomes (`outcome`) and answer matrices (`0`, `1`, …).
        workspace_windows: how many windows Evidently's workspace keeps; 0: it gets none.
    """

    contract: Contract
    decisions: Decisions
    columns: Tables
    left_out: tuple[str, ...]
    answers: Tables
    workspace_windows: int = 0


def page_inputs(
    window: Window,
    champion: Champion,
    findings: Sequence[Finding],
    psi: dict[str, float],
    workspace_windows: int = 0,
) -> PageInputs:
    """Sample both sides of a window that holds rows.

    `psi` says how far each column moved; a column that is not in it was not tested.
    """
    sides, empty = tables(window, champion)
    group = cohort(window)
    answers = (
        _answers(group.outcome, group.answer),
        _answers(champion.outcome, champion.answer),
    )
    decisions = _decisions(findings, psi)
    return PageInputs(champion.contract, decisions, sides, tuple(empty), answers, workspace_windows)


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
    frame = window.sample.assign(**{contract.added(PREDICTION): class_names(prediction, contract)})
    frame[contract.target.name] = class_names(outcome, contract)
    return frame


def _names(contract: Contract) -> list[str]:
    """The columns of the report."""
    shown = [c for c in contract.columns if c.use == "feature"]
    columns = [c.name for c in shown if not isinstance(c, Datetime | Text)]
    return [*columns, *predicted(contract)]


def predicted(contract: Contract) -> list[str]:
    """The two columns of what is predicted: the answer, the outcome."""
    return [contract.added(PREDICTION), contract.target.name]


def _is_empty(column: pd.Series) -> bool:
    return bool(column.isna().all())


def class_names(codes: Any, contract: Contract) -> Any:
    """Class codes as names, NaN as None; a regression's values as they are."""
    if not contract.is_classification:
        return codes
    classes = np.array([*contract.target.classes, None], dtype=object)
    return classes[np.where(np.isnan(codes), len(classes) - 1, codes).astype(int)]


def _answers(outcome: Any, answer: Any) -> pd.DataFrame:
    import pandas as pd

    matrix = {str(i): answer[:, i] for i in range(answer.shape[1])}
    return _sample(pd.DataFrame({"outcome": outcome, **matrix}))


def _sample(frame: pd.DataFrame) -> pd.DataFrame:
    return frame if len(frame) <= MAX_ROWS else frame.sample(MAX_ROWS, random_state=0)


def _decisions(findings: Sequence[Finding], psi: dict[str, float]) -> Decisions:
    tickets = {f.column for f in findings if f.check == "drift" and f.severity == "ticket"}
    return {name: (index, name in tickets) for name, index in psi.items()}


def write(folder: Path, inputs: PageInputs, verdict: Verdict) -> None:
    """Put the inputs into a window's folder, in place of its earlier inputs and pages.

    The caller holds the lock of the reports.
    """
    about = {
        "verdict": verdict.as_json(),
        "contract": inputs.contract.model_dump(mode="json"),
        "decisions": inputs.decisions,
        "workspace_windows": inputs.workspace_windows,
    }
    with staged_folder(folder / INPUTS) as draft:
        for name, sides in (("columns", inputs.columns), ("answers", inputs.answers)):
            for side, frame in zip(SIDES, sides, strict=True):
                frame.to_parquet(draft / f"{name}-{side}.parquet", index=False)
        write_json(draft / ABOUT, about)
        for name in (*PAGES, FAILURE):
            (folder / name).unlink(missing_ok=True)
        remove(folder)


def read(folder: Path) -> tuple[PageInputs, Verdict] | None:
    """A window's inputs and its verdict; None where no page is wanted.

    The caller holds the lock of the reports.
    """
    if not are_there(folder):
        return None
    about = _about(folder)
    contract = Contract.model_validate(about["contract"])
    verdict = Verdict.model_validate(about["verdict"])
    decisions = {name: (psi, bool(ticket)) for name, (psi, ticket) in about["decisions"].items()}
    columns, answers = _read_sides(folder, "columns"), _read_sides(folder, "answers")
    kept = about.get("workspace_windows", 0)  # absent: written by an earlier version
    return PageInputs(contract, decisions, columns, verdict.not_in_report, answers, kept), verdict


def _about(folder: Path) -> dict[str, Any]:
    about: dict[str, Any] = json.loads((folder / INPUTS / ABOUT).read_text(encoding="utf-8"))
    return about


def are_of(folder: Path, verdict: Verdict) -> bool:
    """Whether the inputs are still those of a verdict, and the window was not judged again."""
    return are_there(folder) and Verdict.model_validate(_about(folder)["verdict"]) == verdict


def _read_sides(folder: Path, name: str) -> Tables:
    window, reference = (_frame(folder / INPUTS / f"{name}-{side}.parquet") for side in SIDES)
    return window, reference


def _frame(path: Path) -> pd.DataFrame:
    """A table whose texts and booleans are objects, None where they are missing, as written."""
    import pandas as pd

    frame = pd.read_parquet(path)
    for name in frame.columns[frame.dtypes != np.float64]:
        values = frame[name].astype(object)
        frame[name] = values.where(values.notna(), None)
    return frame


def are_there(folder: Path) -> bool:
    """Whether a page of this window is still to be written."""
    return (folder / INPUTS / ABOUT).is_file()


def remove(folder: Path) -> None:
    """Remove a window's inputs, the file that makes them valid first."""
    (folder / INPUTS / ABOUT).unlink(missing_ok=True)
    shutil.rmtree(folder / INPUTS, ignore_errors=True)


def write_failure(folder: Path, reason: str) -> None:
    """Say in the window's folder why it has no page."""
    write_text(folder / FAILURE, f"{printable(reason, SENTENCE)}\n")


def failure(folder: Path) -> str | None:
    """Why a window has no page, as far as its folder says it."""
    path = folder / FAILURE
    return path.read_text(encoding="utf-8").strip() if path.is_file() else None
