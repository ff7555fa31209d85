"""Where scikit-learn's trials run: in this process, or on the workers of a Dask scheduler.

The same trials are drawn and scored: it changes who computes a score, never the score.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from threading import Event, Thread
from typing import TYPE_CHECKING, Any, Literal

from ml.errors import UserError
from ml.scale.address import of_setting
from ml.scale.part import described

if TYPE_CHECKING:
    from concurrent.futures import Future as Batch

    from distributed import Client, Future

    Ended = Callable[[Mapping[str, Any], Any], None]  # a call's keyword arguments, its result

LOOK_SECONDS = 5.0  # from one look at the workers to the next
GONE = ("FutureCancelledError", "KilledWorker", "TimeoutError", "CommClosedError")


@contextmanager
def joblib_on(executor: Literal["local", "dask"], ended: Ended | None = None) -> Iterator[None]:
    """Send what scikit-learn does in parallel within the block to the executor.

    Args:
        executor: this process, or Dask's workers.
        ended: is called for each call that a worker has done, in a thread of Dask's client.

    Raises:
        UserError: no scheduler's address is set, it does not answer, it or its workers go away.
    """
    if executor == "local":
        yield
        return
    address = of_setting("train.search.executor")
    try:
        with _backend(address, ended):
            yield
    except Exception as error:
        if type(error).__name__ not in GONE:
            raise
        raise UserError(
            f"{address}: the search has not ended: {described(error)}",
            "look at the scheduler's and the workers' logs, then the same command again",
        ) from None


@contextmanager
def _backend(address: str, ended: Ended | None) -> Iterator[None]:
    import joblib

    from ml.scale.cluster import connected

    with connected(address) as client, _watched(client):
        # joblib puts rows and folds on some worker, and they would die with it. As what a task
        # returns they are made again; Dask removes further copies on other workers
        client.scatter = partial(_as_task, client)
        with joblib.parallel_config(backend="dask", client=client, n_jobs=-1) as config:
            if ended:
                backend = config["backend"]
                backend.submit = partial(_submit, backend.submit, ended)
            yield


def _submit(submit: Callable[..., Batch[Any]], ended: Ended, calls: Any, **how: Any) -> Batch[Any]:
    """Submit a batch of calls; `ended` is called for each of them when the batch has ended."""
    batch = submit(calls, **how)
    batch.add_done_callback(partial(_tell, ended, calls))
    return batch


def _tell(ended: Ended, calls: Any, batch: Batch[Any]) -> None:
    if batch.cancelled() or batch.exception() or not isinstance(batch.result(), list):
        return  # joblib raises what went wrong
    for (_, _, arguments), result in zip(calls.items, batch.result(), strict=True):
        ended(arguments, result)


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
