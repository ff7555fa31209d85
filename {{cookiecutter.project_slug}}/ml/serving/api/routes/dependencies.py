"""What the routes share: the service of this process, and the way of rows in other protocols.

Rows of every protocol go the way of those of `POST /predict`: validated, answered, journaled,
counted. A route of a protocol turns its body into such rows and their answers into its envelope.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Request
from fastapi.concurrency import run_in_threadpool

from ml.errors import refusal
from ml.serving.api.routes.predict import Predict
from ml.serving.inference.admission import LARGE_BODY
from ml.serving.inference.service import Service

T = TypeVar("T")

PAGE_HEADERS = {  # the pages need nothing from elsewhere, and nobody needs them in a frame
    "Content-Security-Policy": "default-src 'self'; img-src data:; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'; frame-ancestors 'none'",
    "Referrer-Policy": "same-origin",
}


async def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


async def _predict(request: Request) -> Predict:
    predict: Predict = request.app.state.predict
    return predict


# coroutines, because FastAPI calls other functions in threads
CurrentService = Annotated[Service, Depends(_service)]
CurrentPredict = Annotated[Predict, Depends(_predict)]


async def read_body(request: Request, reader: Callable[..., T], *args: Any) -> T:
    """What a reader makes of the request's body; a large body is read beside the event loop."""
    body = request.scope["body"]
    if len(body) >= LARGE_BODY:
        return await run_in_threadpool(reader, body, *args)
    return reader(body, *args)


async def answer_rows(request: Request, predict: Predict, rows: bytes) -> list[dict[str, Any]]:
    """The durable answers to an array of rows, as `POST /predict` gives them."""
    answered = await predict.predict_and_count(rows)
    request.scope["answered"] = answered  # for whoever traces
    answers: list[dict[str, Any]] = json.loads(answered.body)
    return answers


def check_model(service: Service, name: str, version: str | None = None) -> None:
    """Refuse the name of another model than the one that answers, or of another version of it."""
    bundle = service.served.bundle
    if name != bundle.lineage.get("name") or version not in (None, bundle.version):
        served = f"model {bundle.lineage.get('name')!r}, version {bundle.version!r}"
        raise refusal(404, "model", f"there is no such model here; there is {served}", ("path",))
