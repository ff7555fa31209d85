"""Shared fixtures: the template's files, and cookiecutter with a home folder of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import rendered_project

from demo import COOKIECUTTER, SOURCES, TEMPLATE

PROJECT = TEMPLATE / SOURCES[-1]

Render = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def template() -> Path:
    return TEMPLATE


@pytest.fixture(scope="session")
def tracked() -> list[Path]:
    """Every file of the repository that git knows or would take up."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=TEMPLATE, capture_output=True, text=True, check=True).stdout
    return [TEMPLATE / name for name in names.split("\0") if name and (TEMPLATE / name).is_file()]


@pytest.fixture(scope="session")
def blank(tracked: list[Path]) -> list[Path]:
    """The files of the generated project, as they lie in the template: with its blanks."""
    return [path for path in tracked if path.is_relative_to(PROJECT)]


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment whose HOME is new and whose git knows nobody."""
    kept = {
        k: v
        for k, v in os.environ.items()
        if not k.startswith(("GIT_AUTHOR", "GIT_COMMITTER", "XDG_"))
    }
    return kept | {
        "HOME": str(tmp_path_factory.mktemp("home")),
        "GIT_CONFIG_NOSYSTEM": "1",
        "EMAIL": "",
    }


@pytest.fixture
def render(tmp_path: Path, home: dict[str, str]) -> Render:
    """Runs cookiecutter into `tmp_path`: `render(project_name="…")`."""

    def run(
        cwd: Path = tmp_path, env: dict[str, str] | None = None, **answers: str
    ) -> subprocess.CompletedProcess[str]:
        given = [f"{key}={value}" for key, value in answers.items()]
        return subprocess.run(
            [*COOKIECUTTER, "--default-config", *given],
            cwd=cwd,
            env=home | (env or {}),
            capture_output=True,
            text=True,
            check=False,
        )

    return run


@pytest.fixture(scope="session")
def newborn(
    tmp_path_factory: pytest.TempPathFactory, home: dict[str, str]
) -> rendered_project.Project:
    """A project as it comes from the template, set up; copy it before changing it."""
    return rendered_project.born(
        tmp_path_factory.mktemp("newborn"), rendered_project.identity(home)
    )


@pytest.fixture
def fresh(newborn: rendered_project.Project, tmp_path: Path) -> rendered_project.Project:
    """A new project of the test's own."""
    shutil.copytree(newborn.path, tmp_path / newborn.path.name, symlinks=True)
    return rendered_project.Project(tmp_path / newborn.path.name, newborn.env)


def docker_client() -> str | None:
    """A docker client that reaches an engine and can build: the system's own first."""
    for docker in ("/usr/bin/docker", shutil.which("docker")):
        if docker and Path(docker).exists():
            done = subprocess.run([docker, "info"], capture_output=True, check=False)
            if done.returncode == 0:
                return docker
    return None


@pytest.fixture(scope="session")
def docker() -> str:
    """A client whose engine answers; tests that ask for it skip where there is none."""
    found = docker_client()
    if found is None:
        pytest.skip(
            f"no Docker engine answers (DOCKER_HOST={os.environ.get('DOCKER_HOST', '')}): "
            "nothing was built"
        )
    return found


@pytest.fixture
def figure(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Notes a line that stands above pytest's summary: measured, not asserted."""
    return lambda line: record_property("figure", line)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the noted figures; with several test processes each comes with its test's report."""
    reports = [
        r for r in terminalreporter.stats.get("passed", []) if isinstance(r, pytest.TestReport)
    ]
    lines = [str(value) for r in reports for key, value in r.user_properties if key == "figure"]
    if lines:
        terminalreporter.section("figures")
        terminalreporter.write_line("\n".join(lines))
