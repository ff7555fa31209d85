"""KServe's first protocol (/v1/…): `instances` in, `predictions` out."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from fastapi.responses import JSONResponse

from ml.serving.api.routes.dependencies import (
    CurrentPredict,
    CurrentService,
    answer_rows,
    check_model,
    read_body,
)
from ml.serving.api.tables import predictions_of, read_instances

Name = Annotated[str, Path(min_length=1)]

router = APIRouter(prefix="/v1")


@router.get("/models")
async def models(service: CurrentService) -> dict[str, Any]:
    """The models of this server: the one that answers."""
    return {"models": [service.served.bundle.lineage.get("name")]}


@router.get("/models/{name}")
async def model(service: CurrentService, name: Name) -> JSONResponse:
    """The model takes traffic."""
    check_model(service, name)
    is_ready = service.not_ready is None
    return JSONResponse({"name": name, "ready": is_ready}, 200 if is_ready else 503)


@router.post("/models/{name}:predict")
async def predict_v1(
    request: Request, service: CurrentService, predict: CurrentPredict, name: Name
) -> dict[str, Any]:
    """Answer rows."""
    check_model(service, name)
    rows = await read_body(request, read_instances, service.served.bundle.contract)
    return predictions_of(await answer_rows(request, predict, rows))
