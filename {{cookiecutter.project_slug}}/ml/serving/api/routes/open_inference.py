"""The Open Inference Protocol's REST routes (/v2/…), for clients of KServe, Triton or MLServer."""

from __future__ import annotations

import json
from typing import Annotated, Any, NotRequired

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import JSONResponse
from pydantic import StrictBool, TypeAdapter, ValidationError

# typing's own is not accepted by pydantic before Python 3.12
from typing_extensions import TypedDict

from ml.errors import RefusedError, refusal
from ml.serving.api.binary_tensors import EXTENSION, JSON_LENGTH
from ml.serving.api.json_body import json_details
from ml.serving.api.routes.dependencies import (
    CurrentPredict,
    CurrentService,
    answer_rows,
    check_model,
    read_body,
)
from ml.serving.api.tensors import model_metadata, outputs_of, read_request

SERVER = "ml"
INDEX = "model_repository"  # the extension's name
Name = Annotated[str, Path(min_length=1)]

router = APIRouter(prefix="/v2")


class IndexRequest(TypedDict):
    """What the index is to list."""

    ready: NotRequired[StrictBool]  # only models that take traffic


INDEX_REQUEST = TypeAdapter(IndexRequest)


@router.get("")
@router.get("/", include_in_schema=False)
async def server() -> dict[str, Any]:
    """The server's name and what it can do."""
    return {"name": SERVER, "version": "2", "extensions": [EXTENSION, INDEX]}


@router.get("/health/live")
async def live() -> dict[str, bool]:
    """The process answers."""
    return {"live": True}


@router.get("/health/ready")
async def ready(service: CurrentService) -> JSONResponse:
    """The model takes traffic."""
    is_ready = service.not_ready is None
    return JSONResponse({"ready": is_ready}, 200 if is_ready else 503)


@router.get("/models/{name}")
@router.get("/models/{name}/versions/{version}")
async def model(service: CurrentService, name: Name, version: str | None = None) -> dict[str, Any]:
    """The model's tensors."""
    check_model(service, name, version)
    return model_metadata(service.served.bundle)


@router.get("/models/{name}/ready")
@router.get("/models/{name}/versions/{version}/ready")
async def model_ready(
    service: CurrentService, name: Name, version: str | None = None
) -> JSONResponse:
    """The model takes traffic."""
    check_model(service, name, version)
    is_ready = service.not_ready is None
    return JSONResponse({"name": name, "ready": is_ready}, 200 if is_ready else 503)


@router.get("/repository/index")
@router.post("/repository/index")
async def index(request: Request, service: CurrentService) -> list[dict[str, Any]]:
    """The models of this server: the one that answers."""
    try:
        wanted = INDEX_REQUEST.validate_json(request.scope.get("body") or b"{}")
    except ValidationError as error:
        raise RefusedError(422, json_details(error)) from None
    reason, bundle = service.not_ready, service.served.bundle
    if wanted.get("ready") and reason is not None:
        return []
    state = {"state": "UNAVAILABLE" if reason else "READY", "reason": reason or ""}
    return [{"name": bundle.lineage.get("name"), "version": bundle.version, **state}]


@router.post("/models/{name}/infer")
@router.post("/models/{name}/versions/{version}/infer")
async def infer(
    request: Request,
    service: CurrentService,
    predict: CurrentPredict,
    name: Name,
    version: str | None = None,
) -> Response:
    """Answer rows that are sent as columns."""
    check_model(service, name, version)
    bundle, limit = service.served.bundle, service.settings.serve.max_rows
    length = _json_length(request)
    inference = await read_body(request, read_request, length, bundle.contract, limit)
    answers = await answer_rows(request, predict, inference.rows)
    answer, behind = outputs_of(service.served.bundle, answers, inference.outputs)
    answer = {**inference.id, **answer}
    if not any(inference.outputs.values()):
        return JSONResponse(answer)
    text = json.dumps(answer).encode()
    headers = {JSON_LENGTH: str(len(text))}
    return Response(text + behind, media_type="application/octet-stream", headers=headers)


def _json_length(request: Request) -> int:
    """Bytes of the JSON at the body's beginning: all, unless the header says less."""
    whole = len(request.scope["body"])
    length = request.headers.get(JSON_LENGTH)
    if length is None:
        return whole
    if not (length.isascii() and length.isdigit() and len(length) < 20 and int(length) <= whole):
        msg = f"{JSON_LENGTH} is no number of bytes up to the body's {whole}"
        raise refusal(422, "json_length", msg, ("header", JSON_LENGTH.lower()))
    return int(length)
