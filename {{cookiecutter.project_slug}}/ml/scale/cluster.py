"""The parts on a Dask scheduler (requirements/scale.txt).

Dask runs a part again where its worker died, and gives it up after `allowed-failures` workers.
Nothing here waits for ever: a scheduler that is gone or has no worker, and a silence that is longer
than a part may take, end it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from ml.errors import SENTENCE, UserError, printable
from ml.scale.part import Answer, Function, Outcome, Part, attempt, described

if TYPE_CHECKING:
    from distributed import Client, Future

CONNECT_SECONDS = 30.0
LOOK_SECONDS = 1.0  # from one look at the connection to the next
LONELY_SECONDS = 120.0  # that a scheduler may have no worker
# beyond a part's limit until some part ends: workers start, and Dask replaces those that die
QUIET_SECONDS = 120.0
NO_LIMIT_SECONDS = 86_400.0  # of silence where parts have no limit


class Cluster:
    """Runs parts on the workers of a Dask scheduler.

    Args:
        address: of the scheduler.
    """

    def __init__(self, address: str) -> None:
        self.address = address

    def outcomes(
        self, function: Function, parts: Sequence[Part], seconds: float
    ) -> Iterator[Outcome]:
        """See `ml.scale.part.Executor`."""
        run = uuid4().hex[:8]  # a key that failed before would be answered with that failure
        waiting = {f"{part.name}-{run}": part for part in parts}
        quiet = (seconds or NO_LIMIT_SECONDS) + QUIET_SECONDS
        with connected(self.address) as client:
            ended: SimpleQueue[Future] = SimpleQueue()
            futures = _submitted(client, function, waiting, seconds)
            for future in futures:
                future.add_done_callback(ended.put)
            while waiting:
                future = self._next(ended, client, quiet)
                answer = self._answer(future, client)
                future.release()  # else its worker keeps the result until all parts are done
                yield Outcome(waiting.pop(future.key), answer)

    def _next(self, ended: SimpleQueue[Future], client: Client, quiet: float) -> Future:
        """The next future that ends.

        Raises:
            UserError: the scheduler is gone, it has no worker for long, or no part ends.
        """
        now = seen = time.monotonic()
        until = now + quiet
        while now < until and now < seen + LONELY_SECONDS:
            try:
                return ended.get(timeout=LOOK_SECONDS)
            except Empty:
                if client.status != "running":
                    raise self._gone("the scheduler is gone") from None
            now = time.monotonic()
            seen = now if has_workers(client) else seen
        raise self._gone("no worker" if now < until else f"no part ended for {quiet:g} seconds")

    def _answer(self, future: Future, client: Client) -> Answer:
        try:
            if future.status == "error":
                return _failed(future.exception(timeout=CONNECT_SECONDS))
            answer: Answer = future.result(timeout=CONNECT_SECONDS)
            return answer
        except Exception as error:  # of the way to it: the part itself gives answers
            if client.status != "running" or future.status not in ("finished", "error"):
                raise self._gone("the scheduler is gone") from None
            return Answer(problem=described(error))

    def _gone(self, what: str) -> UserError:
        return UserError(
            f"{self.address}: {what}; the parts that ended stay done",
            "look at the scheduler and the workers, then the same command again does the others",
        )


def _submitted(
    client: Client, function: Function, parts: dict[str, Part], seconds: float
) -> list[Future]:
    n, tasks = len(parts), [part.task for part in parts.values()]
    arguments: list[list[Any]] = [[function] * n, tasks, [seconds] * n]
    futures: list[Future] = client.map(attempt, *arguments, key=list(parts), pure=False)
    return futures


def _failed(error: BaseException) -> Answer:
    """What stands in Dask's words for a part that could not be executed."""
    if type(error).__name__ == "KilledWorker":
        return Answer(problem="killed its worker, or was not done within its seconds there")
    return Answer(problem=described(error))


def has_workers(client: Client) -> bool:
    """Whether the scheduler says that it has any."""
    try:
        return bool(client.nthreads())
    except OSError:
        return False


def _quieten() -> None:
    """What matters of Dask's log is told here, in a line."""
    for name in logging.root.manager.loggerDict:
        if name.partition(".")[0] == "distributed":
            logging.getLogger(name).setLevel(logging.CRITICAL)


@contextmanager
def connected(address: str) -> Iterator[Client]:
    """A client of the scheduler.

    Raises:
        UserError: Dask is not installed, or the scheduler does not answer.
    """
    try:
        from distributed import Client
    except ModuleNotFoundError:
        raise UserError(f"{address}: Dask is not installed here", "make scale") from None
    _quieten()
    try:
        client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, TypeError, ValueError, RuntimeError) as error:  # TypeError: of TLS's files
        raise UserError(
            f"{address}: no scheduler answers: {printable(str(error), SENTENCE)}",
            "start it (docs/scale.md), or give its address",
        ) from None
    try:
        yield client
    finally:
        client.close(timeout=LOOK_SECONDS)
