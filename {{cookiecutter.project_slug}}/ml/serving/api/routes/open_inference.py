"""The Open Inference Protocol's REST routes (/v2/…), for clients of KServe, Triton or MLServer.

Their rows go the same way as those of `POST /predict`: validated, answered, journaled.
"""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse

from ml.errors import refusal
from ml.serving.api.routes.dependencies import CurrentPredict, CurrentService
from ml.serving.api.tensors import model_metadata, outputs_of, read_request
from ml.serving.inference.admission import LARGE_BODY
from ml.serving.inference.service import Service

SERVER = "ml"
router = APIRouter(prefix="/v2")
Name = Annotated[str, Path(min_length=1)]


@router.get("")
async def server() -> dict[str, Any]:
    """The server's name and what it can do."""
    return {"name": SERVER, "version": "2", "extensions": []}


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
    _check(service, name, version)
    return model_metadata(service.served.bundle)


@router.get("/models/{name}/ready")
@router.get("/models/{name}/versions/{version}/ready")
async def model_ready(
    service: CurrentService, name: Name, version: str | None = None
) -> dict[str, Any]:
    """The model takes traffic."""
    _check(service, name, version)
    return {"name": name, "ready": service.not_ready is None}


@router.post("/models/{name}/infer")
@router.post("/models/{name}/versions/{version}/infer")
async def infer(
    request: Request,
    service: CurrentService,
    predict: CurrentPredict,
    name: Name,
    version: str | None = None,
) -> JSONResponse:
    """Answer rows that are sent as columns."""
    _check(service, name, version)
    body, limit = request.scope["body"], service.settings.serve.max_rows
    given, rows = (
        await run_in_threadpool(read_request, body, limit)
        if len(body) >= LARGE_BODY
        else read_request(body, limit)
    )
    answered = await predict.predict_and_count(rows)
    request.scope["answered"] = answered  # for tracing
    return JSONResponse({**given, **outputs_of(service.served.bundle, json.loads(answered.body))})


def _check(service: Service, name: str, version: str | None) -> None:
    bundle = service.served.bundle
    if name != bundle.lineage.get("name") or version not in (None, bundle.version):
        served = f"model {bundle.lineage.get('name')!r}, version {bundle.version!r}"
        raise refusal(404, "model", f"there is no such model here; there is {served}", ("path",))
