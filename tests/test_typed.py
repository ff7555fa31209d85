"""The commands that the READMEs show, typed as they stand by a new user: bash, an empty HOME.

`pipx` and `gh:` stand for the locked cookiecutter and this repository; the project is cloned before
the first `make`, because colleagues and CI start from a clone. The environment is a new one.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import PROJECT

import demo

# what a machine needs to reach its package index and its engine; nothing else of this environment
MACHINE = (
    "PIP_",
    "UV_",
    "SSL_",
    "REQUESTS_",
    "CURL_",
    "DOCKER_",
    "HTTP",
    "NO_PROXY",
    "http",
    "no_",
)
STARTED = "pipx run cookiecutter gh:<owner>/<repo>"

Shell = subprocess.CompletedProcess[str]


def blocks(readme: Path, heading: str) -> list[str]:
    """The bash blocks under a heading."""
    section = readme.read_text(encoding="utf-8").split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return re.findall(r"```bash\n(.*?)```", section, re.DOTALL)


COMMANDS, REQUEST = blocks(demo.TEMPLATE / "README.md", "Your own project")
START, ENTER, *LINES = COMMANDS.splitlines()
BUILD, RUN = LINES[-2:]


def test_both_readmes_show_the_same_lines() -> None:
    assert START == STARTED
    assert ENTER == "cd churn-early-warning"
    assert {"make setup", "source .venv/bin/activate", "dvc repro", "make release"} < set(LINES)
    assert (BUILD.split()[:2], RUN.split()[:2]) == (["docker", "build"], ["docker", "run"])
    commands, request = blocks(PROJECT / "README.md", "With the tools' own commands")
    assert commands.splitlines() == LINES
    assert request == REQUEST


@dataclass(frozen=True)
class Newcomer:
    """A user's folders and environment, and what the shell said."""

    clone: Path
    env: dict[str, str]
    said: str

    def type(self, script: str) -> Shell:
        """Run lines in the clone with its environment activated."""
        return bash(f"source .venv/bin/activate\n{script}", self.clone, self.env)


def bash(script: str, folder: Path, env: dict[str, str], keys: str = "") -> Shell:
    return subprocess.run(
        ["bash", "-e", "-c", script],
        cwd=folder,
        env=env,
        input=keys,
        text=True,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def executable(path: Path, script: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def new_environment(folder: Path) -> dict[str, str]:
    """PATH and HOME of a new user; packages that this machine has are not loaded again."""
    cache = subprocess.run(
        [demo.VENV / "bin/uv", "cache", "dir"], capture_output=True, text=True, check=True
    )
    kept = {key: value for key, value in os.environ.items() if key.startswith(MACHINE)}
    python = Path(sys.base_prefix) / "bin"
    return kept | {
        "HOME": str(folder / "home"),
        "PATH": f"{folder / 'bin'}:{python}:/usr/local/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "UV_CACHE_DIR": cache.stdout.strip(),
    }


@pytest.fixture(scope="module")
def newcomer(tmp_path_factory: pytest.TempPathFactory, tracked: list[Path]) -> Iterator[Newcomer]:
    """All lines up to `make release`, typed in one shell; the environment is removed afterwards."""
    folder = tmp_path_factory.mktemp("typed")
    (folder / "home").mkdir()
    env = new_environment(folder)
    template = folder / "owner/repo"
    for path in tracked:
        copy = template / path.relative_to(demo.TEMPLATE)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    executable(folder / "bin/pipx", f'shift 2\nexec "{sys.executable}" -m cookiecutter "$@"')
    abbreviation = f'abbreviations: {{gh: "git+file://{folder}/{{0}}"}}\n'
    (folder / "home/.cookiecutterrc").write_text(abbreviation)
    git = "git config --global user.name New; git config --global user.email new@localhost"
    script = [
        git,
        "(cd owner/repo; git init --quiet; git add --all; git commit --quiet --message template)",
        START.replace("<owner>/<repo>", "owner/repo"),
        ENTER,
        "git clone --quiet . ../clone; cd ../clone",
        *LINES[:-2],
        "ml --help",
    ]
    done = bash("\n".join(script), folder, env, keys="\n" * 3)  # Enter at each question
    try:
        assert done.returncode == 0, done.stdout
        yield Newcomer(folder / "clone", env, done.stdout)
    finally:
        subprocess.run(["rm", "-rf", folder / "clone/.venv"], check=False)  # 1.4 GB


@pytest.mark.slow
def test_the_lines_lead_to_a_champion(newcomer: Newcomer) -> None:
    (hint,) = re.findall(r"source \.venv/bin/activate", newcomer.said)
    assert hint in LINES, "make setup mentions the line that activates the environment"
    lineage = json.loads((newcomer.clone / "serving/champion/lineage.json").read_text())
    assert lineage["version"] == "1"
    done = newcomer.type("dvc status && git status --porcelain -- contract.yaml data ml")
    assert done.stdout.split("\n", 1) == ["Data and pipelines are up to date.", ""]


@pytest.mark.slow
def test_the_image_answers_the_request(newcomer: Newcomer, docker: str) -> None:
    # builds reach the package index by the host's network here; a person's engine needs no word
    build = 'test "$1" != build || { shift; set -- build --network=host "$@"; }'
    executable(
        Path(newcomer.env["HOME"]).with_name("bin") / "docker", f'{build}\nexec {docker} "$@"'
    )
    done = newcomer.type(BUILD)
    assert done.returncode == 0, done.stdout
    port = free_port()
    command = RUN.replace("8000:", f"{port}:")
    server = subprocess.Popen(
        ["bash", "-c", f"exec {command}"],
        cwd=newcomer.clone,
        env=newcomer.env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        wait_until_ready(port, server)
        asked = newcomer.type(
            REQUEST.replace("curl ", "curl --silent --show-error ").replace(":8000", f":{port}")
        )
        answer = json.loads(asked.stdout)
        assert answer["prediction"] in ("yes", "no"), answer
        assert answer["model_version"] == "1"
        without_key = newcomer.type(f"curl --silent --data '{{}}' localhost:{port}/predict")
        assert "prediction_id" not in without_key.stdout
    finally:
        server.terminate()  # docker passes it on: the service ends by itself
        server.communicate(timeout=60)
        newcomer.type("docker image rm --force churn")
    assert server.returncode == 0


def free_port() -> int:
    """The README's 8000, or another one where 8000 is taken."""
    for port in (8000, 0):
        with closing(socket.socket()) as probe:
            try:
                probe.bind(("0.0.0.0", port))  # noqa: S104 - as docker publishes it
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise AssertionError("no port is free")


def wait_until_ready(port: int, server: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 60
    while server.poll() is None and time.monotonic() < until:
        try:
            with urllib.request.urlopen(f"http://localhost:{port}/health/ready", timeout=5):
                return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.2)
    server.terminate()
    raise AssertionError(server.communicate(timeout=60)[1])


@pytest.mark.slow
def test_uvx_starts_cookiecutter_too(newcomer: Newcomer, tmp_path: Path) -> None:
    uvx = demo.VENV / "bin/uvx"
    line = START.replace("pipx run", str(uvx)).replace("<owner>/<repo>", "owner/repo")
    done = bash(f"{line} --no-input --checkout HEAD", tmp_path, newcomer.env)
    if done.returncode and re.search(r"[Ff]ailed to fetch|error sending request", done.stdout):
        pytest.skip(f"no package index answers: {done.stdout[-200:]}")
    assert done.returncode == 0, done.stdout
    assert (tmp_path / "churn-early-warning/Makefile").is_file()
