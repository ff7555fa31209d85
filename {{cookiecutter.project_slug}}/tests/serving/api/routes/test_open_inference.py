"""The Open Inference Protocol's routes answer as POST /predict does."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.testclient import TestClient

from ml.journal.store import Journal
from ml.serving.settings import Settings
from tests.serving.conftest import CLASSIFICATION, Start, sample_rows, waiting_inside
from tests.serving.load import answer, request

ROWS = sample_rows(CLASSIFICATION, 5)
INFER = "/v2/models/churn/infer"


def tensors(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows as the protocol's tensors."""
    return [
        {
            "name": name,
            "shape": [len(rows)],
            "datatype": "BYTES",
            "data": [row[name] for row in rows],
        }
        for name in CLASSIFICATION.names
    ]


def test_it_answers_as_predict_does_and_journals(client: TestClient, settings: Settings) -> None:
    answer = client.post(INFER, json={"id": "mine", "inputs": tensors(ROWS)}).json()
    outputs = {o["name"]: o for o in answer["outputs"]}
    plain = client.post("/predict", json=ROWS).json()
    assert (answer["id"], answer["model_name"], answer["model_version"]) == ("mine", "churn", "1")
    assert outputs["prediction"]["data"] == [a["prediction"] for a in plain]
    assert outputs["probabilities"]["shape"] == [5, 2]
    assert outputs["probabilities"]["data"] == [
        p for a in plain for p in a["probabilities"].values()
    ]
    kept = {p.prediction_id for p in Journal(settings.journal).predictions()}
    assert set(outputs["prediction_id"]["data"]) < kept
    assert 'ml_requests_total{status="200"} 2.0' in client.get("/metrics").text


def test_metadata_and_health(client: TestClient) -> None:
    assert client.get("/v2/health/live").json() == {"live": True}
    assert client.get("/v2/health/ready").json() == {"ready": True}
    assert client.get("/v2/models/churn/versions/1/ready").json() == {
        "name": "churn",
        "ready": True,
    }
    model = client.get("/v2/models/churn").json()
    assert [i["name"] for i in model["inputs"]] == CLASSIFICATION.names
    assert [o["name"] for o in model["outputs"]] == ["prediction_id", "prediction", "probabilities"]
    assert client.get("/v2").json()["name"] == "ml"


@pytest.mark.parametrize(
    "path", ["/v2/models/other", "/v2/models/churn/versions/9", "/v2/models/other/ready"]
)
def test_another_model_is_not_found(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert "there is model 'churn', version '1'" in answer.json()["detail"][0]["msg"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda t: t[0].update(shape=[4]), "shape [4] is neither [5] nor [5, 1]"),
        (lambda t: t[0].update(data=[1.0], shape=[1]), "columns differ in length"),
        (lambda t: t.append(t[0]), "a column is sent twice"),
        (lambda t: t[0].update(name="other"), 'column "other" is not in the contract'),
        (lambda t: t[1]["data"].__setitem__(2, "x"), 'column "class": "x" is not a whole number'),
        (lambda t: t.clear(), "at least 1 item"),
    ],
)
def test_wrong_tensors_are_refused(client: TestClient, change: Any, says: str) -> None:
    inputs = tensors(ROWS)
    change(inputs)
    answer = client.post(INFER, json={"inputs": inputs})
    assert answer.status_code == 422
    assert says in " ".join(d["msg"] for d in answer.json()["detail"])


def test_it_is_admitted_and_given_up_as_predict_is(start: Start, project: Path) -> None:
    params = (project / "params.yaml").read_text()
    for old, new in {
        "max_requests: 512": "max_requests: 2",
        "deadline_seconds: 10": "deadline_seconds: 10",
    }.items():
        assert old in params
        params = params.replace(old, new)
    (project / "params.yaml").write_text(params)
    url = start().url
    host, port = url.removeprefix("http://").split(":")

    async def run() -> None:
        whole = request({"inputs": tensors(ROWS)}, INFER)
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(whole)
        assert (await answer(reader))[0] == 200  # quiet while there is room and time
        writer.close()
        stalled = []
        for path in (INFER, "/predict"):  # they share the room
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(request(ROWS, path)[:-20])
            stalled.append((reader, writer))
        await waiting_inside(url, 2)
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(whole)
        status, headers, body = await answer(reader)
        assert (status, headers["retry-after"], json.loads(body)["detail"][0]["type"]) == (
            503,
            "1",
            "overloaded",
        )
        for reader, _ in stalled:
            status, headers, body = await answer(reader)
            assert (status, headers["retry-after"], json.loads(body)["detail"][0]["type"]) == (
                503,
                "1",
                "deadline",
            )
        for _, stuck in [*stalled, (reader, writer)]:
            stuck.close()
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(whole)
        assert (await answer(reader))[0] == 200
        writer.close()

    asyncio.run(run())
    metrics = httpx2.get(f"{url}/metrics").text
    assert 'ml_requests_total{status="200"} 2.0' in metrics
    assert 'ml_requests_total{status="503"} 3.0' in metrics
