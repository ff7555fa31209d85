"""The real service as a child process, and a client of it: rows go over HTTP, labels too."""

from __future__ import annotations

import http.client
import json
import re
import signal
import subprocess
import sys
import time
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

LOG = Path("service.log")
READY_SECONDS = 60.0  # after which a service that does not answer is given up
ANSWER_SECONDS = 60.0
STOP_SECONDS = 20.0
_LOOK_SECONDS = 0.05
_ADDRESS = re.compile(rb"http://127\.0\.0\.1:(\d+)")


class RefusedRequestError(Exception):
    """An answer of the service other than 200."""

    def __init__(self, path: str, status: int, body: bytes) -> None:
        super().__init__(f"POST {path}: {status} {body.decode(errors='replace')[:200]}")
        self.status = status


class Client:
    """Sends requests to a service on loopback, over one connection.

    Args:
        port: the service's.
    """

    def __init__(self, port: int) -> None:
        self.address = f"http://127.0.0.1:{port}"
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_SECONDS)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def post(self, path: str, values: object) -> Any:
        """The JSON answer to a JSON body; asked once more where the connection was closed.

        Raises:
            RefusedRequestError: the status is not 200.
        """
        body = json.dumps(values, ensure_ascii=False, allow_nan=False).encode()
        status, answer = self._ask("POST", path, body)
        if status != 200:
            raise RefusedRequestError(path, status, answer)
        return json.loads(answer)

    def _ask(self, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        try:
            return self._exchange(method, path, body)
        except (http.client.RemoteDisconnected, ConnectionError):
            # idle for longer than the service keeps a connection: it read nothing of this one
            self._connection.close()
            return self._exchange(method, path, body)

    def _exchange(self, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        self._connection.request(method, path, body, {"Content-Type": "application/json"})
        response = self._connection.getresponse()
        return response.status, response.read()

    def predict(self, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any] | None]:
        """The service's answer to each row; None where it refuses the row."""
        try:
            return list(self.post("/predict", list(rows)))
        except RefusedRequestError as refused:
            if refused.status != 422:
                raise
        # one wrong row spoils its request: they are sent one by one
        return [answer for row in rows for answer in (self._predict_one(row),)]

    def _predict_one(self, row: dict[str, Any]) -> dict[str, Any] | None:
        try:
            answer: dict[str, Any] = self.post("/predict", row)
        except RefusedRequestError:
            return None
        return answer

    def version(self) -> str:
        """The version that answers."""
        status, answer = self._ask("GET", "/health/ready")
        return str(json.loads(answer)["version"]) if status == 200 else ""

    def label(self, labels: Sequence[tuple[str, Any]]) -> None:
        """Record outcomes by prediction id."""
        if labels:
            self.post("/labels", [{"prediction_id": i, "outcome": o} for i, o in labels])


@contextmanager
def running_service(
    folder: Path = Path(),
    words: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
    log: Path = LOG,
) -> Iterator[Client]:
    """`ml serve` in a project's folder, on the port of its settings; it is stopped in any case.

    Args:
        folder: the project's.
        words: options of `ml serve`.
        env: its environment; None: this process's.
        log: where what it says is kept, in `folder`.

    Raises:
        UserError: it does not answer; its log says why.
    """
    command = [sys.executable, "-m", "ml", "serve", *words]
    with (folder / log).open("wb") as said:
        # a group of its own: Ctrl-C reaches this process alone, which stops the service in order
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            process_group=0,
        )
    try:
        with closing(Client(_port(process, folder / log))) as client:
            yield client
    finally:
        _stop(process)


def _port(process: subprocess.Popen[bytes], log: Path) -> int:
    until = time.monotonic() + READY_SECONDS
    while process.poll() is None and time.monotonic() < until:
        found = _ADDRESS.search(log.read_bytes())
        if found and _is_ready(int(found[1])):
            return int(found[1])
        time.sleep(_LOOK_SECONDS)
    raise UserError(f"{log.absolute()}: the service does not answer", f"tail {log.absolute()}")


def _is_ready(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/health/ready")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
