"""Explanations in a process of their own: predictions share neither thread nor lock with them.

Reads requests from its standard input and writes answers to its standard output, each a line of
JSON and then as many bytes as the line says. It runs when nothing else wants to, and ends with its
parent.
Run by `ml.serving.inference.explaining`: `python -m ml.explain.process '<settings as JSON>'`.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import orjson

LOWEST_PRIORITY = 19


def write_frame(stream: IO[bytes], head: dict[str, Any], body: bytes) -> None:
    """Write a line of JSON and the bytes that it announces."""
    stream.write(orjson.dumps({**head, "bytes": len(body)}) + b"\n" + body)
    stream.flush()


def read_frame(stream: IO[bytes]) -> tuple[dict[str, Any], bytes] | None:
    """The next line of JSON and its bytes; None: the other side is gone."""
    line = stream.readline()
    if not line.endswith(b"\n"):
        return None
    head: dict[str, Any] = orjson.loads(line)
    body = stream.read(head["bytes"])
    return (head, body) if len(body) == head["bytes"] else None


class Worker:
    """Answers requests, each with the bundle that it names.

    Args:
        settings: {"explain": the block of params.yaml, "max_days_ahead": of its block serve}.
    """

    def __init__(self, settings: dict[str, Any]) -> None:
        from ml.params import Explain

        self._params = Explain.model_validate(settings["explain"])
        self._max_days_ahead = settings["max_days_ahead"]
        self._folder = ""

    def answer(self, head: dict[str, Any], body: bytes) -> tuple[dict[str, Any], bytes]:
        """Explain the rows of a body.

        Args:
            head: {"folder": of the bundle, "reference": what the answers are compared with}.
            body: of `POST /predict`.

        Returns:
            {"status": 200} and the explanations, or the status and the details of a refusal.
        """
        from ml.errors import RefusedError, UserError

        try:
            self._use(head["folder"])
            rows, single = self._rows.parse(body)
            found = [self._explainer.explain(row, head["reference"]) for row in rows]
        except RefusedError as refused:
            return {"status": refused.status}, orjson.dumps(refused.details)
        except (ArithmeticError, UserError) as error:
            print(f"explain: {error}", file=sys.stderr, flush=True)
            msg = "the model could not answer these rows"
            return {"status": 500}, orjson.dumps([{"type": "model", "loc": ["server"], "msg": msg}])
        return {"status": 200}, orjson.dumps(found[0] if single else found)

    def _use(self, folder: str) -> None:
        """Load the bundle, unless it is the one of the request before."""
        if folder == self._folder:
            return
        from ml.bundle import load_bundle
        from ml.explain.explainer import Explainer
        from ml.request_schema.rows import RequestSchema

        bundle = load_bundle(Path(folder))
        self._explainer = Explainer(bundle, self._params)
        self._rows = RequestSchema(bundle.contract, self._params.max_rows, self._max_days_ahead)
        self._folder = folder


def give_way() -> None:
    """Let every other process of the machine go first.

    On Linux a processor that runs `SCHED_IDLE` alone counts as free, so that another process that
    wakes up is put there at once; beside the lowest priority it may wait for milliseconds.
    """
    os.nice(LOWEST_PRIORITY)
    if sys.platform == "linux":
        with suppress(OSError):  # a container may forbid it
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def main() -> None:
    """Answer until the parent closes the pipe."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which closes the pipe
    give_way()
    worker = Worker(orjson.loads(sys.argv[1]))
    while (request := read_frame(sys.stdin.buffer)) is not None:
        write_frame(sys.stdout.buffer, *worker.answer(*request))


if __name__ == "__main__":
    main()
