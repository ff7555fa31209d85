"""From a body of `POST /explain` to its answer, beside the predictions and never in their way.

Explanations have an admission of their own, so that they take no place of a prediction, and are
made one after the other in a process of their own at the lowest priority (`ml.explain.process`):
each asks the model some thousand times, and a thread would hold up the event loop by the
interpreter's lock. The process starts with the first request. Nothing is journaled.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

import orjson

from ml.errors import RefusedError, refusal
from ml.explain.process import read_frame, write_frame
from ml.explain.references import ALL, References
from ml.serving.inference.admission import Admission, unavailable

if TYPE_CHECKING:
    from ml.serving.inference.service import Service

END_SECONDS = 2.0  # that the process has to end by itself


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
        # waits for the process, without the interpreter's lock
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="explain")
        self.process: subprocess.Popen[bytes] | None = None

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
        loop, folder = asyncio.get_running_loop(), str(self._service.served.bundle.folder)
        answer = await loop.run_in_executor(self._thread, self._ask, folder, body, reference)
        self._service.metrics.explain_seconds.observe(time.perf_counter() - began)
        return answer

    def _ask(self, folder: str, body: bytes, reference: str) -> bytes:
        process = self._running()
        try:
            write_frame(
                cast("IO[bytes]", process.stdin), {"folder": folder, "reference": reference}, body
            )
            answered = read_frame(cast("IO[bytes]", process.stdout))
        except OSError:
            answered = None
        if answered is None:  # killed, such as by lack of memory: the next request starts another
            self._end()
            raise unavailable("explain", "the process that explains has ended; try again")
        head, content = answered
        if head["status"] != 200:
            raise RefusedError(head["status"], orjson.loads(content))
        return content

    def _running(self) -> subprocess.Popen[bytes]:
        if self.process is None:
            assert self._params is not None  # noqa: S101  # `check_on` has refused
            days = self._service.settings.serve.max_days_ahead
            settings = {"explain": self._params.model_dump(), "max_days_ahead": days}
            self.process = subprocess.Popen(
                [sys.executable, "-m", "ml.explain.process", orjson.dumps(settings).decode()],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**os.environ, "PYTHONPATH": _path()},
            )
        return self.process

    def _end(self) -> None:
        """End the process, whatever it does."""
        process, self.process = self.process, None
        if process is None:
            return
        for stream in (process.stdin, process.stdout):
            with suppress(OSError):
                cast("IO[bytes]", stream).close()
        process.kill()
        process.wait(END_SECONDS)

    def close(self) -> None:
        """Begin no explanation any more; end the process."""
        self._thread.shutdown(wait=False, cancel_futures=True)
        if self.process is not None:
            self.process.kill()  # one that is being waited for gets no answer
        self._thread.shutdown(wait=True)
        self._end()


def _path() -> str:
    """Where Python looks for modules: first for those of this very project."""
    root = str(Path(__file__).parents[3])
    return os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
