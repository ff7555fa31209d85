"""`ml rollback` as a person types it, under load; the service is asked which version answers."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from ml.bundle import load_bundle
from ml.errors import UserError
from ml.ledger import chain
from ml.release import promotion, publish, registry
from ml.release.commands import approve, release
from tests.conftest import live_in
from tests.serving.conftest import Running, free_port, wait_ready
from tests.serving.load import Load

pytestmark = pytest.mark.slow

SECONDS = 5.0  # from the command's start to the first answer of the previous champion
NO_REGISTRY = {
    "MLFLOW_TRACKING_URI": f"http://127.0.0.1:{free_port()}",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
}


@pytest.fixture
def promoted(retrained_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose champion is version 2, and 1 was before it."""
    project = live_in(retrained_project, tmp_path / "project", monkeypatch)
    assert release().passed
    return project


@pytest.fixture
def server(promoted: Path) -> Iterator[Running]:
    """The project's service."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "ml", "serve", "--port", str(port)],
        stderr=subprocess.PIPE,
        text=True,
    )
    running = Running(process, f"http://127.0.0.1:{port}")
    wait_ready(running)
    yield running
    running.stop()


def under_load(server: Running, **environment: str) -> tuple[Load, float, int]:
    """A rollback under load: the load, seconds until version 1 answered, the command's status."""
    load = Load(server.url, load_bundle().golden["rows"])

    async def roll_back() -> tuple[float, int]:
        running = asyncio.create_task(load.run())
        while len(load.answers) < 200:
            await asyncio.sleep(0.01)
        start = time.monotonic()
        command = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "ml", "rollback", env={**os.environ, **environment}
        )
        while load.answers[-1]["model_version"] != "1":
            await asyncio.sleep(0.01)
        seconds = time.monotonic() - start
        status = await command.wait()
        load.stopped = True
        await running
        return seconds, status

    return load, *asyncio.run(roll_back())


def aliases(project: Path) -> tuple[str | None, str | None]:
    """Champion and previous champion in the registry."""
    client = MlflowClient(f"sqlite:///{project}/mlflow.db")
    champion, previous = (registry.alias(client, "life", word) for word in ("champion", "previous"))
    return champion, previous


def add_waiting_version(project: Path) -> None:
    """A version 3 that passed the gate beside version 2 and waits for a person."""
    client = MlflowClient(f"sqlite:///{project}/mlflow.db")
    model = client.get_model_version("life", "2")
    tags = {registry.GATE: "passed", registry.WAITING: "2"}
    client.create_model_version("life", model.source, model.run_id, tags=tags)


def test_the_previous_champion_answers_within_five_seconds_and_no_request_fails(
    promoted: Path, server: Running
) -> None:
    add_waiting_version(promoted)
    load, seconds, status = under_load(server)
    print(f"version 1 answered after {seconds:.2f} s, {len(load.answers)} answers")  # shown by -rP
    assert status == 0
    assert (load.refused, load.broken) == ([], 0)
    versions = [answer["model_version"] for answer in load.answers]
    assert "2" in versions
    # each of the 16 connections may have had one request in the old model's hands
    assert "2" not in versions[versions.index("1") + load.connections :]
    assert seconds < SECONDS
    assert aliases(promoted) == ("1", "2")
    (*_, line) = chain.check(chain.read())
    assert (line.action, line.from_version, line.to_version) == ("rollback", "2", "1")
    client = MlflowClient(f"sqlite:///{promoted}/mlflow.db")
    assert registry.ROLLED_BACK in client.get_model_version("life", "2").tags
    with pytest.raises(UserError, match="compared with version 2; the champion is 1 now"):
        approve()


def test_a_registry_that_does_not_answer_keeps_no_bad_model_in_service(
    promoted: Path, server: Running
) -> None:
    load, _, status = under_load(server, **NO_REGISTRY)
    assert status == 2
    assert (load.refused, load.broken) == ([], 0)
    assert load.answers[-1]["model_version"] == "1"
    assert aliases(promoted) == ("2", "1")  # it will hear of it
    assert promotion.PENDING.exists()
    released = release()  # any command finishes the rollback; what was rolled back stays out
    assert not released.passed
    assert "was rolled back" in released.reason
    assert aliases(promoted) == ("1", "2")
    actions = [entry.action for entry in chain.check(chain.read())]
    assert actions == ["promote", "promote", "rollback", "refuse"]
    assert not promotion.PENDING.exists()


def test_nothing_is_taken_from_a_ledger_that_is_not_of_this_champion(promoted: Path) -> None:
    assert promotion._known_versions() == ("2", "1")
    publish.set_champion_link("1")
    assert promotion._known_versions() is None
    publish.set_champion_link("2")
    (promoted / "serving/releases/1/model.onnx").write_bytes(b"half")
    assert promotion._known_versions() is None
