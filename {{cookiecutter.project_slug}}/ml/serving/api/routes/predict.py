"""`POST /predict`: a plain ASGI route; a framework's layers each cost as much as the model.

Body: one row or an array of rows. The answer is in the journal before it is sent.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from starlette.types import Receive, Scope, Send

from ml.errors import RefusedError
from ml.journal.records import CHAMPION
from ml.serving.api.asgi import check_headers, read_body, send_json, send_refusal
from ml.serving.inference.admission import LARGE_BODY
from ml.serving.inference.batching import Batcher
from ml.serving.inference.predictor import Answered
from ml.serving.logs import log_answer

if TYPE_CHECKING:
    from ml.serving.inference.service import Service


class Predict:
    """`POST /predict` itself, and the core of other routes.

    Args:
        service: the models, the journal, the counters.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._ok = service.metrics.requests.labels("200")
        self._batcher = Batcher(service)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        service, began = self._service, time.perf_counter()
        try:
            with service.admission.slot(began) as slot:
                limit = service.settings.serve.max_body_bytes
                if check_headers(scope, limit) >= LARGE_BODY:
                    self._batcher.refuse_when_full()
                body = await read_body(receive, limit, slot.hold)
                answered = await self._batcher.answer(body, scope["query_string"] == b"trial")
        except RefusedError as refused:
            service.metrics.requests.labels(str(refused.status)).inc()
            await send_refusal(send, refused)
            return
        scope["answered"] = answered  # for tracing
        await send_json(send, 200, answered.body, service.draining)
        self.count(answered, time.perf_counter() - began)  # the caller need not wait for it

    async def predict_and_count(self, body: bytes) -> Answered:
        """The durable answer to another route's body, counted as one of `POST /predict`."""
        began = time.perf_counter()
        answered = await self._batcher.answer(body)
        self.count(answered, time.perf_counter() - began)
        return answered

    def count(self, answered: Answered, seconds: float) -> None:
        """Count an answered request; log it and leave a copy for a shadow, where these are on."""
        metrics, entries = self._service.metrics, answered.entries
        self._ok.inc()
        metrics.seconds.observe(seconds)
        for entry in entries:
            metrics.answered(entry.version, entry.role, entry.rows)
        if self._service.challenger.takes_copies and entries and entries[0].role == CHAMPION:
            self._service.challenger.copy(answered.rows, entries)
        if self._service.settings.serve.log_answers:
            log_answer(entries, seconds)
