"""Clients that others wrote, as they come from PyPI, against the real server.

They live in an environment of their own (requirements/clients.txt), which is installed here.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from ml.contract import Contract
from tests.conftest import environment
from tests.serving.conftest import HOME, Running, Start, point, write_release

HERE = Path(__file__).parent
DOCS = HOME / "docs" / "serving.md"
CHURN = Contract.model_validate(
    {
        "target": {"name": "churned", "task": "binary", "classes": ["no", "yes"]},
        "columns": [
            {"kind": "numeric", "name": "charge", "missing": True},
            {"kind": "integer", "name": "calls"},
            {"kind": "categorical", "name": "plan", "levels": ["basic", "pro"], "missing": True},
        ],
    }
)
CLIENTS = ("triton", "kserve", "mlflow")


@pytest.fixture(scope="session")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment with the clients."""
    return environment(tmp_path_factory, "clients")


@pytest.fixture
def server(start: Start, project: Path) -> Running:
    """A server with the model of docs/serving.md."""
    write_release(project / "serving" / "releases" / "docs", CHURN, "1")
    point(project, "docs")
    return start()


def run(python: Path, *words: str) -> subprocess.Popen[str]:
    """Start a client."""
    env = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "PYTHONPATH": ""}
    pipe = subprocess.PIPE
    return subprocess.Popen(
        [str(python), "-W", "ignore", *words], env=env, stdout=pipe, stderr=pipe, text=True
    )


def examples() -> list[tuple[str, str]]:
    """Each client's lines in the docs, and what they print there."""
    section = DOCS.read_text(encoding="utf-8").split("## Clients of other projects")[1]
    return re.findall(r"```python\n(.*?)```\n+```text\n(.*?)```", section, re.DOTALL)


def comparable(text: str) -> str:
    """A text without its prediction ids, which differ each time."""
    return re.sub("[0-9a-f]{32}", "ID", text)


@pytest.mark.slow
def test_real_clients_are_answered_as_the_docs_show(server: Running, clients: Path) -> None:
    """Each of them failed at its first inference before, and could not read why.

    All at once, because most of their time is imports: three programs that check what each client
    is told, and the three of the docs as they stand there, with this server's port.
    """
    port, shown = server.url.rsplit(":", 1)[1], examples()
    assert len(shown) == len(CLIENTS)
    checks = [run(clients, str(HERE / f"{name}_checks.py"), server.url) for name in CLIENTS]
    programs = [run(clients, "-c", code.replace("8000", port)) for code, _ in shown]
    answers = [output_of(process).split(":")[1] for process in checks]
    assert len(set(answers)) == 1  # whatever the protocol, the same predictions
    for (_, due), process in zip(shown, programs, strict=True):
        assert comparable(output_of(process).replace(port, "8000")) == comparable(due)


def output_of(process: subprocess.Popen[str]) -> str:
    """What a client has printed when it is done."""
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    return output
