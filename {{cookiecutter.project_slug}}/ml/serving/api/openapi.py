"""The description of the API at /openapi.json, made from the contract of the bundle that serves."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from pydantic import TypeAdapter

from ml.contract import FLOAT32_MAX, Contract
from ml.journal.labels import MAX_LABELS
from ml.serving.api.refusals import INVOCATIONS, is_protocol
from ml.serving.api.routes.explain import EXPLAIN
from ml.serving.api.routes.labels import LABEL_SCHEMA
from ml.serving.api.routes.model import CARD
from ml.serving.api.routes.open_inference import INDEX_REQUEST
from ml.serving.api.tables import INSTANCES, INVOCATION
from ml.serving.api.tensors import INFER
from ml.serving.inference.predictor import Predictor, target_schema

if TYPE_CHECKING:
    from ml.serving.inference.service import Service


def document_of(app: FastAPI, service: Service) -> Callable[[], bytes]:
    """FastAPI's OpenAPI document, with the served contract, the bodies and all refusals added.

    It is made once for each model.
    """
    latest: tuple[Predictor, bytes] | None = None

    def document() -> bytes:
        nonlocal latest
        served = service.served
        if latest is None or latest[0] is not served:
            latest = served, json.dumps(_schema(app, service)).encode()
        return latest[1]

    return document


def _schema(app: FastAPI, service: Service) -> dict[str, Any]:
    app.openapi_schema = None  # what is changed below is FastAPI's own copy
    schema = app.openapi()
    paths = schema["paths"] = {"/predict": {"post": _predict(service)}, **schema["paths"]}
    paths["/labels"]["post"]["requestBody"] = _labels_body(service.served.bundle.contract)
    paths["/explain"]["post"]["requestBody"] = _explain_body(service)
    for path, methods in paths.items():
        for method, operation in methods.items():
            if method == "post" and path in PROTOCOL_BODIES:
                operation["requestBody"] = _protocol_body(path)
            _complete(operation, path, method, service)
    return schema


# routes of other protocols: what is said of their rows is the shape alone
PROTOCOL_BODIES: dict[str, TypeAdapter[Any]] = {
    "/v2/models/{name}/infer": INFER,
    "/v2/models/{name}/versions/{version}/infer": INFER,
    "/v2/repository/index": INDEX_REQUEST,
    "/v1/models/{name}:predict": INSTANCES,
    "/v1/models/{name}:explain": INSTANCES,
    INVOCATIONS: INVOCATION,
}


def _protocol_body(path: str) -> dict[str, Any]:
    schema = PROTOCOL_BODIES[path].json_schema()
    text = json.dumps(schema)
    # references would be looked for in this whole document
    for name, definition in schema.pop("$defs", {}).items():
        text = text.replace(json.dumps({"$ref": f"#/$defs/{name}"}), json.dumps(definition))
    inlined = json.loads(text)
    inlined.pop("$defs", None)
    content = _json(inlined)
    if path == INVOCATIONS:
        content["text/csv"] = {"schema": {"type": "string"}}
    return {"required": path != "/v2/repository/index", "content": content}


def _labels_body(contract: Contract) -> dict[str, Any]:
    label = LABEL_SCHEMA.json_schema()
    label["properties"]["outcome"] = _outcome_schema(contract)
    many = {"type": "array", "items": label, "maxItems": MAX_LABELS}
    return _required_body({"anyOf": [label, many]})


def _explain_body(service: Service) -> dict[str, Any]:
    row, params = service.served.rows.json_schema(), service.settings.explain
    many = {"type": "array", "items": row, "maxItems": params.max_rows if params else 0}
    example = service.served.bundle.golden["rows"][0]
    return _required_body({"anyOf": [row, many]}, {"one": {"value": example}})


def _predict(service: Service) -> dict[str, Any]:
    served = service.served
    row = served.rows.json_schema()
    answer = _answer_schema(served.bundle.contract)
    example = served.bundle.golden["rows"][0]
    examples = {"one": {"value": example}, "many": {"value": [example]}}
    answered = {"description": "Answered and recorded", "content": _json(_one_or_many(answer))}
    return {
        "summary": "Predict",
        "description": f"One row, or an array of at most {service.settings.serve.max_rows}; "
        "the answer has the same shape and is in the journal before it is sent.",
        "operationId": "predict",
        "requestBody": _required_body(_one_or_many(row), examples),
        "responses": {"200": answered},
    }


def _complete(operation: dict[str, Any], path: str, method: str, service: Service) -> None:
    """Add an operation's refusals, and the one model and version that its path may name."""
    responses = operation["responses"]
    kept = {"200": responses["200"]} if "200" in responses else {}
    operation["responses"] = {**kept, **_refusals(path, method)}
    bundle = service.served.bundle
    allowed = {
        "name": [bundle.lineage.get("name")],
        "version": [bundle.version],
        "reference": service.explaining.references(),
    }
    for parameter in operation.get("parameters", []):
        parameter["schema"] = {"enum": allowed[parameter["name"]]}


def _refusals(path: str, method: str) -> dict[str, Any]:
    return {
        status: {"description": _REFUSALS[status], "content": _json(_error_schema(path))}
        for status in sorted(_refusal_statuses(path, method))
    }


def _refusal_statuses(path: str, method: str) -> set[str]:
    is_probe = "/health/" in path or path in ("/ping", "/health")
    statuses = {"403"} if is_probe else {"401", "403", "429"}
    if "{name}" in path or path in (EXPLAIN, CARD):
        statuses.add("404")
    if path == EXPLAIN or path.endswith(":explain"):
        statuses.add("409")
    if method == "post":
        mistake = "400" if is_protocol(path) else "422"
        statuses |= {"413", "415", mistake, "500", "503"}
    if path.endswith("/ready") or path in ("/ping", "/health", "/v1/models/{name}"):
        statuses.add("503")
    return statuses


_REFUSALS = {
    "400": "Not valid for the contract",
    "401": "No valid API key",
    "403": "From a web page of another origin, or for a name that is not this service's",
    "404": "There is no such model, or no such card, here, or it is switched off",
    "409": "The model's release holds no rows to compare with",
    "413": "Body too large",
    "415": "Not JSON",
    "422": "Not valid for the contract",
    "429": "The key has asked too often; see Retry-After",
    "500": "The model failed",
    "503": "Not recorded, overloaded or shutting down; see Retry-After",
}
_ONE_TEXT = {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}}
_MLFLOW_ERROR = {
    "type": "object",
    "required": ["error_code", "message"],
    "properties": {"error_code": {"type": "string"}, "message": {"type": "string"}},
}
_ERROR = {
    "type": "object",
    "required": ["detail"],
    "properties": {
        "detail": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["type", "loc", "msg"],
                "properties": {
                    "type": {"type": "string"},
                    "loc": {"type": "array"},
                    "msg": {"type": "string"},
                },
            },
        }
    },
}


def _error_schema(path: str) -> dict[str, Any]:
    """The shape of a refusal on a path, as `refusals` makes it."""
    if path == INVOCATIONS:
        return _MLFLOW_ERROR
    return _ONE_TEXT if is_protocol(path) else _ERROR


def _json(schema: dict[str, Any], examples: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"application/json": {"schema": schema, **({"examples": examples} if examples else {})}}


def _required_body(
    schema: dict[str, Any], examples: dict[str, Any] | None = None
) -> dict[str, Any]:
    return {"required": True, "content": _json(schema, examples)}


def _one_or_many(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, {"type": "array", "items": schema}]}


def _outcome_schema(contract: Contract) -> dict[str, Any]:
    if contract.is_classification:
        return {"enum": [*contract.target.classes, *contract.target.set_aside]}
    return {"type": "number", "minimum": -FLOAT32_MAX, "maximum": FLOAT32_MAX}


def _answer_schema(contract: Contract) -> dict[str, Any]:
    properties: dict[str, Any] = {
        "prediction_id": {"type": "string"},
        "model_version": {"type": "string"},
        "prediction": target_schema(contract),
    }
    if contract.is_classification:
        share = {"type": "number", "minimum": 0, "maximum": 1}
        properties["probabilities"] = _object(dict.fromkeys(contract.target.classes, share))
    return _object(properties)


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    """An object that has all of these properties."""
    return {"type": "object", "properties": properties, "required": list(properties)}
