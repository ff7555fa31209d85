"""Each window as a run of an Evidently workspace, for people who look at `evidently ui`.

The runs are the reports whose pages stand in the window's folder, with the verdict as tags and
metadata. A window that is judged again replaces its runs. Evidently's service reads every run of a
project, so only the latest `monitor.workspace_windows` windows are kept.
Writes: reports/monitoring/workspace/, in Evidently's form, and windows.json there: which windows
are in it; workspace.error where that failed. A run that somebody else added stays.
"""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_URL, UUID, uuid5

from ml.atomic import locked, sync, write_json
from ml.errors import SENTENCE, printable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ml.monitoring.verdict import Verdict

    Runs = Mapping[str, Any]  # kind → Evidently's Snapshot
    Windows = dict[str, float]  # name → end, unix seconds

WORKSPACE = "workspace"
WINDOWS = "windows.json"
LOCK = ".workspace.lock"
FAILURE = "workspace.error"  # one line: why the latest window is not in it
DRAFT = ".workspace.draft"
SNAPSHOTS = "snapshots"
KINDS = ("data", "performance")
ANGLES = str.maketrans("<>", "\u2039\u203a")  # no browser takes them for a tag


def add(reports: Path, runs: Runs, verdict: Verdict, keep: int) -> None:
    """Add a window's runs in place of earlier ones, and remove the oldest windows beyond `keep`.

    Args:
        reports: the folder of all windows' reports.
        runs: Evidently's snapshots by their kind.
        verdict: the window's.
        keep: how many windows stay; 0: nothing is added or removed.
    """
    if not keep:
        return
    folder, draft = reports / WORKSPACE, reports / DRAFT
    with locked(reports / LOCK):
        shutil.rmtree(draft, ignore_errors=True)  # of a killed process
        project = _project(folder, draft, verdict.model)
        for kind in KINDS:
            _put(project, draft, run_id(verdict.window, kind), runs.get(kind))
        _remember(folder, project, verdict, keep)


def _remember(folder: Path, project: Path, verdict: Verdict, keep: int) -> None:
    """Note the window, and remove the runs of those beyond `keep`."""
    windows = {**_windows(folder), verdict.window: verdict.end}
    kept = sorted(windows, key=lambda name: windows[name])[-keep:]
    for window in windows.keys() - set(kept):
        for kind in KINDS:
            _run(project, run_id(window, kind)).unlink(missing_ok=True)
    write_json(folder / WINDOWS, {window: windows[window] for window in kept})


def about(verdict: Verdict, kind: str) -> dict[str, Any]:
    """What a run says of itself: arguments for Evidently's `Report.run`."""
    evidence = "; ".join(_shown(words, SENTENCE) for words in verdict.evidence)
    metadata = {"verdict": verdict.verdict, "action": verdict.action, "evidence": evidence}
    return {
        "name": f"{verdict.window} {kind}",
        "timestamp": datetime.fromtimestamp(verdict.end, UTC).replace(tzinfo=None),
        "tags": [kind, verdict.verdict, f"version {_shown(verdict.version)}"],
        "metadata": metadata,
    }


def _shown(text: str, limit: int = SENTENCE) -> str:
    return printable(text, limit).translate(ANGLES)


def project_id(model: str) -> UUID:
    """The project of a model: always the same, so that it need not be looked for."""
    return uuid5(NAMESPACE_URL, f"ml monitor: {model}")


def run_id(window: str, kind: str) -> UUID:
    """The run of a window: always the same, so that it replaces an earlier one."""
    return uuid5(NAMESPACE_URL, f"ml monitor: {window} {kind}")


def _windows(folder: Path) -> Windows:
    """The windows that are in the workspace."""
    path = folder / WINDOWS
    windows: Windows = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return windows


def _project(folder: Path, draft: Path, model: str) -> Path:
    """The folder of the model's project; made, with its dashboard, where it is not there.

    `evidently ui` does not start where a file is half written, so each appears whole.
    """
    known = project_id(model)
    place = folder / str(known)
    if not place.is_dir():
        from evidently.sdk.models import ProjectModel

        words = "Windows of `ml monitor`; its verdicts are tags and metadata of the runs."
        state = _state(draft)
        state.write_project(ProjectModel(id=known, name=_shown(model), description=words))
        state.write_dashboard(known, _dashboard())
        (draft / str(known) / SNAPSHOTS).mkdir()
        folder.mkdir(exist_ok=True)
        (draft / str(known)).replace(place)
    return place


def _state(folder: Path) -> Any:
    """What writes Evidently's files. Its `Workspace` reads all runs when it is opened."""
    from evidently.ui.storage.local.base import LocalState

    return LocalState(str(folder))


def _dashboard() -> Any:
    """Panels of what changes from window to window."""
    from evidently.sdk.models import DashboardModel, DashboardTabModel, PanelMetric
    from evidently.sdk.panels import bar_plot_panel, line_plot_panel

    labels = {"value_type": "count"}
    drifted = PanelMetric(legend="columns", metric="DriftedColumnsCount", metric_labels=labels)
    rows = PanelMetric(legend="rows", metric="RowCount")
    panels = [
        bar_plot_panel("Columns with a ticket", [drifted], size="half"),
        line_plot_panel("Rows in the report", [rows], size="half"),
    ]
    tab = DashboardTabModel(title="Windows", panels=[panel.id for panel in panels])
    return DashboardModel(tabs=[tab], panels=panels)


def _run(project: Path, run: UUID) -> Path:
    return project / SNAPSHOTS / f"{run}.json"


def _put(project: Path, draft: Path, run: UUID, snapshot: Any) -> None:
    """Put a snapshot into its place; None removes what is there.

    The draft lies outside the workspace: a service that watches it takes a file that is moved in
    for a new one, but not one that is renamed in it.
    """
    if snapshot is None:
        _run(project, run).unlink(missing_ok=True)
        return
    model = snapshot.to_snapshot_model()
    for result in model.metric_results.values():
        result.widget = []  # the report shows `model.widgets`; these are two thirds of the size
    _state(draft).write_snapshot(project.name, run, model)
    written = _run(draft / project.name, run)
    sync(written)
    written.replace(_run(project, run))
