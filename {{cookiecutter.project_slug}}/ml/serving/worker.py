"""One process that answers: uvicorn over `ml.serving.app`, with an orderly end."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn

from ml.serving.app import create_app
from ml.serving.listener import begin_none
from ml.serving.logs import use_json_lines
from ml.serving.protocol import Protocol
from ml.serving.service import Service
from ml.serving.settings import Settings

DRAIN_SECONDS = 0.5  # between readiness going and the port closing: a balancer's chance to look elsewhere
BEGUN_SECONDS = 0.1  # then for connections that clients have begun to open: a round trip, and their acceptance
OPEN_SECONDS = 0.5  # and between that and closing idle connections: what is on its way gets an answer
LAST_ANSWERS_SECONDS = 30  # what was accepted has this long to be answered


class Server(uvicorn.Server):
    """uvicorn's server that says when it listens and drains before it closes the port."""

    def __init__(
        self, config: uvicorn.Config, service: Service, started: Callable[[], None], supervisor: int | None
    ) -> None:
        super().__init__(config)
        self._service = service
        self._when_started = started
        self._supervisor = supervisor

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then tell."""
        await super().startup(sockets)
        self._when_started()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept the last, then let the connections that are open get their answers before uvicorn closes them."""
        for listener in sockets or []:
            begin_none(listener)
        await asyncio.sleep(BEGUN_SECONDS)
        for server in self.servers:
            server.close()
        until = asyncio.get_running_loop().time() + OPEN_SECONDS
        while self.server_state.connections and asyncio.get_running_loop().time() < until:
            await asyncio.sleep(0.02)
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """SIGTERM and SIGINT drain; unlike uvicorn's own way the process then ends with status 0."""
        loop = asyncio.get_running_loop()
        for sig in (signal.SIGTERM, signal.SIGINT):
            if signal.getsignal(sig) is not signal.SIG_IGN:
                loop.add_signal_handler(sig, self._drain)
        yield

    async def on_tick(self, counter: int) -> bool:
        """End with the supervisor, however it ended: nobody else would ever stop this worker."""
        if self._supervisor is not None and os.getppid() != self._supervisor:
            self._supervisor = None
            self._drain()
        return await super().on_tick(counter)

    def _drain(self) -> None:
        if self._service.draining:  # a second signal does not wait
            self.should_exit = True
        self._service.draining = True
        asyncio.get_running_loop().call_later(DRAIN_SECONDS, setattr, self, "should_exit", True)


def run(
    settings: Settings,
    listener: socket.socket,
    started: Callable[[], None] = lambda: None,
    supervisor: int | None = None,
) -> None:
    """Answer on a bound socket until SIGTERM or SIGINT.

    Args:
        settings: what the server was told.
        listener: a bound socket.
        started: called when it listens.
        supervisor: process id of the parent, where this process has to end with it.

    Raises:
        UserError: there is no sound bundle, or the journal cannot be opened.
    """
    use_json_lines()
    app = create_app(settings)
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http=Protocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # nothing here asks who the client is
        backlog=4096,
        timeout_graceful_shutdown=LAST_ANSWERS_SECONDS,
    )
    Server(config, app.service, started, supervisor).run(sockets=[listener])
