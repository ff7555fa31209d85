"""The server process: `ml serve` (one worker in this process, several as children that share the port).

Reads: serving/champion (ML_BUNDLE), params.yaml, JOURNAL_URL, ML_API_KEYS. Writes: the journal.
SIGTERM or Ctrl-C: readiness goes first, what was accepted is answered, then the port closes.
"""

from __future__ import annotations

import ipaddress
import multiprocessing
import os
import signal
import socket
import sys
import tempfile
import time
from multiprocessing.process import BaseProcess

from ml.errors import UserError
from ml.serving.settings import Settings, load_settings

RESTART_SECONDS = 0.5  # before a worker that ended is started again


def serve(host: str = "127.0.0.1", port: int | None = None, workers: int = 1) -> None:
    """Serve until SIGTERM or Ctrl-C.

    Raises:
        UserError: no sound bundle, the port is taken, or an address beyond loopback without ML_API_KEYS.
    """
    settings = load_settings()
    _check_address(host, settings)
    listener = _bind(host, settings.serve.port if port is None else port)
    announcement = _announcement(host, listener.getsockname()[1], settings)
    if workers == 1:
        from ml.serving.worker import run

        run(settings, listener, lambda: _announce(announcement))
        return
    from ml.serving.bundle import load_bundle

    load_bundle(settings.bundle)  # what is wrong with it is told once and here, not by each worker
    with tempfile.TemporaryDirectory(prefix="ml-metrics-") as folder:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        status = _supervise(host, listener.getsockname()[1], workers, announcement)
    sys.exit(status)


def _check_address(host: str, settings: Settings) -> None:
    try:
        loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback and not settings.keys.needed:
        raise UserError(
            f"--host {host}: beyond this machine the service needs API keys",
            f'ML_API_KEYS="$(openssl rand -hex 24)" ml serve --host {host}',
        )


def _bind(host: str, port: int) -> socket.socket:
    """A bound socket, not listening yet. A port that another service listens on is refused."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        if port:
            with socket.socket(family, socket.SOCK_STREAM) as probe:  # SO_REUSEPORT would share it without a word
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((host, port))
        return shared_socket(host, port)
    except OSError as error:
        raise UserError(
            f"--port {port} of {host}: {error.strerror}", "stop the other service, or `ml serve --port 0`"
        ) from None


def shared_socket(host: str, port: int) -> socket.socket:
    """A bound socket of the worker's own: the kernel spreads connections over the workers that listen."""
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    bound.bind((host, port))
    return bound


def _announcement(host: str, port: int, settings: Settings) -> str:
    shown = f"[{host}]" if ":" in host else host
    key = " with an API key" if settings.keys.needed else ""
    return (
        f"serving [bold]{settings.bundle}[/] at [bold]http://{shown}:{port}[/]{key} (Ctrl-C stops)\n"
        f"next: open http://{shown}:{port}/ in a browser, or POST a row to /predict; later `ml label` and `ml monitor`"
    )


def _announce(text: str) -> None:
    from rich.console import Console

    Console(stderr=True, soft_wrap=True).print(text, highlight=False)


def _supervise(host: str, port: int, workers: int, announce: str) -> int:
    """Keep the workers running until a signal; returns the exit status."""
    context = multiprocessing.get_context("spawn")
    stopping: list[int] = []
    for sig in (signal.SIGINT, signal.SIGTERM):
        signal.signal(sig, lambda number, _frame: stopping.append(number))

    def start() -> BaseProcess:
        process = context.Process(target=_worker_process, args=(host, port))
        process.start()
        return process

    running = [start() for _ in range(workers)]
    _announce(announce)
    while not stopping:
        time.sleep(0.1)
        for i, process in enumerate(running):
            if process.exitcode is not None and not stopping:
                print(f"worker {process.pid} ended with {process.exitcode}: starting another", file=sys.stderr)
                _forget(process.pid)
                time.sleep(RESTART_SECONDS)
                running[i] = start()
    for process in running:
        process.terminate()
    for process in running:
        process.join()
    ended = [process.exitcode or 0 for process in running]
    return max((abs(code) for code in ended if code != -signal.SIGTERM), default=0)  # that one had not begun yet


def _forget(pid: int | None) -> None:
    from prometheus_client.multiprocess import mark_process_dead

    if pid is not None:
        mark_process_dead(pid)  # type: ignore[no-untyped-call]


def _worker_process(host: str, port: int) -> None:
    from ml.serving.worker import run

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group: the parent tells its workers
    run(load_settings(), shared_socket(host, port), supervisor=os.getppid())
