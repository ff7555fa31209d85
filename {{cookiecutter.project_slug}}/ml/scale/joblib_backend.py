"""Where scikit-learn's trials run: in this process, or on the workers of a Dask scheduler.

The same trials are drawn and scored: it changes who computes a score, never the score.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from threading import Event, Thread
from typing import TYPE_CHECKING, Any, Literal

from ml.errors import UserError
from ml.scale.address import of_setting
from ml.scale.part import described

if TYPE_CHECKING:
    from distributed import Client, Future

LOOK_SECONDS = 5.0  # from one look at the workers to the next
GONE = ("FutureCancelledError", "KilledWorker", "TimeoutError", "CommClosedError")


@contextmanager
def joblib_on(executor: Literal["local", "dask"]) -> Iterator[None]:
    """Send what scikit-learn does in parallel within the block to the executor.

    Raises:
        UserError: no scheduler's address is set, it does not answer, it or its workers go away.
    """
    if executor == "local":
        yield
        return
    address = of_setting("train.search.executor")
    try:
        with _backend(address):
            yield
    except Exception as error:
        if type(error).__name__ not in GONE:
            raise
        raise UserError(
            f"{address}: the search has not ended: {described(error)}",
            "look at the scheduler's and the workers' logs, then the same command again",
        ) from None


@contextmanager
def _backend(address: str) -> Iterator[None]:
    import joblib

    from ml.scale.cluster import connected

    with connected(address) as client, _watched(client):
        # joblib puts rows and folds on some worker, and they would die with it. As what a task
        # returns they are made again; Dask removes further copies on other workers
        client.scatter = partial(_as_task, client)
        with joblib.parallel_config(backend="dask", client=client, n_jobs=-1):
            yield


async def _as_task(client: Client, data: Any, **_: object) -> Future:
    future: Future = client.submit(_itself, data, pure=False)
    return future


def _itself(data: Any) -> Any:
    return data


@contextmanager
def _watched(client: Client) -> Iterator[None]:
    """Close the client, which ends what waits for it, when the scheduler has no worker for long."""
    over = Event()
    watch = Thread(target=_watch, args=(client, over), daemon=True)
    watch.start()
    try:
        yield
    finally:
        over.set()


def _watch(client: Client, over: Event) -> None:
    from ml.scale.cluster import LONELY_SECONDS, has_workers

    lonely = 0.0
    while lonely < LONELY_SECONDS and client.status == "running":
        if over.wait(LOOK_SECONDS):
            return
        lonely = 0.0 if has_workers(client) else lonely + LOOK_SECONDS
    client.close(timeout=LOOK_SECONDS)
