"""One function on all workers of a Dask scheduler at once, each with its share of some rows.

Unlike parts, shares talk to each other, and where a worker goes away the others may wait for it for
ever. So what still runs is ended, and all shares begin again, on as many workers as before.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ml.errors import UserError
from ml.scale.address import of_setting, refuse_plain
from ml.scale.cluster import CONNECT_SECONDS, LONELY_SECONDS, LOOK_SECONDS, connected
from ml.scale.part import described

if TYPE_CHECKING:
    from distributed import Client, Future

ATTEMPTS = 3
# the others have to notice by themselves that one is gone; who has not by then is ended
GRACE_SECONDS = 5.0
GONE = ("FutureCancelledError", "CancelledError", "KilledWorker")


@dataclass(frozen=True)
class Seat:
    """A share's place among all."""

    number: int
    machines: tuple[str, ...]  # host:port of each share, in their order; free a moment ago
    threads: int


@dataclass(frozen=True)
class Work:
    """What the shares do.

    Attributes:
        blocks: given the number of shares, gives of each block of rows what each share gets.
        function: of a module; called with the task, the share's seat and its rows of all blocks. It
            raises ConnectionError where another share is gone.
        task: the same for all.
        what: passes between the shares, in words.
        workers: how many shares there are; 0: one for each worker that is there at the beginning.
    """

    blocks: Callable[[int], Iterator[Sequence[Sequence[Any]]]]
    function: Callable[[Any, Seat, list[Any]], Any]
    task: Any
    what: str
    workers: int = 0


class _LostError(Exception):
    """The shares cannot end: a worker is gone, or the way to it."""


def run_shares(setting: str, work: Work) -> list[Any]:
    """What the function returned for each share, in their order.

    Rows go from here to the workers, a block at a time, and not through the scheduler.

    Args:
        setting: of params.yaml, that says `dask`.
        work: what to do.

    Raises:
        UserError: no scheduler or no worker is there, they go away again and again, or the function
            raised.
    """
    address, reason = of_setting(setting), ""
    with connected(address) as client:
        workers = _awaited(client, address, work.workers)
        for attempt in range(ATTEMPTS):
            if attempt:
                print(f"{address}: {reason}; all shares begin again", file=sys.stderr, flush=True)
                workers = _awaited(client, address, len(workers))
            try:
                return _attempt(client, workers, work)
            except _LostError as lost:
                reason = str(lost)
                _refuse_gone(client, address)
    raise UserError(
        f"{address}: {reason}, {ATTEMPTS} times",
        "look at the workers' logs (and their memory), then the same command again",
    )


def _awaited(client: Client, address: str, n: int) -> list[str]:
    """The addresses of n workers, or of all that are there.

    Raises:
        UserError: so many are not there for long, or the scheduler is gone.
    """
    until = time.monotonic() + LONELY_SECONDS
    while len(there := sorted(_there(client))) < max(n, 1):
        _refuse_gone(client, address)
        if time.monotonic() > until:
            raise UserError(
                f"{address}: {len(there)} of {n} workers are there"
                if n
                else f"{address}: no worker",
                "start workers (docs/scale.md), then the same command again",
            )
        time.sleep(LOOK_SECONDS)
    return there[: n or None]


def _refuse_gone(client: Client, address: str) -> None:
    if client.status != "running":
        raise UserError(
            f"{address}: the scheduler is gone",
            "start it and workers (docs/scale.md), then the same command again",
        )


def _there(client: Client) -> dict[str, int]:
    """The workers' threads by address; none where the scheduler does not say."""
    if client.status != "running":
        return {}
    try:
        return dict(client.nthreads())
    except OSError:
        return {}


def _attempt(client: Client, workers: list[str], work: Work) -> list[Any]:
    if len(workers) > 1:
        refuse_plain((str(urlsplit(worker).hostname) for worker in workers), work.what)
    shares = _sent(client, workers, work.blocks(len(workers)))
    seats = _seats(client, workers)
    futures = [
        _only_there(client, worker, work.function, work.task, seat, share)
        for worker, seat, share in zip(workers, seats, shares, strict=True)
    ]
    try:
        return _results(client, workers, futures)
    except BaseException:  # an interrupt, too, leaves nobody waiting
        _end_running(client, dict(zip(workers, futures, strict=True)))
        raise


def _only_there(client: Client, worker: str, function: Any, *arguments: Any) -> Future:
    return client.submit(
        function, *arguments, workers=[worker], allow_other_workers=False, pure=False
    )


def _seats(client: Client, workers: list[str]) -> list[Seat]:
    """A free address for each share, asked of its worker.

    Raises:
        UserError: a worker does nothing that it is asked for.
    """
    asked = [_only_there(client, worker, _free_address) for worker in workers]
    machines, threads = tuple(_results(client, workers, asked, LONELY_SECONDS)), _there(client)
    return [Seat(i, machines, threads.get(worker, 1)) for i, worker in enumerate(workers)]


def _free_address() -> str:
    """host:port, on the host by which other workers know this one."""
    from distributed import get_worker

    host = socket.gethostbyname(str(urlsplit(get_worker().address).hostname))
    with socket.create_server((host, 0)) as free:
        return f"{host}:{free.getsockname()[1]}"


def _sent(
    client: Client, workers: list[str], blocks: Iterator[Sequence[Sequence[Any]]]
) -> list[list[Any]]:
    """Each worker's rows as futures, on that worker alone."""
    shares: list[list[Any]] = [[] for _ in workers]
    try:
        for block in blocks:
            for share, worker, rows in zip(shares, workers, block, strict=True):
                where = {"workers": [worker], "direct": True, "hash": False}
                share.append(client.scatter(list(rows), **where))
    except OSError as error:
        raise _LostError(f"rows did not reach a worker: {described(error)}") from None
    return shares


def _results(
    client: Client, workers: list[str], futures: list[Future], seconds: float = float("inf")
) -> list[Any]:
    """What all futures came to.

    Raises:
        _LostError: one of the workers is gone.
        UserError: the function raised, or so many seconds have passed.
    """
    until = time.monotonic() + seconds
    ended: SimpleQueue[Future] = SimpleQueue()
    for future in futures:
        future.add_done_callback(ended.put)
    left = len(futures)
    while left:
        try:
            future = ended.get(timeout=LOOK_SECONDS)
        except Empty:
            if not set(workers) <= _there(client).keys():
                raise _LostError("a worker went away") from None
            if time.monotonic() > until:
                raise UserError(
                    f"a worker begins nothing for {seconds:g} seconds",
                    "it may do other work, or its memory is full with its share of the rows",
                ) from None
            continue
        if future.status != "finished":
            raise _problem(future)
        left -= 1
    try:
        return [future.result(timeout=CONNECT_SECONDS) for future in futures]
    except Exception as error:  # of the way to it: the futures have ended
        raise _LostError(described(error)) from None


def _problem(future: Future) -> Exception:
    """Why a future has no result."""
    try:
        error = future.exception(timeout=CONNECT_SECONDS)
    except Exception as gone:  # the way to it, not the function
        error = ConnectionError(described(gone))
    if error is None:  # of a future that was cancelled
        return _LostError("a worker went away")
    if isinstance(error, OSError) or type(error).__name__ in GONE:
        return _LostError(f"a worker went away: {described(error)}")
    return UserError(
        f"a worker: {described(error)}", "look at its log; workers need this project's environment"
    )


def _end_running(client: Client, futures: dict[str, Future]) -> None:
    """End the processes in which a share still runs: nothing else interrupts it."""
    with suppress(OSError, TimeoutError):
        until = time.monotonic() + GRACE_SECONDS
        while time.monotonic() < until and _running(client, futures):
            time.sleep(LOOK_SECONDS / 10)
        running = _running(client, futures)
        if not running:
            return
        client.run(_end_process, workers=running, on_error="ignore")
        until = time.monotonic() + CONNECT_SECONDS
        while time.monotonic() < until and set(running) & _there(client).keys():
            time.sleep(LOOK_SECONDS / 10)


def _running(client: Client, futures: dict[str, Future]) -> list[str]:
    there = _there(client)
    return [at for at, future in futures.items() if future.status == "pending" and at in there]


def _end_process() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
