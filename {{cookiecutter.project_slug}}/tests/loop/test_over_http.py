"""The loop beside the real service: what it answers over HTTP while the loop decides."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from ml.bundle import CHALLENGER
from ml.errors import UserError
from ml.journal.bulk.scan import Span
from ml.loop.run import Outcome, run_pass
from ml.monitoring.monitor import REPORTS
from ml.monitoring.quarantine import load as quarantined
from ml.release.commands import release
from tests.conftest import HERE, command, commit, live_in, ml, write_settings
from tests.loop.loops import actions, champion
from tests.loop.traffic import rows
from tests.serving.conftest import Running, free_port, wait_ready

pytestmark = pytest.mark.slow
LIMIT = 1000.0  # charges are below 200; the model of `failing` fails beyond it
BATCH = 50


class Service:
    """The service of the current folder, and what it has answered."""

    def __init__(self, running: Running) -> None:
        self.running = running
        self.http = httpx2.Client(base_url=running.url, timeout=30)
        self.began = time.time()

    def ask(self, given: list[dict[str, Any]]) -> list[httpx2.Response]:
        """Send rows without their outcomes, some in each request."""
        features = [{k: v for k, v in row.items() if k != "left"} for row in given]
        parts = [features[i : i + BATCH] for i in range(0, len(features), BATCH)]
        return [self.http.post("/predict", json=part) for part in parts]

    def answer(self, given: list[dict[str, Any]]) -> set[str]:
        """The versions that answered; each request was answered, and its outcomes are sent."""
        versions = set()
        for i, response in enumerate(self.ask(given)):
            assert response.status_code == 200, response.text
            answers = response.json()
            versions |= {answer["model_version"] for answer in answers}
            outcomes = [row["left"] for row in given[i * BATCH : (i + 1) * BATCH]]
            labels = [
                {"prediction_id": answer["prediction_id"], "outcome": outcome}
                for answer, outcome in zip(answers, outcomes, strict=True)
            ]
            assert self.http.post("/labels", json=labels).status_code == 200
        return versions

    def version(self) -> str:
        return str(self.http.get("/health/ready").json()["version"])

    def follows_to(self, version: str) -> None:
        """Wait until that version answers."""
        until(lambda: self.version() == version)

    def window(self) -> Outcome:
        """A pass over what was answered since the last one."""
        span = Span(self.began, time.time() + 0.01)
        time.sleep(0.02)
        self.began = span.end
        return run_pass(span)


def until(true: Callable[[], bool]) -> None:
    """Wait until it is true, for a minute at most."""
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


def started(folder: Path, **settings: object) -> Iterator[Service]:
    """A service of the folder, whose address the loop knows."""
    port = free_port()
    small = {"loop__probation__min_requests": 20, "loop__probation__min_labels": 40, **settings}
    write_settings(folder / "params.yaml", loop__service=f"http://127.0.0.1:{port}", **small)
    commit(folder, "the service's address")
    words = [sys.executable, "-m", "ml", "serve", "--port", str(port)]
    environment = {**os.environ, "PYTHONPATH": str(HERE)}
    process = subprocess.Popen(
        words, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True
    )
    running = Running(process, f"http://127.0.0.1:{port}")
    wait_ready(running)
    service = Service(running)
    yield service
    service.http.close()
    running.stop()


@pytest.fixture
def service(looped: Path) -> Iterator[Service]:
    """The released project's service."""
    yield from started(looped)


def fail_beyond_limit(path: Path, *, raises: bool) -> None:
    """Let a model fail at charges beyond LIMIT: NaN, or an index out of range."""
    model = onnx.load(path)
    graph = model.graph
    (answer,) = [o for o in graph.output if o.name == graph.output[-1].name]
    for node in graph.node:
        node.output[:] = ["sound" if name == answer.name else name for name in node.output]
    values = {
        "zeroth": [0],
        "limit": [[LIMIT]],
        "nothing": [[0.0]],
        "zeros": [0.0],
        "seven": [[7]],
    }
    for name, value in values.items():
        kind = "int64" if name in ("zeroth", "seven") else "float32"
        graph.initializer.append(numpy_helper.from_array(_array(value, kind), name))
    graph.node.extend(_tail(graph.input[0].name, answer.name, raises=raises))
    onnx.save(model, path)


def _array(value: object, kind: str) -> Any:
    import numpy as np

    return np.array(value, dtype=kind)


def _tail(x: str, y: str, *, raises: bool) -> list[onnx.NodeProto]:
    """Nodes that add 0 to `sound`, computed so that it fails where the first column is large."""
    charge = helper.make_node("Gather", [x, "zeroth"], ["charge"], axis=1)
    if raises:
        zero = [
            helper.make_node("Greater", ["charge", "limit"], ["over"]),
            helper.make_node("Cast", ["over"], ["flag"], to=TensorProto.INT64),
            helper.make_node("Mul", ["flag", "seven"], ["place"]),
            helper.make_node("Gather", ["zeros", "place"], ["zero"]),
        ]
    else:
        zero = [
            helper.make_node("Sub", ["limit", "charge"], ["below"]),
            helper.make_node("Sqrt", ["below"], ["root"]),
            helper.make_node("Mul", ["root", "nothing"], ["zero"]),
        ]
    return [charge, *zero, helper.make_node("Add", ["sound", "zero"], [y])]


@pytest.fixture
def failing(
    retrained_project: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> Iterator[Service]:
    """A service with version 1; the bundle at hand is better, and fails at charges nobody had."""
    folder = live_in(retrained_project, tmp_path / "project", monkeypatch)
    shutil.rmtree(folder / "mlruns", ignore_errors=True)
    fail_beyond_limit(Path("bundle/model.onnx"), raises=request.param)
    command(folder, "dvc", "commit", "-f", "-q", "export")
    yield from started(folder, train__model="linear")


@pytest.mark.parametrize("failing", [False, True], indirect=True, ids=["not_finite", "raised"])
def test_a_challenger_that_passes_the_gate_and_fails_later_is_rolled_back(
    failing: Service,
) -> None:
    """No request fails, and the monitor need not work for it."""
    assert failing.answer(rows(300, 1)) == {"1"}
    assert release().passed
    failing.follows_to("2")
    assert failing.window().action in ("nothing", "hold", "report")  # the probation begins
    assert CHALLENGER.is_symlink()
    assert "2" in failing.answer(rows(1000, 2))
    heavy = [row | {"charge": 5 * LIMIT} for row in rows(1500, 3)]
    until(lambda: failing.ask(heavy[:BATCH])[0].is_success)  # the model before is loaded beside
    assert failing.answer(heavy) == {"1"}
    REPORTS.rename(REPORTS.with_name("gone"))
    REPORTS.write_text("the monitor cannot write here")
    with pytest.raises((UserError, OSError)):
        failing.window()
    failing.follows_to("1")
    assert failing.answer(rows(100, 4)) == {"1"}
    assert champion() == ("1", "1")
    assert actions()[-1] == "rollback"


def renamed(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"plan": f"{row['plan']} (new)"}


def without_calls(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "calls"}


def null_calls(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"calls": None}


def as_text(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"charge": f"{row['charge']} EUR"}


def test_a_broken_client_costs_its_own_requests_and_nothing_else(service: Service) -> None:
    """A column that is gone or empty, unlisted levels, a number as text; then in another unit."""
    for i, breaks in enumerate((without_calls, null_calls, renamed, as_text)):
        broken = [breaks(row) for row in rows(200, 1)]
        refused = service.ask(broken)
        assert {response.status_code for response in refused} == {422}, breaks
        assert service.answer(rows(BATCH, 10 + i)) == {"1"}
    outcome = service.window()
    assert outcome.action in ("nothing", "hold", "report"), outcome
    assert service.answer(rows(600, 3, turned=True, cents=True)) == {"1"}
    outcome = service.window()
    assert outcome.action == "quarantine", outcome
    assert len(quarantined()) == 1
    assert service.answer(rows(300, 4)) == {"1"}  # the client is mended
    assert service.window().action == "nothing"
    assert champion() == ("1", "1")
    assert service.version() == "1"
    assert "retrain" not in actions()
    assert ml(Path.cwd(), "release").returncode == 0
