"""The description of the API: OpenAPI at /openapi.json and a page at /docs, both made from the bundle's contract."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import FastAPI
from pydantic import ConfigDict, Field, with_config
from typing_extensions import TypedDict

from ml.contract import FLOAT32_MAX, Contract
from ml.serving.answers import target_schema
from ml.serving.rows import NO_NUL

if TYPE_CHECKING:
    from ml.serving.service import Service


@with_config(ConfigDict(strict=True, extra="forbid", allow_inf_nan=False))
class Label(TypedDict):
    """What became of one prediction."""

    prediction_id: Annotated[str, Field(min_length=1, max_length=200, pattern=NO_NUL)]
    outcome: str | float | bool  # a class of the target, or a number


LabelsBody = Label | Annotated[list[Label], Field(max_length=100_000)]


def describe(app: FastAPI, service: Service) -> None:
    """Complete FastAPI's OpenAPI document by the contract that is served now, the predict route and all refusals."""
    from_fastapi = app.openapi

    def openapi() -> dict[str, Any]:
        app.openapi_schema = None  # the contract may have changed with the model
        schema = from_fastapi()
        schema["paths"] = {"/predict": {"post": _predict(service)}, **schema["paths"]}
        label = schema["components"]["schemas"]["Label"]["properties"]
        label["outcome"] = _outcome_schema(service.served.bundle.contract)
        for path, methods in schema["paths"].items():
            for method, operation in methods.items():
                _complete(operation, path, method, service)
        return schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend it


def _predict(service: Service) -> dict[str, Any]:
    served = service.served
    row = served.rows.json_schema()
    answer = _answer_schema(served.bundle.contract)
    example = served.bundle.golden["rows"][0]
    return {
        "summary": "Predict",
        "description": f"One row, or an array of at most {service.settings.serve.max_rows}; "
        "the answer has the same shape and is in the journal before it is sent.",
        "operationId": "predict",
        "requestBody": {
            "required": True,
            "content": _json(_one_or_many(row), {"one": {"value": example}, "many": {"value": [example]}}),
        },
        "responses": {
            "200": {"description": "Answered and recorded", "content": _json(_one_or_many(answer))},
        },
    }


def _complete(operation: dict[str, Any], path: str, method: str, service: Service) -> None:
    """Add an operation's refusals, and the one model and version that its path may name."""
    statuses = set() if "/health/" in path else {"401", "429"}
    if "{name}" in path:
        statuses.add("404")
    if method == "post":
        statuses |= {"413", "415", "422", "500", "503"}
    if path.endswith("/health/ready"):
        statuses.add("503")
    refusals = {status: {"description": _REFUSALS[status], "content": _json(_ERROR)} for status in sorted(statuses)}
    kept = {status: answer for status, answer in operation["responses"].items() if status == "200"}
    operation["responses"] = {**kept, **refusals}
    bundle = service.served.bundle
    served = {"name": bundle.lineage.get("name"), "version": bundle.version}
    for parameter in operation.get("parameters", []):
        parameter["schema"] = {"enum": [served[parameter["name"]]]}


_REFUSALS = {
    "401": "No valid API key",
    "404": "There is no such model here",
    "413": "Body too large",
    "415": "Not JSON",
    "422": "Not valid for the contract",
    "429": "The key has asked too often; see Retry-After",
    "500": "The model failed",
    "503": "Not recorded, overloaded or shutting down; see Retry-After",
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
                "properties": {"type": {"type": "string"}, "loc": {"type": "array"}, "msg": {"type": "string"}},
            },
        }
    },
}


def _json(schema: dict[str, Any], examples: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"application/json": {"schema": schema, **({"examples": examples} if examples else {})}}


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
        shares = {name: {"type": "number", "minimum": 0, "maximum": 1} for name in contract.target.classes}
        properties["probabilities"] = {"type": "object", "properties": shares, "required": list(shares)}
    return {"type": "object", "properties": properties, "required": list(properties)}
