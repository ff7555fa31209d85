"""MLflow's tracking for whoever writes runs: its settings, the experiment, a search and its trials.

A search's run is found again by a digest of what was searched, a trial's by its number, so that
nothing is logged twice: not by a stage that was killed, not by the release after it.
"""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlflow.entities import RunInfo
    from mlflow.tracking import MlflowClient

ARTIFACTS = Path("mlartifacts")  # beside mlflow.db
# of a request to a server, 14 seconds in all; MLflow's 7 keep a person waiting for four minutes
RETRIES = "3"
SEARCHED = "searched"  # tag of a search's run: the digest of what was searched
TRIAL = "trial"  # tag of a trial's run: its number
PARENT = "mlflow.parentRunId"
MOST_TRIALS = 10_000  # that one search is asked for
FIGURES = ("score", "rows", "round")


def import_library() -> None:
    """Import MLflow, some seconds, after its settings stand."""
    _set_defaults()
    import mlflow.tracking  # noqa: F401


def _set_defaults() -> None:
    """What MLflow reads from the environment while it is imported; a person's own values stay."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "CRITICAL")  # what it logs below, it also raises
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", RETRIES)
    logging.getLogger("alembic").setLevel(logging.WARNING)


def experiment(client: MlflowClient, name: str) -> str:
    """The experiment's id, made on the first call."""
    from mlflow.exceptions import MlflowException

    existing = client.get_experiment_by_name(name)
    if existing:
        return str(existing.experiment_id)
    try:
        return str(client.create_experiment(name, _artifact_location()))
    except MlflowException as error:  # another flow was quicker
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
        return str(client.get_experiment_by_name(name).experiment_id)


def _artifact_location() -> str | None:
    """Where a new experiment keeps its files; None where a server decides."""
    address = os.environ.get("MLFLOW_TRACKING_URI", "")
    is_server = "://" in address and "sqlite" not in address
    return None if is_server else ARTIFACTS.absolute().as_uri()


class SearchRun:
    """The run of a search, found or made, and its trials as child runs.

    Args:
        client: of the tracking server.
        experiment_id: where its run is.
        searched: the digest of what is searched.
    """

    def __init__(self, client: MlflowClient, experiment_id: str, searched: str) -> None:
        self._client, self._experiment = client, experiment_id
        self.run_id = self._found(searched) or self._made(f"search-{searched[:8]}", searched)
        self._children = self._trials()

    def add(self, number: int, trial: dict[str, Any]) -> None:
        """Log a trial, unless it is there; one that a killed call began is finished."""
        from mlflow.entities import Metric, Param

        known = self._children.get(str(number))
        if known and known.status == "FINISHED":
            return
        run_id = known.run_id if known else self._begun(number)
        at = int(time.time() * 1000)
        figures = [Metric(name, trial[name], at, 0) for name in FIGURES]
        settings = [Param(name, str(value)) for name, value in trial["settings"].items()]
        self._client.log_batch(run_id, figures, settings)
        self._client.set_terminated(run_id)

    def end(self) -> None:
        """All trials are there."""
        self._client.set_terminated(self.run_id)

    def belongs_to(self, run_id: str) -> None:
        """Link it with the run of a bundle: the first one shows it as its child."""
        self._client.set_tag(run_id, "search", self.run_id)
        if PARENT not in self._client.get_run(self.run_id).data.tags:
            self._client.set_tag(self.run_id, PARENT, run_id)

    def _found(self, searched: str) -> str | None:
        oldest = ["attributes.start_time ASC"]
        runs = self._search(f"tags.{SEARCHED} = '{searched}'", max_results=1, order_by=oldest)
        return str(runs[0].info.run_id) if runs else None

    def _made(self, title: str, searched: str) -> str:
        tags = {SEARCHED: searched}
        run = self._client.create_run(self._experiment, run_name=title, tags=tags)
        return str(run.info.run_id)

    def _begun(self, number: int) -> str:
        title, tags = f"trial-{number}", {PARENT: self.run_id, TRIAL: str(number)}
        run = self._client.create_run(self._experiment, run_name=title, tags=tags)
        return str(run.info.run_id)

    def _trials(self) -> dict[str | None, RunInfo]:
        runs = self._search(f"tags.{PARENT} = '{self.run_id}'", max_results=MOST_TRIALS)
        return {run.data.tags.get(TRIAL): run.info for run in runs}

    def _search(self, query: str, **how: Any) -> list[Any]:
        return list(self._client.search_runs([self._experiment], query, **how))
