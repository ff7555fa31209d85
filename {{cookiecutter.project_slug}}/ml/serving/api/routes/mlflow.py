"""The routes of `mlflow models serve`, for its clients: another address, the same code."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse

from ml.serving.api.asgi import is_csv
from ml.serving.api.refusals import INVOCATIONS
from ml.serving.api.routes.dependencies import (
    CurrentPredict,
    CurrentService,
    answer_rows,
    read_body,
)
from ml.serving.api.tables import predictions_of, read_csv, read_invocation

# The version of MLflow whose scoring server these routes follow: clients compare it with 2.0, from
# which on bodies have the forms that `read_invocation` reads.
VERSION = "3.17.2"

router = APIRouter()


@router.get("/ping", response_class=PlainTextResponse)
@router.get("/health", response_class=PlainTextResponse)
async def ping(service: CurrentService) -> Response:
    """The model takes traffic."""
    return PlainTextResponse("\n", 200 if service.not_ready is None else 503)


@router.get("/version", response_class=PlainTextResponse)
async def version() -> str:
    """The version of MLflow whose protocol this is."""
    return VERSION


@router.post(INVOCATIONS)
async def invocations(
    request: Request, service: CurrentService, predict: CurrentPredict
) -> dict[str, Any]:
    """Answer a table: `dataframe_split`, `dataframe_records`, `instances`, `inputs`, or CSV."""
    kind = request.scope["fields"].get(b"content-type", b"")
    reader = read_csv if is_csv(kind) else read_invocation
    rows = await read_body(request, reader, service.served.bundle.contract)
    return predictions_of(await answer_rows(request, predict, rows))
