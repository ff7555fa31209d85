"""The image's health check: which port it asks, and when it fails."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from ml.errors import UserError
from ml.serving.process.probe import port_of
from tests.serving.conftest import HOME, Start, free_port


@pytest.mark.parametrize(
    ("environment", "is_sagemaker", "port"),
    [
        ({}, False, 8000),
        ({"PORT": "9000"}, False, 9000),
        ({"PORT": "9000", "AIP_HTTP_PORT": "7000"}, False, 7000),
        ({"PORT": ""}, False, 8000),
        ({"PORT": "9000"}, True, 8080),
        ({"SAGEMAKER_BIND_TO_PORT": "9443"}, True, 9443),
        ({"SAGEMAKER_BIND_TO_PORT": "9443"}, False, 8000),
    ],
)
def test_the_port_is_the_platforms(
    environment: dict[str, str], is_sagemaker: bool, port: int
) -> None:
    assert port_of(environment, is_sagemaker) == port


@pytest.mark.parametrize("text", ["http", "0", "65536", "-1", "8000 ", "٣"])
def test_what_is_no_port_is_named(text: str) -> None:
    with pytest.raises(UserError, match="PORT=") as caught:
        port_of({"PORT": text})
    assert caught.value.then == "PORT=8000"


def test_it_passes_beside_a_ready_service_and_fails_without_one(start: Start) -> None:
    server = start()
    assert probe(server.url.rsplit(":", 1)[1]) == 0
    server.stop()
    assert probe(str(free_port())) == 1


def probe(port: str) -> int:
    """Exit status of the image's health check where the platform says this port."""
    words = [sys.executable, "-m", "ml.serving.process.probe"]
    env = {**os.environ, "PYTHONPATH": str(HOME), "PORT": port, "SAGEMAKER_BIND_TO_PORT": port}
    return subprocess.run(words, env=env, check=False).returncode
