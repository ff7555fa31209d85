"""`POST /predict`: a plain ASGI route, because each layer of a framework costs as much as the model's answer.

Body: one row or an array of rows. The answer is in the journal before it is sent.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, cast

from starlette.types import Receive, Scope, Send

from ml.serving.answers import Answered, Served
from ml.serving.http import check_headers, read_body, send_json, send_refusal
from ml.serving.journal import Entry, JournalError
from ml.serving.logs import log_answer
from ml.serving.rows import RefusedError, refusal

if TYPE_CHECKING:
    from ml.serving.admission import Task
    from ml.serving.service import Service

LARGE_BODY = 32_000  # bytes from which parsing and answering would hold up the event loop for milliseconds
LARGE_THREADS = 2
LARGE_WAITING = 6  # large requests that wait for a thread at most

log = logging.getLogger(__name__)


class Predict:
    """Answers a body with the service's current model; `POST /predict` itself, and the core of other routes.

    Args:
        service: the models, the journal, the counters.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._ok = service.metrics.requests.labels("200")
        self._threads = ThreadPoolExecutor(LARGE_THREADS, thread_name_prefix="large")
        self._large = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        service, began = self._service, time.perf_counter()
        task = cast("Task", asyncio.current_task())
        try:
            service.admission.enter(task, began)
            try:
                limit = service.settings.serve.max_body_bytes
                if check_headers(scope, limit) >= LARGE_BODY:
                    self._refuse_when_full()
                body = await read_body(receive, limit)
                answered = await self.answer(body, scope["query_string"] == b"trial")
            except asyncio.CancelledError:
                if not service.admission.gave_up(task):
                    raise
                raise refusal(503, "deadline", "not answered in time", ("server",), Retry_After="1") from None
            finally:
                service.admission.leave(task)
        except RefusedError as refused:
            service.metrics.requests.labels(str(refused.status)).inc()
            await send_refusal(send, refused)
            return
        self.count(answered, time.perf_counter() - began)
        scope["answered"] = answered  # for whoever traces
        await send_json(send, 200, answered.body, service.draining)

    async def answer_counted(self, body: bytes) -> Answered:
        """The durable answer to another route's body, counted as one of `POST /predict`."""
        began = time.perf_counter()
        answered = await self.answer(body)
        self.count(answered, time.perf_counter() - began)
        return answered

    async def answer(self, body: bytes, trial: bool = False) -> Answered:
        """The durable answer to a body.

        Raises:
            RefusedError: the body is not valid, the model failed, the journal cannot be written.
        """
        served = self._service.served
        try:
            if len(body) < LARGE_BODY:
                answered = self._answer(served, body, trial)
            else:
                answered = await self._in_thread(served, body, trial)
        except RefusedError:
            raise
        except Exception:
            log.exception("the model failed")
            raise refusal(500, "model", "the model could not answer these rows", ("server",)) from None
        await self.record(answered.entries)
        return answered

    def _refuse_when_full(self) -> None:
        if self._large >= LARGE_THREADS + LARGE_WAITING:
            raise refusal(503, "overloaded", "too many large requests; try again", ("server",), Retry_After="1")

    async def _in_thread(self, served: Served, body: bytes, trial: bool) -> Answered:
        self._refuse_when_full()
        self._large += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, self._answer, served, body, trial)
        finally:
            self._large -= 1

    def _answer(self, served: Served, body: bytes, trial: bool) -> Answered:
        rows, single = served.rows.parse(body)
        entries = served.entries(rows, "trial") if trial else self._service.challenger.answer(served, rows)
        return Answered(rows, entries, served.body(entries, single))

    async def record(self, entries: Sequence[Entry]) -> None:
        """Make entries durable.

        Raises:
            RefusedError: they are not.
        """
        writer = self._service.writer
        assert writer is not None  # noqa: S101  # set by the application's lifespan, before the first request
        try:
            await writer.write(entries)
        except JournalError as error:
            self._service.metrics.journal_failures.inc()
            raise refusal(503, "journal", f"not answered, because {error}", ("server",), Retry_After="1") from None

    def count(self, answered: Answered, seconds: float) -> None:
        """Count an answered request, log it and leave a copy for the challenger, as the settings say."""
        metrics, entries = self._service.metrics, answered.entries
        self._ok.inc()
        metrics.seconds.observe(seconds)
        if len(entries) == 1:
            metrics.answered(entries[0].version, entries[0].role, 1)
        else:
            for entry in {(e.version, e.role) for e in entries}:
                metrics.answered(*entry, sum((e.version, e.role) == entry for e in entries))
        if self._service.challenger.is_shadow and entries and entries[0].role == "champion":
            self._service.challenger.copy(answered.rows, entries)
        if self._service.settings.serve.log_answers:
            log_answer(entries, seconds)
