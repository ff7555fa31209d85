"""`ml container`: each platform's contract, by the requests that its documentation names."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.testclient import TestClient

from ml.errors import UserError
from ml.serving.api.app import create_app
from ml.serving.process.container import is_journal_lost, mounted_bundle, serve
from ml.serving.settings import load_settings
from tests.serving.conftest import HOME, Running, free_port, wait_ready
from tests.serving.protocols import tensors

Row = dict[str, Any]
KEY = "a-key-of-this-test"
PLATFORM_VARIABLES = (
    "PORT",
    "K_SERVICE",
    "ML_AUTH",
    "AIP_HTTP_PORT",
    "AIP_HEALTH_ROUTE",
    "AIP_PREDICT_ROUTE",
    "AIP_STORAGE_URI",
    "AZUREML_MODEL_DIR",
    "SAGEMAKER_BIND_TO_PORT",
)


def envelope(row: Row) -> dict[str, Any]:
    """A body of SageMaker's, Vertex AI's and KServe's clients."""
    return {"instances": [row]}


@dataclass(frozen=True)
class Platform:
    """How a platform starts the image, and what it asks."""

    word: tuple[str, ...] = ()  # behind the image's name
    env: dict[str, str] = field(default_factory=dict)
    port: str = "PORT"  # the variable in which the platform says the port
    probes: tuple[str, ...] = ("/health/ready",)
    predict: str = "/predict"
    body: Callable[[Row], Any] = lambda row: row
    answer: str = "prediction"  # the key of the answer
    warns: bool = True  # that the journal ends with the container


PLATFORMS = {
    "docker": Platform(port="", env={"ML_API_KEYS": KEY}, warns=False),
    "sagemaker": Platform(
        word=("serve",),
        env={"ML_AUTH": "platform"},
        port="SAGEMAKER_BIND_TO_PORT",
        probes=("/ping",),
        predict="/invocations",
        body=envelope,
        answer="predictions",
    ),
    "vertex": Platform(
        env={
            "ML_AUTH": "platform",
            "AIP_HEALTH_ROUTE": "/v1/endpoints/7/deployedModels/8",
            "AIP_PREDICT_ROUTE": "/v1/endpoints/7/deployedModels/8:predict",
            "AIP_STORAGE_URI": "",
        },
        port="AIP_HTTP_PORT",
        probes=("/v1/endpoints/7/deployedModels/8",),
        predict="/v1/endpoints/7/deployedModels/8:predict",
        body=lambda row: {"instances": [row], "parameters": {}},
        answer="predictions",
    ),
    "azure": Platform(
        env={"ML_AUTH": "platform", "AZUREML_MODEL_DIR": "serving/releases/2"},
        probes=("/health/live", "/health/ready"),
    ),
    "kserve v2": Platform(
        env={"ML_AUTH": "platform"},
        probes=("/v2/health/live", "/v2/health/ready", "/v2/models/churn/ready"),
        predict="/v2/models/churn/infer",
        body=lambda row: {"inputs": tensors([row])},
        answer="outputs",
        warns=False,
    ),
    "kserve v1": Platform(
        env={"ML_AUTH": "platform"},
        probes=("/v1/models/churn",),
        predict="/v1/models/churn:predict",
        body=envelope,
        answer="predictions",
        warns=False,
    ),
    "cloud run": Platform(env={"ML_AUTH": "platform", "K_SERVICE": "churn"}),
    "knative": Platform(env={"ML_API_KEYS": KEY, "K_SERVICE": "churn"}),
}

Begin = Callable[..., Running]


@pytest.fixture
def begin(project: Path) -> Iterator[Begin]:
    """Start `ml container` in the project's folder, as the image does in /app."""
    running: list[Running] = []

    def run(port: int, *words: str, env: dict[str, str]) -> Running:
        kept = {k: v for k, v in os.environ.items() if k not in PLATFORM_VARIABLES}
        process = subprocess.Popen(
            [sys.executable, "-m", "ml", "container", *words],
            cwd=project,
            env={**kept, "PYTHONPATH": str(HOME), **env},
            stderr=subprocess.PIPE,
            text=True,
        )
        running.append(Running(process, f"http://127.0.0.1:{port}"))
        wait_ready(running[-1])
        return running[-1]

    yield run
    for server in running:
        if server.process.poll() is None:
            server.process.terminate()
        server.process.communicate(timeout=120)


def ask(client: httpx2.Client, platform: Platform, row: Row) -> None:
    """The probes, which carry no key, then the prediction."""
    for path in platform.probes:
        assert client.get(path).status_code == 200, path
    body, key = platform.body(row), {}
    if "ML_API_KEYS" in platform.env:
        assert client.post(platform.predict, json=body).status_code == 401
        key = {"X-API-Key": KEY}
    answer = client.post(platform.predict, json=body, headers=key)
    assert answer.status_code == 200, answer.text
    assert platform.answer in answer.json()


@pytest.mark.parametrize("name", PLATFORMS)
def test_each_platform_gets_the_answers_that_it_documents(
    project: Path, row: Row, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Asked under a name of the platform's own."""
    platform = PLATFORMS[name]
    for variable, value in platform.env.items():
        monkeypatch.setenv(variable, value)
    with TestClient(create_app(load_settings()), "http://model.example") as client:
        ask(client, platform, row)
    environment = {**platform.env, platform.port: "1"}
    assert is_journal_lost(environment, "serve" in platform.word) == platform.warns


@pytest.mark.parametrize("name", ["sagemaker", "vertex", "azure"])
def test_a_process_follows_its_platform(begin: Begin, row: Row, name: str) -> None:
    """Its port, its routes, its model, whatever name it is asked under."""
    platform, port = PLATFORMS[name], free_port()
    server = begin(port, *platform.word, env={**platform.env, platform.port: str(port)})
    with httpx2.Client(base_url=server.url, headers={"Host": "model.example"}) as client:
        ask(client, platform, row)
        assert client.get("/model").json()["version"] == ("2" if name == "azure" else "1")
    output = server.stop()
    assert server.process.returncode == 0
    assert "warning: the journal is a file of this container" in output


@pytest.mark.parametrize(
    ("env", "word", "says"),
    [
        ({}, None, "beyond this machine the service needs API keys"),
        ({"ML_AUTH": "off"}, None, "ML_AUTH=off: neither keys nor platform"),
        ({"ML_AUTH": "platform", "ML_API_KEYS": KEY}, None, "ML_AUTH=platform: there are API keys"),
        ({"ML_AUTH": "platform", "PORT": "http"}, None, "PORT=http: no port"),
        ({"ML_AUTH": "platform", "AIP_STORAGE_URI": "gs://b/m"}, None, "AIP_STORAGE_URI=gs://b/m"),
        ({"ML_AUTH": "platform"}, "train", "train: an image of this project knows `serve`"),
    ],
)
def test_a_contradiction_ends_the_start(
    project: Path, monkeypatch: pytest.MonkeyPatch, env: dict[str, str], word: str | None, says: str
) -> None:
    for variable, value in env.items():
        monkeypatch.setenv(variable, value)
    with pytest.raises(UserError, match=re.escape(says)):
        serve(word, None, 1)


def test_a_mounted_release_is_found_and_anything_else_is_refused(tmp_path: Path) -> None:
    assert mounted_bundle({}, tmp_path) is None
    sagemaker = tmp_path / "opt/ml/model"
    sagemaker.mkdir(parents=True)
    assert mounted_bundle({}, tmp_path) is None  # an image with its model: nothing is mounted
    (sagemaker / "model.joblib").touch()
    with pytest.raises(UserError, match="this is no release"):
        mounted_bundle({}, tmp_path)
    (sagemaker / "manifest.json").touch()
    assert mounted_bundle({}, tmp_path) == sagemaker
    assert mounted_bundle({"ML_BUNDLE": "/elsewhere"}, tmp_path) is None
    azure = tmp_path / "azureml-models/churn/1"
    (azure / "release").mkdir(parents=True)
    (azure / "release/manifest.json").touch()
    environment = {"AZUREML_MODEL_DIR": str(azure)}
    assert mounted_bundle(environment, tmp_path / "empty") == azure / "release"
    kserve = tmp_path / "other/mnt/models"
    kserve.mkdir(parents=True)
    (kserve / "manifest.json").touch()
    assert mounted_bundle({}, tmp_path / "other") == kserve


@pytest.mark.parametrize(
    ("environment", "is_sagemaker", "is_lost"),
    [
        ({}, False, False),
        ({}, True, True),
        ({"K_SERVICE": "a"}, False, True),
        ({"K_SERVICE": "a", "JOURNAL_URL": "postgresql+psycopg://u@h/d"}, False, False),
        ({"AIP_HTTP_PORT": "1", "JOURNAL_URL": "sqlite:////var/lib/ml/journal.db"}, False, True),
    ],
)
def test_a_journal_that_ends_with_the_container_is_told(
    environment: dict[str, str], is_sagemaker: bool, is_lost: bool
) -> None:
    assert is_journal_lost(environment, is_sagemaker) == is_lost


def test_a_platforms_path_is_its_routes_in_every_way(
    project: Path, row: Row, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Google's examples choose paths that are taken here: the platform's word holds."""
    monkeypatch.setenv("ML_API_KEYS", KEY)
    monkeypatch.setenv("AIP_HEALTH_ROUTE", "/alive")
    monkeypatch.setenv("AIP_PREDICT_ROUTE", "/predict")
    with TestClient(create_app(load_settings())) as client:
        assert client.get("/alive").json()["status"] == "ready"
        assert client.post("/alive").status_code == 405
        assert client.post("/predict", json=envelope(row)).status_code == 401
        key = {"X-API-Key": KEY}
        answer = client.post("/predict", json=envelope(row), headers=key)
        assert len(answer.json()["predictions"]) == 1
        refused = client.post("/predict", json=row, headers=key)
        assert refused.status_code == 400
        assert set(refused.json()) == {"error_code", "message"}


def test_a_platform_in_front_leaves_label_keys_and_pages_of_others_as_they_are(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ML_AUTH", "platform")
    monkeypatch.setenv("ML_LABEL_KEYS", KEY)
    with TestClient(create_app(load_settings()), "https://model.example") as client:
        assert client.get("/model").status_code == 200
        assert client.post("/labels", json=[]).status_code == 401
        foreign = {"Origin": "https://evil.example"}
        assert client.get("/model", headers=foreign).status_code == 403
