"""The HTTP service: FastAPI for all routes but `POST /predict`, which is a plain ASGI route.

Reads: the bundle. Writes: the journal. Run by `ml serve` (`ml.serving.process.server`); a test may
run `create_app` itself.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from ml.errors import Detail, RefusedError, printable
from ml.serving.api.middleware import ServiceMiddleware
from ml.serving.api.openapi import document_of
from ml.serving.api.refusals import body_of_refusal, status_of
from ml.serving.api.routes import (
    explain,
    health,
    kserve_v1,
    labels,
    metrics,
    mlflow,
    model,
    open_inference,
    pages,
)
from ml.serving.api.routes.predict import Predict
from ml.serving.api.tracing import Tracing, requested_exporter
from ml.serving.inference.service import Service
from ml.serving.settings import Settings

ROUTERS = (  # in the order of `/openapi.json`
    health.router,
    model.router,
    metrics.router,
    pages.router,
    labels.router,
    explain.router,
    open_inference.router,
    kserve_v1.router,
    mlflow.router,
)


def create_app(settings: Settings) -> ServiceMiddleware:
    """The ASGI application.

    Raises:
        UserError: there is no sound bundle, or the journal cannot be opened.
    """
    service = Service(settings)
    predict = Predict(service)
    tracing = _tracing_of(service)
    app = FastAPI(
        title="Predictions",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        lifespan=_lifespan(service, tracing),
        exception_handlers={
            RefusedError: send_refused,
            RequestValidationError: send_invalid,
            HTTPException: send_http_error,
        },
    )
    for router in ROUTERS:
        app.include_router(router)
    app.state.service, app.state.predict = service, predict
    app.state.document = document_of(app, service)
    return ServiceMiddleware(app, predict, service, tracing)


def _tracing_of(service: Service) -> Tracing | None:
    name = service.served.bundle.lineage.get("name") or "ml"
    return Tracing(name) if requested_exporter() else None


def _lifespan(
    service: Service, tracing: Tracing | None
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        service.open()
        yield
        service.close()
        if tracing is not None:
            tracing.close()

    return lifespan


async def send_refused(request: Request, error: RefusedError) -> JSONResponse:
    """A refusal of this service's own."""
    path = request.url.path
    return JSONResponse(
        body_of_refusal(path, error), status_of(path, error.status), dict(error.headers)
    )


async def send_invalid(request: Request, error: RequestValidationError) -> JSONResponse:
    """A refusal of FastAPI's: a parameter that is not valid."""
    return await send_refused(request, RefusedError(422, [_detail(e) for e in error.errors()]))


def _detail(fault: Mapping[str, Any]) -> Detail:
    return {"type": fault["type"], "loc": list(fault["loc"]), "msg": fault["msg"]}


async def send_http_error(request: Request, error: HTTPException) -> JSONResponse:
    """A refusal of Starlette's: an unknown path or method."""
    msg = f"{request.method} {printable(request.url.path)}: {error.detail}"
    detail = {"type": "http", "loc": ["path"], "msg": msg}
    return await send_refused(request, RefusedError(error.status_code, [detail], error.headers))
