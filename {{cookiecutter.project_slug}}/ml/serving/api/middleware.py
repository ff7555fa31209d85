"""The outermost layer: who may ask, how much, and the direct route to `POST /predict`.

Without keys everyone may ask (and `ml serve` binds to loopback only, unless a platform checks the
callers); with keys everything but /health and the empty pages needs one, and `/labels` one of its
own where there are any. Pages of other origins may not ask. A platform's own path is that of its
route from here on.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ml.errors import RefusedError, refusal
from ml.serving.api.asgi import DisconnectedError, check_headers, read_body, send_refusal
from ml.serving.api.origin import check_host, check_origin
from ml.serving.api.refusals import INVOCATIONS

if TYPE_CHECKING:
    from ml.serving.api.tracing import Tracing
    from ml.serving.inference.admission import Admission
    from ml.serving.inference.service import Service

# pages hold no data: they request what they show, with a key; probes carry none
PAGES_AND_PROBES = ("/", "/docs", "/ping", "/health")
OPEN = ("/health/", "/v2/health/")
LABELS = "/labels"
INDEX = "/v2/repository/index"
EXPLAIN = "/explain"
INFER, PREDICT = "/v2/models/{name}/infer", "/v1/models/{name}:predict"


class ServiceMiddleware:
    """Checks who asks, then calls the route.

    Args:
        app: everything but predictions.
        predict: `POST /predict`.
        service: what both share.
        tracing: puts spans around both routes to a prediction; None: tracing is off.
    """

    def __init__(
        self, app: ASGIApp, predict: ASGIApp, service: Service, tracing: Tracing | None = None
    ) -> None:
        self.app = app
        self.service = service
        self._predict = predict if tracing is None else tracing.wrap(predict, "/predict")
        self._inferring = {
            route: self._admitted if tracing is None else tracing.wrap(self._admitted, route)
            for route in (INFER, PREDICT, INVOCATIONS)
        }
        settings = service.settings
        self._aliases = settings.aliases
        self._only_named_hosts = not settings.keys.needed and not settings.auth_in_front
        self._keys = settings.keys
        self._label_keys = settings.label_keys if settings.label_keys.needed else settings.keys
        for keys in (settings.keys, settings.label_keys):
            keys.on_file_failure = service.metrics.key_file_failures.inc

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or refuse it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if (route := self._aliases.get(scope["path"])) is not None:
            scope["path"] = route
        try:
            self._check_caller(scope)
            await self._route(scope["method"], scope["path"])(scope, receive, send)
        except RefusedError as refused:
            await send_refusal(send, refused, scope["path"])
        except DisconnectedError:
            return

    def _check_caller(self, scope: Scope) -> None:
        """Refuse, and count, who may not ask; the scope gets the header as a dictionary."""
        fields = scope["fields"] = dict(scope["headers"])
        path = scope["path"]
        keys = self._label_keys if path == LABELS else self._keys
        try:
            if self._only_named_hosts:
                check_host(fields, self.service.settings.allowed_hosts)
            check_origin(fields, scope["method"], keys.needed)
            if keys.needed and not _is_open(path):
                keys.check(fields)
        except RefusedError as refused:
            self.service.metrics.callers_refused.labels(refused.details[0]["type"]).inc()
            raise

    def _route(self, method: str, path: str) -> ASGIApp:
        if method != "POST":
            return self._without_body
        if path == "/predict":
            return self._predict
        if path in (LABELS, INDEX):
            return self._admitted
        if _is_explanation(path):
            self.service.explaining.check_on()
            return self._admitted
        route = _inference_route(path)
        return self._without_body if route is None else self._inferring[route]

    async def _without_body(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A route of the application that reads no body, whatever is sent."""
        if _is_open(scope["path"]) and scope["method"] not in ("GET", "HEAD"):
            msg = f"{scope['method']}: ask with GET or HEAD"
            raise refusal(405, "http", msg, ("path",), Allow="GET, HEAD", Connection="close")
        if scope["method"] == "HEAD":
            scope = {**scope, "method": "GET"}  # the server leaves the body of the answer out
        await self.app(scope, receive, send)

    async def _admitted(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A route of the application that finds the body in its scope, admitted as predictions are.

        Refused inferences are counted as refused predictions are.
        """
        limit, path = self.service.settings.serve.max_body_bytes, scope["path"]
        is_prediction = path not in (LABELS, INDEX) and not _is_explanation(path)
        slot = self._admission(path).slot(time.perf_counter())

        async def answering(message: Message) -> None:
            slot.leave()  # the deadline does not hold for a client that reads slowly
            if message.get("status", 200) != 200 and is_prediction:
                self.service.metrics.requests.labels(str(message["status"])).inc()
            await send(message)

        try:
            with slot:
                check_headers(scope, limit)
                scope["body"] = await read_body(receive, limit, slot.hold)
                await self.app(scope, receive, answering)
        except RefusedError as refused:
            await send_refusal(answering, refused, path)

    def _admission(self, path: str) -> Admission:
        """Explanations take no place of a prediction."""
        service = self.service
        return service.explaining.admission if _is_explanation(path) else service.admission


def _is_explanation(path: str) -> bool:
    return path == EXPLAIN or (path.startswith("/v1/") and path.endswith(":explain"))


def _is_open(path: str) -> bool:
    """Whether a path is answered without a key."""
    return path in PAGES_AND_PROBES or path.startswith(OPEN)


def _inference_route(path: str) -> str | None:
    """The route, as traces name it, of a path whose body holds rows to answer."""
    if path == INVOCATIONS:
        return INVOCATIONS
    if path.startswith("/v2/") and path.endswith("/infer"):
        return INFER
    return PREDICT if path.startswith("/v1/") and path.endswith(":predict") else None
