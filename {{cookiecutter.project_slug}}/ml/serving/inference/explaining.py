"""From a body of `POST /explain` to its answer, beside the predictions and never in their way.

Explanations have an admission of their own, so that they take no place of a prediction, and are
made one after the other in a thread: each asks the model some thousand times, in runs of a hundred
rows, between which the event loop goes on. Nothing is journaled.
"""

from __future__ import annotations

import asyncio
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import orjson

from ml.errors import RefusedError, refusal
from ml.explain.explainer import Explainer
from ml.explain.references import ALL, References
from ml.serving.inference.admission import Admission

if TYPE_CHECKING:
    from ml.serving.inference.predictor import Predictor
    from ml.serving.inference.service import Service

log = logging.getLogger(__name__)


class Explaining:
    """Explains rows with the service's current model.

    Args:
        service: the models, the settings, the counters.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._params = service.settings.explain
        serve = service.settings.serve
        waiting = 0 if self._params is None else self._params.max_waiting
        self.admission = Admission(
            waiting, serve.max_held_bytes, serve.deadline_seconds, lambda _inside: None
        )
        self._explainer: Explainer | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="explain")

    def references(self) -> list[str]:
        """What an answer of the current model may be compared with."""
        bundle = self._service.served.bundle
        try:
            return References(bundle, 1).names()
        except RefusedError:
            return [ALL]

    def check_on(self) -> None:
        """Refuse every request where explanations are off."""
        if self._params is None:
            msg = "explanations are off: explain.max_waiting of params.yaml is 0"
            raise refusal(404, "explain", msg, ("path",))

    async def explain(self, body: bytes, reference: str) -> bytes:
        """The explanations of a body's rows, in the body's shape.

        Raises:
            RefusedError: the body is not valid, there is no such reference, the model failed.
        """
        began = time.perf_counter()
        loop, served = asyncio.get_running_loop(), self._service.served
        answer = await loop.run_in_executor(self._thread, self._answer, served, body, reference)
        self._service.metrics.explain_seconds.observe(time.perf_counter() - began)
        return answer

    def _answer(self, served: Predictor, body: bytes, reference: str) -> bytes:
        rows, single = served.rows.parse(body)
        explainer = self._of(served)
        most = explainer.params.max_rows
        if len(rows) > most:
            msg = f"a request to explain holds at most {most} rows"
            raise refusal(422, "too_long", msg)
        try:
            answers: list[dict[str, Any]] = [explainer.explain(row, reference) for row in rows]
        except ArithmeticError:
            log.exception("the model failed")
            msg = "the model could not answer these rows"
            raise refusal(500, "model", msg, ("server",)) from None
        return orjson.dumps(answers[0] if single else answers)

    def _of(self, served: Predictor) -> Explainer:
        """The explainer of the model that answers, made once; only its thread asks for it."""
        assert self._params is not None  # noqa: S101  # `check_on` has refused
        if self._explainer is None or self._explainer.bundle is not served.bundle:
            self._explainer = Explainer(served.bundle, self._params)
        return self._explainer

    def close(self) -> None:
        """Begin no explanation any more."""
        self._thread.shutdown(wait=False, cancel_futures=True)
