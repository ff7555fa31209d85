"""A client chooses neither the size of a refusal nor how long the service works on it."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

from ml.errors import printable
from ml.request_schema.rows import RequestSchema
from tests.serving.conftest import CLASSIFICATION, sample_rows
from tests.serving.protocols import INFER, INVOCATIONS, V1, message_of, tensors

ROW = sample_rows(CLASSIFICATION, 1)[0]
ROWS = RequestSchema(CLASSIFICATION, 10_000)
MANY = {f"name {i}": 1 for i in range(150_000)}
LARGEST = 8_000  # bytes of a refusal

Detail = dict[str, Any]


def refused(client: TestClient, route: str, body: Any) -> list[Detail]:
    """The details of a small refusal."""
    answer = refused_shortly(client, route, body)
    assert answer.status_code == 422
    details: list[Detail] = answer.json()["detail"]
    assert len(details) <= 21
    return details


def refused_shortly(client: TestClient, route: str, body: Any) -> Any:
    """A small refusal."""
    answer = client.post(route, json=body)
    assert answer.status_code in (400, 422)
    assert len(answer.content) < LARGEST
    return answer


@pytest.mark.parametrize("body", [{**ROW, **MANY}, [ROW, {**ROW, **MANY}], MANY])
def test_unknown_names_are_counted_and_the_first_told(client: TestClient, body: Any) -> None:
    """6 s of processor time and an answer of 46 MB before; now 0.2 s and less than 8 kB."""
    details = refused(client, "/predict", body)
    missing = sum(d["type"] == "missing" for d in details)
    assert [d["type"] for d in details[missing:]] == ["extra_forbidden"] * (20 - missing) + ["more"]
    assert details[-1]["msg"] == f"and {150_000 + missing - 20} more mistakes"


def test_a_label_with_unknown_names(client: TestClient) -> None:
    """The same body to /labels: an error for each name, twice; now the first 20."""
    details = refused(client, "/labels", {"prediction_id": "a", "outcome": "no", **MANY})
    assert details[-1]["msg"] == "and 149980 more mistakes"


@pytest.mark.parametrize(
    "label", [{"prediction_id": 1, "outcome": None}, {"prediction_id": "a", "outcome": "maybe"}]
)
def test_labels_with_the_same_mistake(client: TestClient, label: Any) -> None:
    """100,000 mistyped labels held up the event loop for 2 s; now the first wrong one is told."""
    details = refused(client, "/labels", [label] * 100_000)
    assert {tuple(d["loc"][:2]) for d in details} == {("body", 0)}


def test_tensors_with_unknown_names(client: TestClient) -> None:
    """The same through the Open Inference Protocol."""
    inputs = [{"name": name, "shape": [1], "datatype": "FP64", "data": [1]} for name in MANY]
    answer = refused_shortly(client, INFER, {"inputs": tensors([ROW]) + inputs})
    assert message_of(answer, 422).endswith("; and 149980 more mistakes")


@pytest.mark.parametrize(
    ("route", "body"),
    [
        (V1, {"instances": [{**ROW, **MANY}]}),
        (INVOCATIONS, {"dataframe_records": [{**ROW, **MANY}]}),
        (INVOCATIONS, {"dataframe_split": {"columns": list(MANY), "data": [list(MANY)]}}),
        (INVOCATIONS, {"inputs": {name: [1] for name in MANY}}),
    ],
)
def test_tables_with_unknown_names(client: TestClient, route: str, body: Any) -> None:
    """The same through the protocols of MLflow and KServe."""
    assert "more mistakes" in message_of(refused_shortly(client, route, body), 422)


@pytest.mark.parametrize(
    ("route", "body"),
    [
        (V1, {"instances": [1] * 100_000}),
        (INVOCATIONS, {"dataframe_records": [1] * 100_000}),
        (INVOCATIONS, {"dataframe_split": {"columns": [1] * 100_000, "data": [1] * 100_000}}),
        (INVOCATIONS, {"inputs": [1] * 100_000}),
    ],
)
def test_tables_of_another_form(client: TestClient, route: str, body: Any) -> None:
    """100,000 mistakes of one form are told once, or counted."""
    refused_shortly(client, route, body)


@pytest.mark.parametrize(
    "inputs", [[{}] * 100_000, [{**tensors([ROW])[0], "shape": ["x"] * 100_000}]]
)
def test_tensors_of_another_form(client: TestClient, inputs: Any) -> None:
    """100,000 tensors without a name, or a shape of 100,000 texts: an error for each before."""
    refused_shortly(client, INFER, {"inputs": inputs})


def test_a_path_is_repeated_in_part(client: TestClient) -> None:
    """A refusal as long as the path before."""
    answer = client.get("/" + "x" * 50_000)
    assert answer.status_code == 404
    assert len(answer.content) < 300


def test_hints_are_for_the_first_three_short_names(client: TestClient) -> None:
    """Comparing 150,000 names with the contract's took most of the 6 s."""
    short = refused(client, "/predict", {**ROW, **{f"clas{i}": 1 for i in range(9)}})
    assert ["did you mean" in d["msg"] for d in short] == [True] * 3 + [False] * 6
    (long,) = refused(client, "/predict", {**ROW, "class" * 50: 1})
    assert long["msg"] == f'column "{printable("class" * 50)}" is not in the contract'
    assert long["loc"] == ["body", printable("class" * 50)]
