"""A Dask cluster of real processes: a scheduler and workers, over TLS or on plain loopback."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import HERE, environment

# what these tests write to the environment, whatever stands in a person's own
os.environ.pop("DASK_SCHEDULER_ADDRESS", None)


@pytest.fixture(scope="session")
def dask(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of the project's environment with requirements/scale.txt beside."""
    return environment(tmp_path_factory, "scale", beside=True)


def write_certificate(folder: Path) -> dict[str, str]:
    """A certificate and its key; Dask's settings that name them, for all who take part."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    encoding = serialization.Encoding.PEM
    (folder / "cert.pem").write_bytes(made.public_bytes(encoding))
    text = key.private_bytes(
        encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "key.pem").write_bytes(text)
    names = [(f"{who}__{what}", f"{what}.pem") for who in ROLES for what in ("cert", "key")]
    files = {"ca_file": "cert.pem", **dict(names)}
    return {f"{TLS}{name.upper()}": str(folder / file) for name, file in files.items()}


TLS = "DASK_DISTRIBUTED__COMM__TLS__"
ROLES = ("client", "scheduler", "worker")
# one death of its worker and a part is given up: Dask's own default is more, and takes longer
FAILURES = {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0"}


class Cluster:
    """A scheduler and its workers, in a folder of their own.

    Args:
        python: interpreter with Dask.
        folder: for their files.
        settings: of Dask, as environment variables.
        scheme: tcp or tls.
    """

    def __init__(self, python: Path, folder: Path, settings: dict[str, str], scheme: str) -> None:
        threads = {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
        self.env = {**os.environ, **FAILURES, **settings, **threads, "PYTHONPATH": str(HERE)}
        self._python, self._folder, self._file = python, folder, folder / "scheduler.json"
        self.processes: list[subprocess.Popen[bytes]] = []
        where = ["--host", f"{scheme}://127.0.0.1", "--port", "0", "--no-dashboard"]
        self.scheduler = self._start("scheduler", *where, "--scheduler-file", str(self._file))
        self.address = wait_for(self._address)

    def _start(self, kind: str, *words: str) -> subprocess.Popen[bytes]:
        command = [str(self._python), "-m", f"distributed.cli.dask_{kind}", *words]
        with (self._folder / f"{kind}-{len(self.processes)}.log").open("wb") as log:
            process = subprocess.Popen(
                command,
                cwd=self._folder,
                env=self.env,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.processes.append(process)
        return process

    def _address(self) -> str:
        with suppress(OSError, ValueError):
            return str(json.loads(self._file.read_text())["address"])
        return ""

    def add_worker(self, *words: str) -> subprocess.Popen[bytes]:
        """Start a worker with one thread."""
        plain = ["--nthreads", "1", "--no-dashboard", "--local-directory", str(self._folder)]
        return self._start("worker", self.address, *plain, *words)

    def python(self, *words: str, **env: str) -> subprocess.Popen[str]:
        """Start a program that is a client of the scheduler."""
        return subprocess.Popen(
            [str(self._python), *words],
            env={**self.env, **env},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def stop(self) -> None:
        """End whatever still runs."""
        for process in self.processes:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


Make = Callable[..., Cluster]


@pytest.fixture
def cluster_of(dask: Path, tmp_path: Path) -> Iterator[Make]:
    """Starts a cluster; what is left of it ends with the test."""
    made: list[Cluster] = []

    def make(settings: dict[str, str], scheme: str = "tcp") -> Cluster:
        folder = tmp_path / f"cluster-{len(made)}"
        folder.mkdir()
        made.append(Cluster(dask, folder, settings, scheme))
        return made[-1]

    yield make
    for cluster in made:
        cluster.stop()


def wait_for(look: Callable[[], Any], seconds: float = 60) -> Any:
    """The first answer of a look that is not empty."""
    end = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < end, "nothing was seen in time"
        time.sleep(0.01)
    return found


def said_by(process: subprocess.Popen[str], seconds: float = 120) -> str:
    """What a program printed when it is done; it ended well."""
    output, errors = process.communicate(timeout=seconds)
    assert process.returncode == 0, errors
    return output
