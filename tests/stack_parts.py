"""deploy/stack really brought up, with stand-ins for what cannot be pulled here (tests/stack)."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import rendered_project
from image_checks import Image

STAND_INS = Path(__file__).parent / "stack"
# variable of .env, stage of tests/stack/Dockerfile
IMAGES = {
    "POSTGRES_IMAGE": "postgres",
    "S3_IMAGE": "versitygw",
    "PROMETHEUS_IMAGE": "prometheus",
    "ALERTMANAGER_IMAGE": "alertmanager",
    "BLACKBOX_IMAGE": "blackbox-exporter",
}
PORTS = ("SERVICE_PORT", "MLFLOW_PORT", "PROMETHEUS_PORT", "ALERTMANAGER_PORT")
PATIENCE = 120  # seconds


def wait(what: str, done: Callable[[], object]) -> None:
    """Return when `done()` is true; until then it may raise what a part that is away raises."""
    until, last = time.monotonic() + PATIENCE, ""
    while time.monotonic() < until:
        try:
            if done():
                return
        except (OSError, ValueError, KeyError, IndexError) as error:
            last = repr(error)
        time.sleep(0.1)
    raise AssertionError(f"not {what} after {PATIENCE} s {last}")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@dataclass
class Stack:
    """A project whose stack runs, and what it says."""

    project: rendered_project.Project
    docker: str
    env: dict[str, str] = field(default_factory=dict)
    alerts: set[tuple[str, str]] = field(default_factory=set)  # name and part, ever seen
    acknowledged: set[str] = field(default_factory=set)
    refused: list[int] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)

    def compose(self, *words: str) -> str:
        """Run a command of compose; its output."""
        command = [self.docker, "compose", *words]
        folder = self.project.path / "deploy/stack"
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout.strip()

    def inspect(self, part: str) -> dict[str, Any]:
        """What the engine says of a part's container."""
        container = self.compose("ps", "--all", "--quiet", part)
        command = [self.docker, "inspect", container]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        found: dict[str, Any] = json.loads(done.stdout)[0]
        return found

    def ask(self, port: str, path: str, body: object = None, **headers: str) -> Any:
        """The answer of a part with a port: JSON, or text."""
        data = None if body is None else json.dumps(body).encode()
        fields = {"X-API-Key": self.env["SERVICE_KEY"], "Content-Type": "application/json"}
        url = f"http://127.0.0.1:{self.env[port]}{path}"
        request = urllib.request.Request(url, data, fields | headers)
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            text = answer.read().decode()
        return json.loads(text) if text.startswith(("{", "[")) else text

    def query(self, expression: str) -> list[dict[str, Any]]:
        """What Prometheus answers."""
        path = f"/api/v1/query?query={urllib.parse.quote(expression)}"
        found: list[dict[str, Any]] = self.ask("PROMETHEUS_PORT", path)["data"]["result"]
        return found

    def champion(self) -> str:
        """The version that MLflow's server calls champion."""
        path = "/api/2.0/mlflow/registered-models/alias?alias=champion&name=image-under-test"
        version: str = self.ask("MLFLOW_PORT", path)["model_version"]["version"]
        return version

    def journal(self, query: str) -> list[str]:
        """Lines that PostgreSQL answers about the journal."""
        words = ("--username=journal", "--no-align", "--tuples-only", "--command", query)
        return self.compose("exec", "-T", "postgres", "psql", *words, "journal").splitlines()

    def told(self, alert: str, part: str = "") -> None:
        """Return when Alertmanager has had the alert."""
        wait(f"told {alert} {part}", lambda: (alert, part) in self.alerts)

    def predict(self) -> str:
        """One row; the version that answered. Acknowledged: the id is in an answer."""
        answer = self.ask("SERVICE_PORT", "/predict", {"age": 41})
        self.acknowledged.add(answer["prediction_id"])
        return str(answer["model_version"])

    def _traffic(self) -> None:
        while not self.stopped.is_set():
            try:
                self.predict()
            except urllib.error.HTTPError as error:
                self.refused.append(error.code)
            except (OSError, ValueError):  # nobody listens, or it was killed amid an answer
                self.refused.append(0)
            self.stopped.wait(0.05)

    def _watch(self) -> None:
        while not self.stopped.wait(0.2):
            try:
                found = self.ask("ALERTMANAGER_PORT", "/api/v2/alerts")
            except (OSError, ValueError):
                continue
            self.alerts |= {(a["labels"]["alertname"], a["labels"].get("part", "")) for a in found}

    def start_clients(self) -> None:
        """Single rows one after the other, and a look at Alertmanager's page, until stopped."""
        for work in (self._traffic, self._watch):
            threading.Thread(target=work, daemon=True).start()

    def kill(self, part: str) -> float:
        """`kill -9` of a part's first process; seconds until the engine says it is well again."""
        state = self.inspect(part)["State"]
        assert state["Pid"] > 1  # 0 while it restarts, and that would be ourselves
        begun = time.monotonic()
        os.kill(state["Pid"], signal.SIGKILL)
        wait(f"{part} up", lambda: self.inspect(part)["State"]["StartedAt"] > state["StartedAt"])
        wait(f"{part} well", lambda: self.inspect(part)["State"]["Health"]["Status"] == "healthy")
        return time.monotonic() - begun

    def lose(self, part: str, told: Callable[[], None]) -> None:
        """Kill a part so that the engine leaves it dead, until somebody is told; start it again."""
        self.compose("kill", "--signal", "KILL", part)
        told()
        self.compose("start", part)
        wait(f"{part} well", lambda: self.inspect(part)["State"]["Health"]["Status"] == "healthy")


def build_stand_ins(docker: str) -> dict[str, str]:
    """Build each stand-in, from the cache where it can be; the lines of .env that name them."""
    lines = {}
    for variable, stage in IMAGES.items():
        name = f"stack-stand-in/{stage}"
        words = ["--network=host", "--target", stage, "--tag", name, str(STAND_INS)]
        command = [docker, "build", *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        lines[variable] = name
    return lines


def make_project(image: Image, folder: Path) -> Stack:
    """A copy of the image's project, whose settings name the stand-ins and free ports.

    Rules fire at once and figures are taken each second, so that nobody waits for them.
    """
    shutil.copytree(image.project.path, folder, symlinks=True)
    shutil.rmtree(folder / "serving/releases/2")  # of the image's tests
    env = image.project.env | {"DOCKER": image.docker}
    stack = Stack(rendered_project.Project(folder, env), image.docker)
    stack.env = {
        **build_stand_ins(image.docker),
        "S3_HEALTH": "/minio/health/live",
        "COMPOSE_PROFILES": "",  # no Grafana
        "STACK_NAME": f"stack-{os.getpid()}",
        "SERVICE_IMAGE": image.name,
        **{port: str(free_port()) for port in PORTS},
    }
    lines = "".join(f"{name}={value}\n" for name, value in stack.env.items())
    (folder / "deploy/stack/.env").write_text(lines)
    at_once = (r" for: \w+", " for: 0s\n        keep_firing_for: 15s")
    for name, old, new in (
        ("deploy/prometheus/rules.yml", *at_once),
        ("deploy/stack/rules.yml", *at_once),
        ("deploy/stack/prometheus.yml", r"_interval: 15s", "_interval: 1s"),
        ("deploy/stack/compose.yaml", r"\{interval: \d+s", "{interval: 2s"),
        # an alert is told again each second, not each minute
        ("deploy/stack/compose.yaml", r"(.*)retention.time=.*", r"\g<0>\n\1RESEND"),
        ("deploy/stack/compose.yaml", "storage.tsdb.RESEND", "rules.alert.resend-delay=1s"),
    ):
        path = folder / name
        text, count = re.subn(old, new, path.read_text())
        assert count
        path.write_text(text)
    # the second version must get in: it has learned from rows of another world
    for setting in ("min_gain", "max_slice_loss"):
        stack.project.edit("params.yaml", f"{setting}: 0.0 ", f"{setting}: null ")
    stack.project.commit("Settings of the stack")
    return stack


def read_env(stack: Stack) -> None:
    """What `make up` has written."""
    lines = (stack.project.path / "deploy/stack/.env").read_text().splitlines()
    pairs = (line.partition("=") for line in lines if not line.startswith("#"))
    stack.env = {name: value for name, _, value in pairs if name}
