"""The outermost layer: who may ask, how much, and the short way to the predict route.

Without keys everyone may ask (and `ml serve` binds to loopback only); with keys everything but
/health and the empty pages needs one, and `/labels` one of its own where there are any. Pages of
other origins may not ask.
"""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import TYPE_CHECKING, cast

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ml.errors import RefusedError, refusal
from ml.serving.api.asgi import DisconnectedError, check_headers, read_body, send_refusal
from ml.serving.api.origin import check_host, check_origin

if TYPE_CHECKING:
    from ml.serving.api.tracing import Tracing
    from ml.serving.inference.admission import Task
    from ml.serving.inference.service import Service

PAGES = ("/", "/docs")  # hold nothing; what they show they ask for with a key
INFER = "/v2/models/{name}/infer"
LABELS = "/labels"
OPEN = ("/health/", "/v2/health/")  # probes carry no key


class Gate:
    """Checks who asks, then hands over.

    Args:
        app: everything but predictions.
        predict: `POST /predict`.
        service: what both share.
        tracing: puts spans around both ways to a prediction; None: nobody asked for it.
    """

    def __init__(
        self, app: ASGIApp, predict: ASGIApp, service: Service, tracing: Tracing | None = None
    ) -> None:
        self.app = app
        self.service = service
        self._predict = predict if tracing is None else tracing.of(predict, "/predict")
        self._infer = self._admitted if tracing is None else tracing.of(self._admitted, INFER)
        settings = service.settings
        self._keys = settings.keys
        self._label_keys = settings.label_keys if settings.label_keys.needed else settings.keys
        for keys in (settings.keys, settings.label_keys):
            keys.on_file_failure = service.metrics.key_file_failures.inc

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or refuse it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        try:
            self._check_caller(scope)
            await self._route(scope["method"], scope["path"])(scope, receive, send)
        except RefusedError as refused:
            await send_refusal(send, refused)
        except DisconnectedError:
            return

    def _check_caller(self, scope: Scope) -> None:
        """Refuse, and count, who may not ask; leaves the header in the scope as a dictionary, made once."""
        fields = scope["fields"] = dict(scope["headers"])
        path = scope["path"]
        keys = self._label_keys if path == LABELS else self._keys
        try:
            if not self._keys.needed:
                check_host(fields, self.service.settings.allowed_hosts)
            check_origin(fields, scope["method"], keys.needed)
            if keys.needed and path not in PAGES and not path.startswith(OPEN):
                keys.check(fields)
        except RefusedError as refused:
            self.service.metrics.callers_refused.labels(refused.details[0]["type"]).inc()
            raise

    def _route(self, method: str, path: str) -> ASGIApp:
        if method != "POST":
            return self._without_body
        if path == "/predict":
            return self._predict
        if path == LABELS:
            return self._admitted
        return (
            self._infer
            if path.startswith("/v2/") and path.endswith("/infer")
            else self._without_body
        )

    async def _without_body(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A route of the application that reads no body, whatever is sent."""
        is_open = scope["path"] in PAGES or scope["path"].startswith(OPEN)
        if is_open and scope["method"] not in ("GET", "HEAD"):
            msg = f"{scope['method']}: ask with GET or HEAD"
            raise refusal(405, "http", msg, ("path",), Allow="GET, HEAD", Connection="close")
        if scope["method"] == "HEAD":
            scope = {**scope, "method": "GET"}  # the server leaves the body of the answer out
        await self.app(scope, receive, send)

    async def _limited(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A route of the application, which finds the body in its scope."""
        limit, task = (
            self.service.settings.serve.max_body_bytes,
            cast("Task", asyncio.current_task()),
        )
        check_headers(scope, limit)
        scope["body"] = await read_body(receive, limit, partial(self.service.admission.hold, task))
        await self.app(scope, receive, send)

    async def _admitted(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A route with a body, with the admission and the deadline of `POST /predict`; inferences are counted too."""
        admission, task = self.service.admission, cast("Task", asyncio.current_task())

        async def answering(message: Message) -> None:
            admission.leave(task)  # a slow reader is not past the deadline
            if message.get("status", 200) != 200 and scope["path"] != LABELS:
                self.service.metrics.requests.labels(str(message["status"])).inc()
            await send(message)

        try:
            admission.enter(task, time.perf_counter())
            await self._limited(scope, receive, answering)
        except asyncio.CancelledError:
            if not admission.timed_out(task):
                raise
            late = refusal(503, "deadline", "not answered in time", ("server",), Retry_After="1")
            await send_refusal(answering, late)
        except RefusedError as refused:
            await send_refusal(answering, refused)
        finally:
            admission.leave(task)
