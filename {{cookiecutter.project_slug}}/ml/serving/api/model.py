"""`/model` and `/metrics`: which model answers, and what it and its process have done."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse

from ml.serving.api.dependencies import CurrentService

router = APIRouter()


@router.get("/model")
async def model(service: CurrentService) -> dict[str, Any]:
    """Version, lineage, metrics and contract of the model that answers."""
    bundle = service.served.bundle
    return {
        "name": bundle.lineage.get("name"),
        "version": bundle.version,
        "lineage": bundle.lineage,
        **bundle.model,
        "contract": bundle.contract.model_dump(mode="json"),
    }


@router.get("/metrics", response_class=PlainTextResponse)
def metrics(service: CurrentService) -> Response:
    """Counters in Prometheus' text format."""
    return Response(service.metrics.page(), media_type="text/plain; version=0.0.4; charset=utf-8")
