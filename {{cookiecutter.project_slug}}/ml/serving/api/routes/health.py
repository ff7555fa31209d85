"""`/health/…`: whether the process lives and whether it takes traffic, for probes."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from ml.serving.api.routes.dependencies import CurrentService

router = APIRouter(prefix="/health")


@router.get("/live")
async def live() -> dict[str, str]:
    """The process answers."""
    return {"status": "live"}


# `description`, because line breaks of a docstring would come into the OpenAPI document
@router.get(
    "/ready",
    description="The model is verified and takes traffic; 503 while shutting down or while the "
    "journal cannot be written.",
)
async def ready(service: CurrentService) -> JSONResponse:
    """Whether to send requests here."""
    reason = service.not_ready
    if reason is None:
        return JSONResponse({"status": "ready", "version": service.served.bundle.version})
    status = "draining" if service.draining else "not ready"
    return JSONResponse({"status": status, "reason": reason}, 503, {"Retry-After": "1"})
