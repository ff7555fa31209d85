"""From a body to its durable answer, whatever route it came by.

Small bodies that arrive in one turn of the event loop are answered in one run of the model and go
to the journal together: each stage then finds its code and data in the processor's caches, which
it would not if requests were answered one after the other. Large ones are answered in threads,
beside the loop.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ml.errors import RefusedError, refusal
from ml.journal.group_commit import GroupCommitWriter
from ml.journal.store import JournalError
from ml.request_schema.objects import Row
from ml.serving.inference.admission import LARGE_BODY, overloaded, unavailable
from ml.serving.inference.predictor import Answer, Answered, Predictor, body_of

if TYPE_CHECKING:
    from ml.serving.inference.service import Service

TOGETHER = 64  # requests in one run of the model; more would block the event loop for longer
LARGE_THREADS = 1  # a second one would only wait for the interpreter lock of the first
LARGE_WAITING = 7  # large requests that wait for a thread at most

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Pending:
    """A body that waits for its answer; `durable` is done when the answer is in the journal."""

    body: bytes
    trial: bool
    durable: asyncio.Future[None]
    rows: Sequence[Row] = ()
    single: bool = False
    answered: Answered | None = None


class Batcher:
    """Answers bodies with the service's current model.

    Args:
        service: the models, the journal, the counters.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._pending: list[Pending] = []
        self._answered_one = False  # in this turn of the loop
        self._threads = ThreadPoolExecutor(LARGE_THREADS, thread_name_prefix="large")
        self._large = 0

    async def answer(self, body: bytes, trial: bool = False) -> Answered:
        """The durable answer to a body.

        Raises:
            RefusedError: the body is not valid, the model failed, the journal cannot be written.
        """
        try:
            if len(body) < LARGE_BODY:
                return await self._in_batch(body, trial)
            answered = await self._in_thread(body, trial)
            await self._writer.write(answered.entries)
        except JournalError as error:
            self._service.metrics.journal.failures.inc()
            raise unavailable("journal", f"not answered, because {error}") from None
        return answered

    @property
    def _writer(self) -> GroupCommitWriter:
        writer = self._service.writer
        # set by the application's lifespan, before the first request
        assert writer is not None  # noqa: S101
        return writer

    async def _in_batch(self, body: bytes, trial: bool) -> Answered:
        loop = asyncio.get_running_loop()
        if not self._pending and not self._answered_one and self._writer.is_idle():
            self._answered_one = True
            loop.call_soon(self._turn_is_over)
            return await self._at_once(body, trial)
        if self._answered_one:
            self._writer.expect_more()
        pending = Pending(body, trial, loop.create_future())
        if not self._pending:
            loop.call_soon(self._answer_batch)  # at the end of this turn
        self._pending.append(pending)
        await pending.durable
        assert pending.answered is not None  # noqa: S101  # set before it becomes durable
        return pending.answered

    async def _at_once(self, body: bytes, trial: bool) -> Answered:
        """The answer to a request that comes alone, without waiting for the end of the turn."""
        answered = self._answer_alone(self._service.served, body, trial)
        if not self._writer.commit_now(answered.entries):
            await self._writer.write(answered.entries)
        return answered

    def _turn_is_over(self) -> None:
        self._answered_one = False

    def _answer_batch(self) -> None:
        batch, self._pending = self._pending[:TOGETHER], self._pending[TOGETHER:]
        if self._pending:
            asyncio.get_running_loop().call_soon(self._answer_batch)
        served = self._service.served
        valid = [one for one in batch if not one.durable.done() and self._is_valid(served, one)]
        for pending, answer in zip(valid, self._answers(served, valid), strict=True):
            self._enqueue(pending, answer)
        self._writer.flush_when_ready()

    def _is_valid(self, served: Predictor, pending: Pending) -> bool:
        try:
            pending.rows, pending.single = served.rows.parse(pending.body)
        except RefusedError as refused:
            pending.durable.set_exception(refused)
            return False
        return True

    def _enqueue(self, pending: Pending, answer: Answer | RefusedError) -> None:
        """Hand an answer to the journal's writer; a request without an answer gets the reason."""
        if isinstance(answer, RefusedError):
            pending.durable.set_exception(answer)
            return
        body = body_of(answer.texts, pending.single)
        pending.answered = Answered(pending.rows, answer.entries, body)
        try:
            self._writer.enqueue(answer.entries, pending.durable)
        except JournalError as error:
            pending.durable.set_exception(error)

    def _answers(
        self, served: Predictor, batch: Sequence[Pending]
    ) -> Sequence[Answer | RefusedError]:
        """The answers in one run of the model.

        Each request is answered alone if one of several is a trial, or if the model fails at them.
        """
        if len(batch) == 1 or not any(one.trial for one in batch):
            trial = bool(batch) and batch[0].trial
            answers = self._model(served, [one.rows for one in batch], trial)
            if isinstance(answers, list):
                return answers
            if len(batch) == 1:
                return [answers]
        return [self._answer_one(served, one) for one in batch]

    def _answer_one(self, served: Predictor, pending: Pending) -> Answer | RefusedError:
        """Answer the body, parsed anew: an earlier run may have taken the ids out of its rows."""
        pending.rows, _ = served.rows.parse(pending.body)
        answers = self._model(served, [pending.rows], pending.trial)
        return answers[0] if isinstance(answers, list) else answers

    def _model(
        self, served: Predictor, requests: Sequence[Sequence[Row]], trial: bool
    ) -> list[Answer] | RefusedError:
        try:
            return (
                served.answer(requests, "trial")
                if trial
                else self._service.challenger.answer(served, requests)
            )
        except Exception as failure:
            fallback = None if trial else self._fallback(served, requests, failure)
            if fallback is not None:
                return [fallback]
            log.exception("the model failed")
            return refusal(500, "model", "the model could not answer these rows", ("server",))

    def _fallback(
        self, served: Predictor, requests: Sequence[Sequence[Row]], failure: Exception
    ) -> Answer | None:
        """The challenger's answer to the one request that the champion failed at.

        Several are answered one by one first: the champion may fail at one of them alone.
        """
        if len(requests) != 1:
            return None
        return self._service.challenger.fallback(served, requests[0], failure)

    def refuse_when_full(self) -> None:
        """Refuse a large body before it is read.

        Raises:
            RefusedError: as many as may wait do.
        """
        if self._large >= LARGE_THREADS + LARGE_WAITING:
            raise overloaded("too many large requests")

    async def _in_thread(self, body: bytes, trial: bool) -> Answered:
        self.refuse_when_full()
        self._large += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(
                self._threads, self._answer_alone, self._service.served, body, trial
            )
        finally:
            self._large -= 1

    def _answer_alone(self, served: Predictor, body: bytes, trial: bool) -> Answered:
        rows, single = served.rows.parse(body)
        answers = self._model(served, [rows], trial)
        if isinstance(answers, RefusedError):
            raise answers
        return Answered(rows, answers[0].entries, body_of(answers[0].texts, single))
