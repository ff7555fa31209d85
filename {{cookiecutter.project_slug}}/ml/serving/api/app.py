"""The HTTP service: FastAPI as the frame (labels, health, model, metrics, OpenAPI page), predictions on a plain route.

Reads: the bundle. Writes: the journal. Run by `ml serve` (`ml.serving.process.server`); a test may
run `create_app` itself.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse
from starlette.exceptions import HTTPException

from ml.contract import Target
from ml.errors import RefusedError, first_details, printable, refusal
from ml.journal.labels import Label, LabelSchema, outcome_of
from ml.journal.store import JournalError
from ml.serving.api.middleware import Gate
from ml.serving.api.open_inference import add_routes
from ml.serving.api.openapi import document_of
from ml.serving.api.predict import Predict
from ml.serving.api.tracing import Tracing, requested_exporter
from ml.serving.inference.service import Service
from ml.serving.settings import Settings

log = logging.getLogger(__name__)

HERE = Path(__file__).parent / "pages"
PAGES = {"/": "page.html", "/docs": "docs.html"}
PAGE_HEADERS = {  # the pages need nothing from elsewhere, and nobody needs them in a frame
    "Content-Security-Policy": "default-src 'self'; img-src data:; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'; frame-ancestors 'none'",
    "Referrer-Policy": "same-origin",
}


def create_app(settings: Settings) -> Gate:
    """The ASGI application.

    Raises:
        UserError: there is no sound bundle, or the journal cannot be opened.
    """
    service = Service(settings)
    predict = Predict(service)
    tracing = (
        Tracing(service.served.bundle.lineage.get("name") or "ml") if requested_exporter() else None
    )

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        service.open()
        yield
        service.close()
        if tracing is not None:
            tracing.close()

    app = FastAPI(
        title="Predictions", docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan
    )
    _routes(app, service)
    add_routes(app, service, predict)
    _errors(app)
    document = document_of(app, service)

    @app.get("/openapi.json", include_in_schema=False)
    async def openapi() -> Response:
        return Response(document(), media_type="application/json")

    return Gate(app, predict, service, tracing)


def _routes(app: FastAPI, service: Service) -> None:
    @app.get("/health/live")
    async def live() -> dict[str, str]:
        """The process answers."""
        return {"status": "live"}

    @app.get("/health/ready")
    async def ready() -> JSONResponse:
        """The model is verified and takes traffic; 503 while shutting down or while the journal cannot be written."""
        return _readiness(service)

    @app.get("/model")
    async def model() -> dict[str, Any]:
        """Version, lineage, metrics and contract of the model that answers."""
        bundle = service.served.bundle
        return {
            "name": bundle.lineage.get("name"),
            "version": bundle.version,
            "lineage": bundle.lineage,
            **bundle.model,
            "contract": bundle.contract.model_dump(mode="json"),
        }

    @app.get("/metrics", response_class=PlainTextResponse)
    def metrics() -> Response:
        """Counters in Prometheus' text format."""
        return Response(
            service.metrics.page(), media_type="text/plain; version=0.0.4; charset=utf-8"
        )

    pages = {path: (HERE / file).read_text(encoding="utf-8") for path, file in PAGES.items()}

    @app.get("/", include_in_schema=False)
    @app.get("/docs", include_in_schema=False)
    async def page(request: Request) -> Response:
        """A page for people; it asks this service like any other client."""
        return Response(
            pages[request.url.path], media_type="text/html; charset=utf-8", headers=PAGE_HEADERS
        )

    label_schema = LabelSchema()

    @app.post("/labels")
    def labels(request: Request) -> dict[str, int]:
        """Record outcomes by prediction id; late, repeated and corrected ones are fine, the latest holds."""
        listed, _ = label_schema.parse(request.scope["body"])
        target = service.served.bundle.contract.target
        recorded, unknown = _record(
            service, [_label(target, i, label) for i, label in enumerate(listed)]
        )
        service.metrics.labels_recorded.inc(recorded)
        return {"recorded": recorded, "unknown": unknown}


def _readiness(service: Service) -> JSONResponse:
    reason = service.not_ready
    if reason is None:
        return JSONResponse({"status": "ready", "version": service.served.bundle.version})
    status = "draining" if service.draining else "not ready"
    return JSONResponse({"status": status, "reason": reason}, 503, {"Retry-After": "1"})


def _record(service: Service, labels: Sequence[Label]) -> tuple[int, int]:
    try:
        return service.journal.add_labels(labels)
    except JournalError as error:
        service.metrics.label_failures.inc()
        log.warning("%d labels were not recorded: %s", len(labels), error)
        raise refusal(
            503, "journal", f"not recorded, because {error}", ("server",), Retry_After="1"
        ) from None


def _label(target: Target, i: int, label: dict[str, Any]) -> Label:
    try:
        return label["prediction_id"], outcome_of(label["outcome"], target)
    except ValueError as error:
        raise refusal(422, "outcome", f"outcome: {error}", ("body", i, "outcome")) from None


def _errors(app: FastAPI) -> None:
    """One shape for every refusal: {"detail": [{"type", "loc", "msg"}]}, never the input itself (it may be NaN)."""

    @app.exception_handler(RefusedError)
    def refused(_request: Request, error: RefusedError) -> JSONResponse:
        return JSONResponse({"detail": error.details}, error.status, error.headers)

    @app.exception_handler(RequestValidationError)
    def invalid(_request: Request, error: RequestValidationError) -> JSONResponse:
        details = [
            {"type": e["type"], "loc": list(e["loc"]), "msg": e["msg"]} for e in error.errors()
        ]
        return JSONResponse({"detail": first_details(details)}, 422)

    @app.exception_handler(HTTPException)
    def http(request: Request, error: HTTPException) -> JSONResponse:
        asked = f"{request.method} {printable(request.url.path)}"
        detail = {"type": "http", "loc": ["path"], "msg": f"{asked}: {error.detail}"}
        return JSONResponse({"detail": [detail]}, error.status_code, error.headers)
