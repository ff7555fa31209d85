"""The outermost layer: who may ask, and the short way to the predict route.

Without keys everyone may ask (and `ml serve` binds to loopback only); with keys everything but /health and the empty
pages needs one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.types import ASGIApp, Receive, Scope, Send

from ml.serving.http import DisconnectedError, send_refusal
from ml.serving.rows import RefusedError

if TYPE_CHECKING:
    from ml.serving.service import Service

PAGES = ("/", "/docs")  # hold nothing; what they show they ask for with a key
OPEN = ("/health/", "/v2/health/")  # probes carry no key


class Gate:
    """Checks the key, then hands over.

    Args:
        app: everything but predictions.
        predict: `POST /predict`.
        service: what both share.
    """

    def __init__(self, app: ASGIApp, predict: ASGIApp, service: Service) -> None:
        self.app = app
        self.service = service
        self._predict = predict
        self._keys = service.settings.keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or refuse it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        try:
            path = scope["path"]
            if self._keys.needed and path not in PAGES and not path.startswith(OPEN):
                self._keys.check(scope)
            handler = self._predict if path == "/predict" and scope["method"] == "POST" else self.app
            await handler(scope, receive, send)
        except RefusedError as refused:
            await send_refusal(send, refused)
        except DisconnectedError:
            return
