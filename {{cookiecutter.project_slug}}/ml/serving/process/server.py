"""`ml serve`: one worker in this process, or several as children that share the port.

Reads: serving/champion (ML_BUNDLE), params.yaml, JOURNAL_URL, ML_API_KEYS. Writes: the journal.
SIGTERM or Ctrl-C: readiness goes first, what was accepted is answered, then the port closes.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import tempfile

from ml.errors import UserError
from ml.serving.api.origin import is_loopback
from ml.serving.settings import Settings, load_settings


def serve(host: str = "127.0.0.1", port: int | None = None, workers: int = 1) -> None:
    """Serve until SIGTERM or Ctrl-C.

    Raises:
        UserError: no sound bundle, the port is taken, or an address beyond loopback without
            ML_API_KEYS.
    """
    settings = load_settings()
    _check_address(host, settings)
    listener = _bind(host, settings.serve.port if port is None else port)
    announcement = _announcement(host, listener.getsockname()[1], settings)
    if workers != 1:
        sys.exit(_supervise(settings, listener, workers, announcement))
    from ml.serving.process.worker import run

    run(settings, listener, lambda: _announce(announcement))


def _supervise(settings: Settings, listener: socket.socket, workers: int, announcement: str) -> int:
    """Run several workers; returns the exit status."""
    from ml.bundle import load_bundle
    from ml.serving.process.supervisor import Supervisor

    load_bundle(settings.bundle)  # an unsound bundle is reported once, here, and not by each worker
    with tempfile.TemporaryDirectory(prefix="ml-metrics-") as folder:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        supervisor = Supervisor(listener, workers, _worker_process)
        _announce(announcement)
        return supervisor.run()


def _check_address(host: str, settings: Settings) -> None:
    is_checked = settings.keys.needed or settings.auth_in_front
    if not is_loopback(host) and not is_checked:
        raise UserError(
            f"--host {host}: beyond this machine the service needs API keys",
            f'ML_API_KEYS="$(openssl rand -hex 24)" ml serve --host {host}',
        )


def _bind(host: str, port: int) -> socket.socket:
    """A bound socket, not listening yet."""
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        raise _not_bound(host, port, error) from None
    return bound


def _not_bound(host: str, port: int, error: OSError) -> UserError:
    return UserError(
        f"--port {port} of {host}: {error.strerror}",
        "stop the other service, or `ml serve --port 0`",
    )


def _announcement(host: str, port: int, settings: Settings) -> str:
    url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    key = " with an API key" if settings.keys.needed else ""
    return (
        f"serving [bold]{settings.bundle}[/] at [bold]{url}[/]{key} (Ctrl-C stops)\n"
        f"next: open {url}/ in a browser, or POST a row to /predict; "
        "later `ml label` and `ml monitor`"
    )


def _announce(text: str) -> None:
    from rich.console import Console

    Console(stderr=True, soft_wrap=True).print(text, highlight=False)


def _worker_process(pipe: socket.socket) -> None:
    from ml.serving.process.worker import run

    # Ctrl-C reaches the whole group: the parent tells its workers
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    run(load_settings(), pipe=pipe)
