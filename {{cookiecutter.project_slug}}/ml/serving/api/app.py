"""The HTTP service: FastAPI for all routes but `POST /predict`, which is a plain ASGI route.

Reads: the bundle. Writes: the journal. Run by `ml serve` (`ml.serving.process.server`); a test may
run `create_app` itself.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from ml.errors import RefusedError, first_details, printable
from ml.serving.api import health, labels, model, open_inference
from ml.serving.api.middleware import ServiceMiddleware
from ml.serving.api.openapi import document_of
from ml.serving.api.predict import Predict
from ml.serving.api.tracing import Tracing, requested_exporter
from ml.serving.inference.service import Service
from ml.serving.settings import Settings

HERE = Path(__file__).parent / "pages"
PAGES = {
    "/": (HERE / "page.html").read_text(encoding="utf-8"),
    "/docs": (HERE / "docs.html").read_text(encoding="utf-8"),
}
PAGE_HEADERS = {  # the pages need nothing from elsewhere, and nobody needs them in a frame
    "Content-Security-Policy": "default-src 'self'; img-src data:; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'; frame-ancestors 'none'",
    "Referrer-Policy": "same-origin",
}

pages = APIRouter(include_in_schema=False)


def create_app(settings: Settings) -> ServiceMiddleware:
    """The ASGI application.

    Raises:
        UserError: there is no sound bundle, or the journal cannot be opened.
    """
    service = Service(settings)
    predict = Predict(service)
    name = service.served.bundle.lineage.get("name") or "ml"
    tracing = Tracing(name) if requested_exporter() else None
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
    for router in (health.router, model.router, pages, labels.router, open_inference.router):
        app.include_router(router)
    app.state.service, app.state.predict = service, predict
    app.state.document = document_of(app, service)
    return ServiceMiddleware(app, predict, service, tracing)


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


@pages.get("/")
@pages.get("/docs")
async def page(request: Request) -> Response:
    """A page for people; it asks this service like any other client."""
    return Response(
        PAGES[request.url.path], media_type="text/html; charset=utf-8", headers=PAGE_HEADERS
    )


@pages.get("/openapi.json")
async def openapi(request: Request) -> Response:
    """The description of the API, for clients and for the pages."""
    return Response(request.app.state.document(), media_type="application/json")


# One shape for every refusal: {"detail": [{"type", "loc", "msg"}]}. It never holds the input
# itself, which may be NaN.


async def send_refused(_request: Request, error: RefusedError) -> JSONResponse:
    """A refusal of this service's own."""
    return JSONResponse({"detail": error.details}, error.status, error.headers)


async def send_invalid(_request: Request, error: RequestValidationError) -> JSONResponse:
    """A refusal of FastAPI's: a parameter that is not valid."""
    details = [{"type": e["type"], "loc": list(e["loc"]), "msg": e["msg"]} for e in error.errors()]
    return JSONResponse({"detail": first_details(details)}, 422)


async def send_http_error(request: Request, error: HTTPException) -> JSONResponse:
    """A refusal of Starlette's: an unknown path or method."""
    asked = f"{request.method} {printable(request.url.path)}"
    detail = {"type": "http", "loc": ["path"], "msg": f"{asked}: {error.detail}"}
    return JSONResponse({"detail": [detail]}, error.status_code, error.headers)
