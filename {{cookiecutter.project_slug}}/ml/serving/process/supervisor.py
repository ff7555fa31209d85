"""Several workers behind one port: the supervisor accepts connections, hands them over in turn.

Left to the kernel (SO_REUSEPORT) a hash would choose: of four connections of one client all go to
the same of two workers one time in eight, and keep it busy while the other has nothing to do.
Requests never pass through here.
"""

from __future__ import annotations

import multiprocessing
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable
from multiprocessing.context import SpawnContext

from ml.errors import UserError
from ml.serving.process.drain import (
    BEGUN_SECONDS,
    DRAIN_SECONDS,
    lift_hop_limit,
    stop_accepting,
)

RESTART_SECONDS = 0.5  # before a worker that ended is started again
LOOK_SECONDS = 0.1  # between two looks at signals and at the workers
AT_ONCE = 64  # connections that are accepted before the next look

# a worker's status; it sends none while it starts
READY, DRAINING, GONE = b"+", b"-", b""

Main = Callable[[socket.socket], None]


class Worker:
    """A process that answers on the connections it is handed.

    Args:
        context: starts it.
        main: what it runs, with its end of the pipe over which it sends its status and gets
            connections.
    """

    def __init__(self, context: SpawnContext, main: Main) -> None:
        self.pipe, theirs = socket.socketpair()
        self.process = context.Process(target=main, args=(theirs,))
        self.process.start()
        theirs.close()
        self.pipe.setblocking(False)
        self.status: bytes | None = None
        self.ended: float | None = None  # when that was noticed

    def hand_over(self, connection: socket.socket) -> bool:
        """Hand a connection over; False: the worker takes none."""
        try:
            socket.send_fds(self.pipe, [b"+"], [connection.fileno()])
        except OSError:  # it has ended, or does not keep up
            return False
        return True

    def read_status(self) -> None:
        """Read the status that the worker has sent last."""
        try:
            self.status = self.pipe.recv(64)[-1:]
        except OSError:
            self.status = GONE

    def note_end(self) -> None:
        """The process has ended: it takes no more connections."""
        self.status, self.ended = GONE, time.monotonic()
        self.pipe.close()


class Supervisor:
    """Keeps the workers running and hands connections over to them.

    Args:
        listener: a bound socket; it listens when the first worker is ready.
        workers: how many.
        main: what a worker runs.
    """

    def __init__(self, listener: socket.socket, workers: int, main: Main) -> None:
        self._listener = listener
        self._listens = False
        self._context = multiprocessing.get_context("spawn")
        self._main = main
        self._turn = 0
        self._kept: list[socket.socket] = []  # connections that nobody took yet
        self._stopping: list[int] = []
        for sig in (signal.SIGINT, signal.SIGTERM):
            signal.signal(sig, lambda number, _frame: self._stopping.append(number))
        self._workers = [Worker(self._context, main) for _ in range(workers)]

    def run(self) -> int:
        """Work until SIGTERM or SIGINT; returns the exit status."""
        while not self._stopping:
            self._deal(LOOK_SECONDS)
            for i, worker in enumerate(self._workers):
                if worker.process.exitcode is not None:
                    self._replace(i, worker)
        return self._stop()

    def _replace(self, i: int, worker: Worker) -> None:
        """Note a worker's end; a moment later start another."""
        if worker.ended is None:
            process = worker.process
            message = f"worker {process.pid} ended with {process.exitcode}: starting another"
            print(message, file=sys.stderr)
            worker.note_end()
            _forget(process.pid)
        elif time.monotonic() - worker.ended > RESTART_SECONDS:
            self._workers[i] = Worker(self._context, self._main)

    def _takers(self) -> list[Worker]:
        """The workers that get connections: those that are ready; if none is, those that drain."""
        for status in (READY, DRAINING):
            if takers := [worker for worker in self._workers if worker.status == status]:
                return takers
        return []

    def _deal(self, seconds: float) -> None:
        """Wait at most so long for connections and statuses of workers, and handle what came."""
        takers = self._takers()
        if takers and not self._listens:
            self._listen()
        listeners = [self._listener] if takers and not self._kept else []
        pipes = [worker.pipe for worker in self._workers if worker.status != GONE]
        readable = select.select([*pipes, *listeners], [], [], seconds)[0]
        for worker in self._workers:
            if worker.pipe in readable:
                worker.read_status()
        self._assign_kept()
        if self._listener in readable:
            self._accept()

    def _assign_kept(self) -> None:
        kept, self._kept = self._kept, []
        for connection in kept:
            self._assign(connection)

    def _listen(self) -> None:
        try:
            self._listener.listen(4096)
        except OSError as error:
            # a second server that began in the same moment could bind, but it cannot listen
            self._terminate()
            self._join()
            port = self._listener.getsockname()[1]
            raise UserError(f"--port {port}: {error.strerror}", "stop the other service") from None
        self._listener.setblocking(False)
        self._listens = True

    def _accept(self) -> None:
        for _ in range(AT_ONCE):
            try:
                connection, _address = self._listener.accept()
            except OSError:  # no more, or the client has gone already
                return
            if self._stopping:
                lift_hop_limit(connection.fileno())
            self._assign(connection)

    def _assign(self, connection: socket.socket) -> None:
        takers = self._takers()
        self._turn += 1
        for i in range(len(takers)):
            if takers[(self._turn + i) % len(takers)].hand_over(connection):
                connection.close()
                return
        self._kept.append(connection)

    def _stop(self) -> int:
        """Readiness goes first, then new connections, then the workers when all is answered."""
        self._terminate()
        self._deal_for(DRAIN_SECONDS)
        stop_accepting(self._listener)
        self._deal_for(BEGUN_SECONDS)
        self._deal(0)  # where the machine had no time for this process meanwhile
        self._listener.close()
        for worker in self._workers:
            worker.pipe.close()
        self._join()
        return self._exit_status()

    def _terminate(self) -> None:
        for worker in self._workers:
            worker.process.terminate()

    def _join(self) -> None:
        for worker in self._workers:
            worker.process.join()

    def _exit_status(self) -> int:
        """The worst exit status of the workers."""
        codes = [worker.process.exitcode or 0 for worker in self._workers]
        # a worker that SIGTERM itself ended had not begun yet
        return max((abs(code) for code in codes if code != -signal.SIGTERM), default=0)

    def _deal_for(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (seconds_left := until - time.monotonic()) > 0:
            if not any(worker.process.is_alive() for worker in self._workers):
                return
            self._deal(min(seconds_left, LOOK_SECONDS))


def _forget(pid: int | None) -> None:
    from prometheus_client.multiprocess import mark_process_dead

    if pid is not None and "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        mark_process_dead(pid)  # type: ignore[no-untyped-call]
