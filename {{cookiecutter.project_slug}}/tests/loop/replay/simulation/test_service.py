"""Rows and labels go to the real service, and the service ends with the replay."""

from __future__ import annotations

import os
import shutil
from contextlib import closing, suppress
from pathlib import Path

import pytest

from ml.errors import UserError
from ml.journal.store import Journal
from ml.loop.replay.simulation.service import RefusedRequestError, running_service
from tests.conftest import HERE, write_settings
from tests.serving.conftest import CLASSIFICATION, free_port, sample_rows


@pytest.fixture
def folder(releases: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project that serves version 1."""
    write_settings(tmp_path / "params.yaml", serve__port=free_port())
    shutil.copytree(releases / "1", tmp_path / "serving/releases/1")
    (tmp_path / "serving/champion").symlink_to("releases/1")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(HERE))
    return tmp_path


def test_answers_and_labels_over_http(folder: Path) -> None:
    rows = sample_rows(CLASSIFICATION, 5)
    wrong = {**rows[0], "class": "none"}
    with running_service() as client:
        assert client.version() == "1"
        answers = client.predict([*rows[:2], wrong, *rows[2:]])
        assert [answer is None for answer in answers] == [False, False, True, False, False, False]
        ids = [answer["prediction_id"] for answer in answers if answer]
        client.label([(name, "no") for name in ids])
        client.label([])
        with pytest.raises(RefusedRequestError, match=r"POST /labels: 422 .*maybe"):
            client.label([(ids[0], "maybe")])
    with closing(Journal(f"sqlite:///{folder}/serving/journal.db")) as journal:
        labelled = {prediction.prediction_id for prediction in journal.labelled()}
    assert labelled == set(ids)


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_the_service_ends_whatever_happens(folder: Path, error: type[BaseException]) -> None:
    before = _children()  # of other tests, such as the tracker that multiprocessing keeps
    with suppress(error), running_service():
        processes = _children() - before
        raise error
    assert processes
    assert not processes & _children()


def _children() -> set[str]:
    task = Path(f"/proc/self/task/{os.getpid()}/children")
    return set(task.read_text(encoding="utf-8").split())


def test_a_service_that_does_not_start(folder: Path) -> None:
    (folder / "serving/champion").unlink()
    with pytest.raises(UserError, match="does not answer"), running_service():
        pass
