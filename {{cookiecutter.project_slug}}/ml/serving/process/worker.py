"""One process that answers: uvicorn over `ml.serving.api.app`, with an orderly end."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import cast

import uvicorn

from ml.serving.api.app import create_app
from ml.serving.api.middleware import ServiceMiddleware
from ml.serving.inference.service import Service
from ml.serving.logs import use_json_lines
from ml.serving.process.drain import BEGUN_SECONDS, DRAIN_SECONDS, stop_accepting
from ml.serving.process.http_protocol import Protocol
from ml.serving.process.supervisor import DRAINING, READY
from ml.serving.settings import Settings

# between the port's closing and that of idle connections: what is on its way gets an answer
OPEN_SECONDS = 0.5
LAST_ANSWERS_SECONDS = 30  # what was accepted has this long to be answered
IDLE_SECONDS = 5  # an answered connection is kept so long for its next request
HANDED = 64  # connections that are taken from the supervisor at once


class Server(uvicorn.Server):
    """uvicorn's server, which says when it is ready and drains before it ends.

    Args:
        config: uvicorn's.
        service: what it serves.
        started: called when it is ready.
        pipe: to the supervisor that hands over connections; None: the server accepts them itself.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        service: Service,
        started: Callable[[], None],
        pipe: socket.socket | None,
    ) -> None:
        super().__init__(config)
        self._service = service
        self._when_started = started
        self._pipe = pipe
        self._no_more = asyncio.Event()  # connections from the supervisor

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, or say to the supervisor that connections may come."""
        await super().startup(sockets)
        if self._pipe is not None:
            self._open_pipe(self._pipe)
        self._when_started()

    def _open_pipe(self, pipe: socket.socket) -> None:
        pipe.setblocking(False)
        asyncio.get_running_loop().add_reader(pipe, self._receive, pipe)
        pipe.send(READY)

    def _receive(self, pipe: socket.socket) -> None:
        """Take the connections that the supervisor has handed over."""
        try:
            while True:
                data, files, _, _ = socket.recv_fds(pipe, HANDED, HANDED)
                for file in files:
                    self._begin(socket.socket(fileno=file))
                if not data:
                    break
        except BlockingIOError:
            return
        asyncio.get_running_loop().remove_reader(pipe)
        self._no_more.set()
        # the supervisor is gone: nobody else would ever stop this worker
        if not self._service.draining:
            self._drain()

    def _begin(self, connection: socket.socket) -> None:
        """Answer on a connection, as uvicorn does on those that it accepts."""
        connection.setblocking(False)
        task = asyncio.get_running_loop().create_task(self._connect(connection))
        self.server_state.tasks.add(task)
        task.add_done_callback(self.server_state.tasks.discard)

    async def _connect(self, connection: socket.socket) -> None:
        await asyncio.get_running_loop().connect_accepted_socket(self._protocol, connection)

    def _protocol(self) -> asyncio.Protocol:
        return Protocol(
            self._service.connections, self.config, self.server_state, self.lifespan.state
        )

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take the last connections; those that are open get their answers before they close."""
        for listener in sockets or []:
            stop_accepting(listener)
        self._service.connections.ending = True
        await asyncio.sleep(BEGUN_SECONDS)
        await _look_at_sockets()
        for server in self.servers:
            server.close()
        if self._pipe is not None:
            await self._last_handed(self._pipe)
        await self._wait_for_clients()
        await super().shutdown(sockets)

    async def _wait_for_clients(self) -> None:
        """Wait until they have closed their connections, for `OPEN_SECONDS` at most."""
        time = asyncio.get_running_loop().time
        until = time() + OPEN_SECONDS
        while self.server_state.connections and time() < until:
            await asyncio.sleep(0.02)
        await _look_at_sockets()

    async def _last_handed(self, pipe: socket.socket) -> None:
        """Wait until the supervisor hands over no more connections.

        One that goes on finds the pipe closed and tries the other workers.
        """
        try:
            await asyncio.wait_for(self._no_more.wait(), DRAIN_SECONDS)
        except TimeoutError:
            pipe.shutdown(socket.SHUT_RD)
            self._receive(pipe)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """SIGTERM and SIGINT drain; unlike with uvicorn's handlers the exit status is then 0."""
        loop = asyncio.get_running_loop()
        for sig in (signal.SIGTERM, signal.SIGINT):
            if signal.getsignal(sig) is not signal.SIG_IGN:
                loop.add_signal_handler(sig, self._drain)
        yield

    def _drain(self) -> None:
        if self._service.draining:  # a second signal does not wait
            self.should_exit = True
        self._service.draining = True
        if self._pipe is not None:
            with suppress(OSError):  # a supervisor that is gone
                self._pipe.send(DRAINING)
        asyncio.get_running_loop().call_later(DRAIN_SECONDS, setattr, self, "should_exit", True)


async def _look_at_sockets() -> None:
    """Let the event loop accept and read what has arrived.

    On a machine that had no time for this process a timer has run out before the loop has looked
    once, and the loop handles timers first.
    """
    for _ in range(2):  # the second turn begins after a look
        await asyncio.sleep(0)


def run(
    settings: Settings,
    listener: socket.socket | None = None,
    started: Callable[[], None] = lambda: None,
    pipe: socket.socket | None = None,
) -> None:
    """Answer until SIGTERM or SIGINT.

    Args:
        settings: of the server.
        listener: a bound socket, where this process accepts connections itself.
        started: called when it is ready.
        pipe: to the supervisor that hands over connections, and with which this process ends.

    Raises:
        UserError: there is no sound bundle, or the journal cannot be opened.
    """
    use_json_lines()
    app = create_app(settings)
    server = Server(_config(app), app.service, started, pipe)
    server.run(sockets=[] if listener is None else [listener])


def _config(app: ServiceMiddleware) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        loop="uvloop",
        http=cast("type[Protocol]", partial(Protocol, app.service.connections)),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        # no browser takes JSON for a script or a page
        headers=[("x-content-type-options", "nosniff")],
        proxy_headers=False,  # nothing here asks who the client is
        backlog=4096,
        timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=LAST_ANSWERS_SECONDS,
    )
