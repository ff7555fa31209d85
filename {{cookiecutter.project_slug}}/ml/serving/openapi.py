"""The description of the API: OpenAPI at /openapi.json and a page at /docs, both made from the bundle's contract."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import FastAPI
from pydantic import ConfigDict, Field, with_config
from typing_extensions import TypedDict

from ml.serving.answers import target_schema

if TYPE_CHECKING:
    from ml.serving.service import Service


@with_config(ConfigDict(strict=True, extra="forbid", allow_inf_nan=False))
class Label(TypedDict):
    """What became of one prediction."""

    prediction_id: Annotated[str, Field(min_length=1, max_length=200)]
    outcome: str | float | bool  # a class of the target, or a number


LabelsBody = Label | Annotated[list[Label], Field(max_length=100_000)]


def describe(app: FastAPI, service: Service) -> None:
    """Add the predict route, typed by the contract that is served now, to FastAPI's OpenAPI document."""
    from_fastapi = app.openapi

    def openapi() -> dict[str, Any]:
        app.openapi_schema = None  # the contract may have changed with the model
        schema = from_fastapi()
        schema["paths"] = {"/predict": {"post": _predict(service)}, **schema["paths"]}
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
            **{status: {"description": text, "content": _json(_ERROR)} for status, text in _REFUSALS.items()},
        },
    }


_REFUSALS = {
    "401": "No valid API key",
    "413": "Body too large",
    "415": "Not JSON",
    "422": "Not valid for the contract",
    "500": "The model failed",
    "503": "Not recorded or overloaded; see Retry-After",
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


def _answer_schema(contract: Any) -> dict[str, Any]:
    properties: dict[str, Any] = {
        "prediction_id": {"type": "string"},
        "model_version": {"type": "string"},
        "prediction": target_schema(contract),
    }
    if contract.is_classification:
        shares = {name: {"type": "number", "minimum": 0, "maximum": 1} for name in contract.target.classes}
        properties["probabilities"] = {"type": "object", "properties": shares, "required": list(shares)}
    return {"type": "object", "properties": properties, "required": list(properties)}
