"""A running image under test: containers, their state, and a load whose answers are counted."""

from __future__ import annotations

import asyncio
import hashlib
import http.client
import json
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import rendered_project

KEY = "a-key-of-this-test"
HARDENED = [
    *("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"),
    *("--tmpfs", "/tmp", "--memory", "512m", "--pids-limit", "128"),  # noqa: S108
]
# what a container may need to be debugged, and not to serve: nothing stands there
NO_TOOLS = [
    word
    for tool in ("/usr/bin/dash", "/usr/bin/bash", "/usr/local/bin/pip")
    for word in ("-v", f"/dev/null:{tool}:ro")
]
PATIENCE = 90  # seconds


@dataclass(frozen=True)
class Image:
    """An image with version 1 of a small model, and the project that it was built from."""

    project: rendered_project.Project
    docker: str
    name: str
    row: dict[str, Any]

    def __call__(self, *words: str) -> str:
        """Run a docker command that must succeed; its output."""
        done = subprocess.run([self.docker, *words], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"docker {' '.join(words)}: {done.stderr}"
        return done.stdout.strip()

    def inspect(self, container: str) -> dict[str, Any]:
        """What the engine says of a container or an image."""
        found: dict[str, Any] = json.loads(self("inspect", container))[0]
        return found

    def release(self, version: str) -> Path:
        """The folder of a release."""
        return self.project.path / "serving/releases" / version


@dataclass
class Container:
    """A container that runs the image."""

    image: Image
    id: str
    port: int

    @property
    def address(self) -> str:
        """Its own, not the published port: the engine's proxy would accept in its place."""
        network: str = self.image.inspect(self.id)["NetworkSettings"]["IPAddress"]
        return network

    @property
    def state(self) -> dict[str, Any]:
        """What the engine says of its process."""
        said: dict[str, Any] = self.image.inspect(self.id)["State"]
        return said

    @property
    def health(self) -> str:
        """What the image's health check says: starting, healthy, unhealthy."""
        return str(self.state["Health"]["Status"])

    def ask(self, path: str, body: object = None) -> tuple[int, Any]:
        """Status and body of an answer; 0 where nobody answers."""
        headers = {"X-API-Key": KEY, "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body)
        try:
            with closing(http.client.HTTPConnection(self.address, self.port, timeout=10)) as link:
                link.request("GET" if data is None else "POST", path, data, headers)
                answer = link.getresponse()
                text = answer.read().decode()
        except OSError:
            return 0, None
        return answer.status, json.loads(text) if text.startswith(("{", "[")) else text

    def wait_ready(self, path: str = "/health/ready") -> None:
        """Return when it takes traffic."""
        self.wait("ready", lambda: self.ask(path)[0] == 200)

    def wait(self, what: str, done: Callable[[], bool]) -> None:
        """Return when `done()`; after a while the container's log is the failure."""
        until = time.monotonic() + PATIENCE
        while not done():
            said = subprocess.run(
                [self.image.docker, "logs", self.id], capture_output=True, text=True, check=False
            )
            assert time.monotonic() < until, f"not {what}: {said.stdout}{said.stderr}"
            time.sleep(0.1)


@dataclass
class Load:
    """Single rows, each over a connection of its own, until stopped."""

    container: Container
    answers: list[dict[str, Any]] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)  # accepted, and not answered with 200
    stopped: bool = False

    async def _client(self, host: str, port: int, request: bytes) -> None:
        while not self.stopped:
            try:
                reader, writer = await asyncio.wait_for(asyncio.open_connection(host, port), 2)
            except (OSError, TimeoutError):  # nobody listens: a balancer goes elsewhere
                return
            try:
                writer.write(request)
                head, _, body = (await reader.read()).partition(b"\r\n\r\n")
                if head.startswith(b"HTTP/1.1 200"):
                    self.answers.append(json.loads(body))
                else:
                    self.lost.append(repr(head[:80]))
            except OSError as error:
                self.lost.append(repr(error))
            finally:
                writer.close()

    async def _run(self, during: Callable[[Load], None]) -> None:
        data = json.dumps(self.container.image.row)
        lines = [
            "POST /predict HTTP/1.1",
            "host: model.example",
            f"x-api-key: {KEY}",
            "content-type: application/json",
            "connection: close",
            f"content-length: {len(data)}",
        ]
        request = "\r\n".join([*lines, "", data]).encode()
        host, port = self.container.address, self.container.port
        clients = [asyncio.create_task(self._client(host, port, request)) for _ in range(8)]
        await asyncio.to_thread(during, self)
        self.stopped = True
        await asyncio.gather(*clients)

    def run(self, during: Callable[[Load], None]) -> Load:
        """Send while `during` does something to the container."""
        asyncio.run(self._run(during))
        return self

    def answered(self, count: int) -> None:
        """Return when so many more are answered."""
        wanted, until = len(self.answers) + count, time.monotonic() + PATIENCE
        while len(self.answers) < wanted:
            assert time.monotonic() < until, (len(self.answers), self.lost[:3])
            time.sleep(0.01)


def recorded(journal: Path) -> set[str]:
    """The ids of all predictions in a journal's file."""
    with closing(sqlite3.connect(journal)) as database:
        return {i for (i,) in database.execute("SELECT prediction_id FROM predictions")}


def release_small_model(
    newborn: rendered_project.Project, path: Path, docker: str
) -> rendered_project.Project:
    """A copy of a new project with a table of one column: adopted, trained, released."""
    shutil.copytree(newborn.path, path, symlinks=True)
    project = rendered_project.Project(path, newborn.env | {"DOCKER": docker})
    lines = [f"{age},{'yes' if age > 50 else 'no'}" for age in range(18, 80)] * 8
    # a name of its own: other tests build images of the same template
    project.edit("params.yaml", f'name: "{path.name}"', 'name: "image-under-test"')
    (path / "people.csv").write_text("\n".join(["age,left", *lines]) + "\n")
    project.make("adopt", "DATA=people.csv", "TARGET=left")
    project.make("flow")
    project.commit()
    project.make("release")
    return project


def write_second_release(releases: Path) -> None:
    """Version 2: the files of version 1 with a lineage of its own, sealed."""
    shutil.copytree(releases / "1", releases / "2")
    lineage = json.loads((releases / "2/lineage.json").read_text())
    (releases / "2/lineage.json").write_text(json.dumps(lineage | {"version": "2"}))
    manifest = json.loads((releases / "2/manifest.json").read_text())
    digest = hashlib.sha256((releases / "2/lineage.json").read_bytes()).hexdigest()
    manifest["files"]["lineage.json"] = digest
    (releases / "2/manifest.json").write_text(json.dumps(manifest))
