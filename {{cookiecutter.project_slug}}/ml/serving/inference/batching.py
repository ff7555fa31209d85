"""From a body to its durable answer, whatever route it came by.

Small bodies that come in one turn of the event loop are answered in one run of the model and go to
the journal
together: each stage then finds its code and data in the processor's caches, which one request after
the other would not. Large ones are answered in threads, beside the loop.
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
from ml.request_schema import Row
from ml.serving.inference.admission import LARGE_BODY, overloaded, unavailable
from ml.serving.inference.predictor import Answer, Answered, Predictor, body_of

if TYPE_CHECKING:
    from ml.serving.inference.service import Service

TOGETHER = 64  # requests in one run of the model; more would hold up the event loop as long
LARGE_THREADS = 1  # a second one would only wait for the interpreter that the first one holds
LARGE_WAITING = 7  # large requests that wait for a thread at most

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Asked:
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
        self._asked: list[Asked] = []
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
                return await self._together(body, trial)
            answered = await self._in_thread(body, trial)
            await self._writer.write(answered.entries)
        except JournalError as error:
            self._service.metrics.journal_failures.inc()
            raise unavailable("journal", f"not answered, because {error}") from None
        return answered

    @property
    def _writer(self) -> GroupCommitWriter:
        writer = self._service.writer
        assert writer is not None  # noqa: S101  # set by the application's lifespan, before the first request
        return writer

    async def _together(self, body: bytes, trial: bool) -> Answered:
        loop = asyncio.get_running_loop()
        if not self._asked and not self._answered_one and self._writer.is_idle():
            self._answered_one = True
            loop.call_soon(self._turn_is_over)
            return await self._at_once(body, trial)
        if self._answered_one:
            self._writer.expect_more()
        asked = Asked(body, trial, loop.create_future())
        if not self._asked:
            loop.call_soon(self._answer_asked)  # at the end of this turn
        self._asked.append(asked)
        await asked.durable
        assert asked.answered is not None  # noqa: S101  # set before it becomes durable
        return asked.answered

    async def _at_once(self, body: bytes, trial: bool) -> Answered:
        """The answer to who comes alone, without waiting for the end of the turn."""
        answered = self._answer_alone(self._service.served, body, trial)
        if not self._writer.commit_now(answered.entries):
            await self._writer.write(answered.entries)
        return answered

    def _turn_is_over(self) -> None:
        self._answered_one = False

    def _answer_asked(self) -> None:
        asked, self._asked = self._asked[:TOGETHER], self._asked[TOGETHER:]
        if self._asked:
            asyncio.get_running_loop().call_soon(self._answer_asked)
        served, writer = self._service.served, self._writer
        valid = [one for one in asked if not one.durable.done() and self._is_valid(served, one)]
        for one, answer in zip(valid, self._answers(served, valid), strict=True):
            if isinstance(answer, RefusedError):
                one.durable.set_exception(answer)
                continue
            one.answered = Answered(one.rows, answer.entries, body_of(answer.texts, one.single))
            try:
                writer.enqueue(answer.entries, one.durable)
            except JournalError as error:
                one.durable.set_exception(error)
        writer.flush_when_ready()

    def _is_valid(self, served: Predictor, asked: Asked) -> bool:
        try:
            asked.rows, asked.single = served.rows.parse(asked.body)
        except RefusedError as refused:
            asked.durable.set_exception(refused)
            return False
        return True

    def _answers(
        self, served: Predictor, asked: Sequence[Asked]
    ) -> Sequence[Answer | RefusedError]:
        if len(asked) == 1 or not any(one.trial for one in asked):
            answers = self._model(
                served, [one.rows for one in asked], bool(asked) and asked[0].trial
            )
            if len(asked) == 1 or isinstance(answers, list):
                return answers if isinstance(answers, list) else [answers]
        # one of them is a trial, or one of them the model failed at: each alone, from its body (ids
        # were taken out)
        each: list[Answer | RefusedError] = []
        for one in asked:
            one.rows, _ = served.rows.parse(one.body)
            answers = self._model(served, [one.rows], one.trial)
            each.append(answers[0] if isinstance(answers, list) else answers)
        return each

    def _model(
        self, served: Predictor, requests: Sequence[Sequence[Row]], trial: bool
    ) -> list[Answer] | RefusedError:
        try:
            return (
                served.answer(requests, "trial")
                if trial
                else self._service.challenger.answer(served, requests)
            )
        except Exception:
            log.exception("the model failed")
            return refusal(500, "model", "the model could not answer these rows", ("server",))

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
