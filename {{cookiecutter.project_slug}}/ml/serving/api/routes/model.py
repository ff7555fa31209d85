"""`/model`: which model answers."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from ml.serving.api.routes.dependencies import CurrentService

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
