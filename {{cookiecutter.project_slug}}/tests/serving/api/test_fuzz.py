"""What the OpenAPI document says is so: thousands of requests made from it, valid and others."""

from __future__ import annotations

import re
from collections import Counter
from datetime import datetime
from typing import Any
from urllib.parse import quote

import httpx2
import jsonschema_rs
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from schemathesis.core import NOT_SET
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from ml.journal.store import Journal
from ml.serving.api.refusals import is_protocol
from tests.serving.conftest import CLASSIFICATION, Start

# of one route, as many valid ones as others
CASES = {"/predict": 1500, "/labels": 750, "infer": 250}
FEW = 30  # of the routes that read no body
# a number that may be rounded to an allowed one when it is read
LONG = re.compile(r"\d{17}|\de-\d")
NAMES = [*CLASSIFICATION.names, "customer id"]

# in the first year an offset leads out of the calendar, and what lies ahead of the clock is refused
schemathesis.openapi.format(
    "date-time", st.datetimes(datetime(2, 1, 1), datetime(2026, 1, 1)).map(datetime.isoformat)
)


def unsaid(body: Any) -> bool:
    """What a JSON schema cannot say: numbers that are rounded when read; an id is 0, not 0.0."""
    rows = body if isinstance(body, list) else [body]
    ids = [row.get("customer id") for row in rows if isinstance(row, dict)]
    return bool(LONG.search(str(body))) or any(isinstance(i, float) for i in ids)


@pytest.mark.slow
def test_no_request_makes_it_fail_and_every_answer_is_as_described(start: Start) -> None:
    server = start()
    document = httpx2.get(f"{server.url}/openapi.json").json()
    statuses: Counter[int] = Counter()
    faults: dict[str, str] = {}
    with requests.Session() as session:
        for result in schemathesis.openapi.from_url(
            f"{server.url}/openapi.json"
        ).get_all_operations():
            assert isinstance(result, Ok)
            operation: Any = result.ok()
            for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
                if mode is GenerationMode.POSITIVE or operation.body or operation.path_parameters:
                    _send(operation, mode, document, session, statuses, faults)
    assert faults == {}
    assert statuses.total() >= 5000
    assert {status for status in statuses if status >= 500} == set()
    assert min(statuses[200], statuses[400] + statuses[422]) > 1000
    assert Journal().count() > CASES["/predict"]
    server.stop()
    assert server.process.returncode == 0


def _send(
    operation: Any,
    mode: GenerationMode,
    document: Any,
    session: requests.Session,
    statuses: Counter[int],
    faults: dict[str, str],
) -> None:
    """Send an operation's cases; what is not as the document says goes to `found`."""
    path: str = operation.path
    body = f"#/paths/{path.replace('/', '~1')}/post/requestBody/content/application~1json/schema"
    schema = (
        jsonschema_rs.validator_for({"$ref": quote(body, "#/~"), **document})
        if operation.body
        else None
    )
    # a body made wrong by a change may be another right one: which it is, the schema says
    skipped = [negative_data_rejection]
    if is_protocol(path):
        # of their rows the schema says the shape alone, not that lengths or names agree
        skipped.append(positive_data_acceptance)

    @hypothesis_settings(
        max_examples=CASES.get("infer" if path.endswith("/infer") else path, FEW),
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def send(case: Any) -> None:
        answer = case.call(session=session)
        statuses[answer.status_code] += 1
        if unsaid(case.body) and answer.status_code in (200, 400, 422):
            return
        is_json = case.body is not NOT_SET and case.media_type == "application/json"
        accepted = answer.status_code == 200 and is_json
        if accepted and schema is not None and not schema.is_valid(case.body):
            faults[f"{operation.label}: invalid and accepted"] = f"{case.body}"
        try:
            case.validate_response(answer, excluded_checks=skipped)
        except FailureGroup as failures:
            for failure in failures.exceptions:
                faults[f"{operation.label}: {type(failure).__name__} {answer.status_code}"] = (
                    f"{failure} {case.body}"
                )

    send()


@pytest.mark.slow
def test_what_predict_answers_the_inference_protocol_answers_alike(start: Start) -> None:
    server = start()
    schema = schemathesis.openapi.from_url(f"{server.url}/openapi.json")
    compared: list[int] = []
    with httpx2.Client(base_url=server.url) as client:

        @hypothesis_settings(
            max_examples=400,
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=schema["/predict"]["POST"].as_strategy())
        def compare(case: Any) -> None:
            rows = case.body if isinstance(case.body, list) else [case.body]
            if not rows or unsaid(case.body):
                return
            one = client.post("/predict", json=rows).json()
            inputs = [
                {
                    "name": name,
                    "shape": [len(rows)],
                    "datatype": "BYTES",
                    "data": [row.get(name) for row in rows],
                }
                for name in NAMES
            ]
            other = {
                o["name"]: o["data"]
                for o in client.post("/v2/models/churn/infer", json={"inputs": inputs}).json()[
                    "outputs"
                ]
            }
            assert other["prediction"] == [answer["prediction"] for answer in one]
            assert other["probabilities"] == [
                share for answer in one for share in answer["probabilities"].values()
            ]
            compared.append(len(rows))

        compare()
    assert len(compared) > 200
