"""The Open Inference Protocol's routes answer as POST /predict does."""

from __future__ import annotations

import asyncio
import json
import math
from pathlib import Path
from typing import Any

import httpx2
import jsonschema
import numpy as np
import pytest
from ruamel.yaml import YAML
from starlette.testclient import TestClient

from ml.journal.store import Journal
from ml.serving.api.binary_tensors import decode, encode
from ml.serving.inference.service import Service
from ml.serving.settings import Settings
from tests.serving.conftest import CLASSIFICATION, HOME, Start, sample_rows, waiting_inside
from tests.serving.load import answer, request
from tests.serving.protocols import INFER, message_of, tensors

ROWS = sample_rows(CLASSIFICATION, 5)


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
    assert "there is model 'churn', version '1'" in message_of(answer, 404)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda t: t[0].update(shape=[4]), "shape [5] is neither [4] nor [4, 1]"),
        (lambda t: t[0].update(data=[1.0], shape=[1]), "shape [5] is neither [1] nor [1, 1]"),
        (lambda t: t.append(t[0]), "is sent twice"),
        (lambda t: t[0].update(name="other"), 'column "other" is not in the contract'),
        (lambda t: t[1]["data"].__setitem__(2, "x"), 'column "class": "x" is not a whole number'),
        (lambda t: t.clear(), "inputs: List should have at least 1 item"),
        (lambda t: t[0].update(shape=[]), "shape [] is neither [0] nor [0, 1]"),
        (lambda t: t[0].update(data=[1.0]), "shape [5] does not fit 1 values"),
        (lambda t: t[0].pop("data"), '"data" is missing'),
        (lambda t: t[0].update(datatype="STRING"), "inputs.0.datatype: Input should be 'BOOL'"),
        (lambda t: t[0].update(parameters={"binary_data_size": 8}), '"data" and binary_data_size'),
        (lambda t: t[0].update(shape=[10_001]), "at most 10000 rows"),
    ],
)
def test_wrong_tensors_are_refused(client: TestClient, change: Any, says: str) -> None:
    inputs = tensors(ROWS)
    change(inputs)
    answer = client.post(INFER, json={"inputs": inputs})
    assert says in message_of(answer, 422)


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
        assert (status, headers["retry-after"]) == (503, "1")
        assert json.loads(body) == {"error": "2 requests are being answered; try again"}
        for reader, _ in stalled:
            status, headers, body = await answer(reader)
            assert (status, headers["retry-after"]) == (503, "1")
            assert b"not answered in time" in body
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


# What the protocol says of requests and answers

# KServe's copy, laid beside the project or above it: it is no part of the project
SPECIFICATION = Path("shared", "schemas", "rest_predict_v2.yaml")
FOUND = next((p / SPECIFICATION for p in HOME.parents if (p / SPECIFICATION).is_file()), None)
WITHOUT_MISSING = [{**row, "monthly charge": 1.5 * i} for i, row in enumerate(ROWS)]
DATATYPES = {"monthly charge": "<f8", "class": "<i8", "été.2024": "?"}


def binary(rows: list[dict[str, Any]], outputs: Any = None, **more: Any) -> tuple[bytes, Any]:
    """A body with every tensor as bytes, and its headers, as tritonclient sends them."""
    names = {"<f8": "FP64", "<f4": "FP32", "<i8": "INT64", "?": "BOOL"}
    inputs, behind = [], []
    for name in rows[0]:
        values = [row[name] for row in rows]
        form = DATATYPES.get(name)
        kind = names[form] if form else "BYTES"
        data = np.array(values, form).tobytes() if form else encode("BYTES", values)
        size = {"binary_data_size": len(data)}
        inputs.append({"name": name, "shape": [len(rows), 1], "datatype": kind, "parameters": size})
        behind.append(data)
    body = {"inputs": inputs, **more, **({} if outputs is None else {"outputs": outputs})}
    text = json.dumps(body).encode()
    return text + b"".join(behind), {"Inference-Header-Content-Length": str(len(text))}


def read_binary(answer: httpx2.Response) -> tuple[dict[str, Any], dict[str, list[Any]]]:
    """An answer's JSON, and the values of its outputs, wherever they stand."""
    length = int(answer.headers.get("Inference-Header-Content-Length", len(answer.content)))
    text, behind = json.loads(answer.content[:length]), answer.content[length:]
    values, at = {}, 0
    for output in text["outputs"]:
        size = output.get("parameters", {}).get("binary_data_size")
        count = math.prod(output["shape"])
        if size is None:
            values[output["name"]] = output["data"]
            continue
        values[output["name"]] = decode(output["datatype"], behind[at : at + size], count)
        at += size
    assert at == len(behind)
    return text, values


def test_binary_tensors_are_answered_as_json_is(client: TestClient) -> None:
    plain = client.post("/predict", json=WITHOUT_MISSING).json()
    body, headers = binary(WITHOUT_MISSING, parameters={"binary_data_output": True})
    answer = client.post(INFER, content=body, headers=headers)
    assert answer.headers["content-type"] == "application/octet-stream"
    text, values = read_binary(answer)
    assert all("data" not in output for output in text["outputs"])
    assert values["prediction"] == [a["prediction"] for a in plain]
    shares = [share for a in plain for share in a["probabilities"].values()]
    assert np.array(values["probabilities"], "f4").tolist() == np.array(shares, "f4").tolist()
    octets = {**headers, "content-type": "application/octet-stream"}  # as KServe's client says
    assert client.post(INFER, content=body, headers=octets).status_code == 200


def test_outputs_that_are_asked_for_come_in_their_order_and_form(client: TestClient) -> None:
    wanted = [
        {"name": "probabilities", "parameters": {"binary_data": True}},
        {"name": "prediction", "parameters": {"binary_data": False}},
    ]
    body, headers = binary(WITHOUT_MISSING, wanted, parameters={"binary_data_output": True})
    text, _ = read_binary(client.post(INFER, content=body, headers=headers))
    assert [o["name"] for o in text["outputs"]] == ["probabilities", "prediction"]
    assert ["data" in o for o in text["outputs"]] == [False, True]


@pytest.mark.parametrize(
    ("outputs", "says"),
    [
        ([{"name": "score"}], 'output "score" is not known; there are: "prediction_id"'),
        ([{"name": "prediction", "parameters": {"classification": 2}}], "is not offered"),
        ([{}], "outputs.0.name: Field required"),
    ],
)
def test_outputs_that_there_are_not_are_refused(
    client: TestClient, outputs: Any, says: str
) -> None:
    body = {"inputs": tensors(ROWS), "outputs": outputs}
    assert says in message_of(client.post(INFER, json=body), 422)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda b, h: (b[:-1], h), "the bytes end within"),
        (lambda b, h: (b + b"x", h), "bytes behind the JSON, not"),
        (lambda b, _: (b, {}), "not valid JSON"),
        (lambda b, _: (b, {"Inference-Header-Content-Length": str(len(b) + 1)}), "no number of"),
        (lambda b, _: (b, {"Inference-Header-Content-Length": "-1"}), "no number of bytes"),
        (lambda b, h: (b.replace(b'size": 40', b'size": 41'), h), "FP64 are 40 bytes, not 41"),
        (lambda b, h: (b.replace(b'size": 40', b'size":1e2'), h), "is no number of bytes"),
        (lambda b, h: (b.replace(b'size": 40', b'size":-40'), h), "is no number of bytes"),
    ],
)
def test_broken_binary_bodies_are_refused(client: TestClient, change: Any, says: str) -> None:
    body, headers = change(*binary(WITHOUT_MISSING))
    assert says in message_of(client.post(INFER, content=body, headers=headers), 422)


MISSING = [
    ("monthly charge", "FP64", None),
    ("monthly charge", "FP64", float("nan")),
    ("monthly charge", "FP32", float("nan")),
    ("monthly charge", "BYTES", None),
    ("city", "BYTES", None),
    ("city", "BYTES", ""),
    ("note", "BYTES", ""),
    ("month", "BYTES", ""),  # of the contract's time: the moment of arrival
]


@pytest.mark.parametrize(("name", "datatype", "value"), MISSING)
def test_a_missing_value_has_a_form_in_each_datatype(
    client: TestClient, settings: Settings, name: str, datatype: str, value: Any
) -> None:
    inputs = tensors(ROWS[:1])
    tensor = next(t for t in inputs if t["name"] == name)
    tensor.update(datatype=datatype, data=[value])
    body = json.dumps({"inputs": inputs})
    answer = client.post(INFER, content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 200
    (kept,) = Journal(settings.journal).predictions()
    assert kept.features[name] is None or name == "month"


@pytest.mark.parametrize(
    ("name", "datatype", "value", "says"),
    [
        ("class", "FP64", float("nan"), 'column "class": null is not a whole number'),
        ("plan", "BYTES", "", 'column "plan": "" is not one of'),
        ("monthly charge", "FP64", float("inf"), "is not a finite number"),
        ("class", "INT64", None, 'column "class": null is not a whole number'),
    ],
)
def test_a_value_may_not_be_missing_where_the_contract_wants_one(
    client: TestClient, name: str, datatype: str, value: Any, says: str
) -> None:
    inputs = tensors(ROWS[:1])
    next(t for t in inputs if t["name"] == name).update(datatype=datatype, data=[value])
    body = json.dumps({"inputs": inputs})
    answer = client.post(INFER, content=body, headers={"content-type": "application/json"})
    assert says in message_of(answer, 422)


def test_a_boolean_may_be_a_number_and_data_may_be_nested(client: TestClient) -> None:
    inputs = tensors(ROWS)
    flag = next(t for t in inputs if t["name"] == "été.2024")
    flag.update(datatype="FP64", data=[float(v) for v in flag["data"]])
    inputs[0].update(shape=[5, 1], data=[[value] for value in inputs[0]["data"]])
    numbered = read_binary(client.post(INFER, json={"inputs": inputs}))[1]
    plain = read_binary(client.post(INFER, json={"inputs": tensors(ROWS)}))[1]
    assert numbered["probabilities"] == plain["probabilities"]


def test_the_index_lists_the_model(client: TestClient) -> None:
    (model,) = client.post("/v2/repository/index", content=b"").json()
    assert model == {"name": "churn", "version": "1", "state": "READY", "reason": ""}
    assert client.get("/v2/repository/index").json() == [model]
    assert client.post("/v2/repository/index", json={"ready": True}).json() == [model]
    assert "ready" in message_of(client.post("/v2/repository/index", json={"ready": "x"}), 422)


def test_a_server_that_is_not_ready_says_so(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Service, "not_ready", "no journal")
    for path in ("/v2/health/ready", "/v2/models/churn/ready", "/v2/models/churn/versions/1/ready"):
        assert client.get(path).status_code == 503
        assert client.get(path).json()["ready"] is False
    (model,) = client.post("/v2/repository/index").json()
    assert (model["state"], model["reason"]) == ("UNAVAILABLE", "no journal")
    assert client.post("/v2/repository/index", json={"ready": True}).json() == []


@pytest.mark.skipif(FOUND is None, reason=f"there is no ../{SPECIFICATION}")
def test_answers_are_as_the_specification_describes_them(client: TestClient) -> None:
    """Each path of the protocol's own OpenAPI file, answered and refused, against its schemas."""
    assert FOUND is not None
    document = YAML(typ="safe").load(FOUND.read_text(encoding="utf-8"))
    bodies = {
        "200": {"inputs": tensors(ROWS), "id": "a", "outputs": [{"name": "prediction"}]},
        "400": {"inputs": tensors(ROWS[:1]), "outputs": [{"name": "none"}]},
    }
    checked = []
    for path, operations in document["paths"].items():
        url = path.replace("${MODEL_NAME}", "churn").replace("${MODEL_VERSION}", "1")
        for method in set(operations) & {"get", "post"}:
            for status, described in operations[method]["responses"].items():
                if method == "get" and status != "200":
                    continue
                body = bodies[status] if method == "post" else None
                answer = client.request(method, url, json=body, follow_redirects=False)
                assert answer.status_code == int(status), path
                content = described.get("content", {}).get("application/json")
                if content:
                    ref = {**content["schema"], "components": document["components"]}
                    jsonschema.validate(answer.json(), ref)
                checked.append(f"{method} {status} {path}")
    schema = {"$ref": "#/components/schemas/inference_request", **document}
    jsonschema.validate(bodies["200"], schema)
    assert len(checked) == 7
