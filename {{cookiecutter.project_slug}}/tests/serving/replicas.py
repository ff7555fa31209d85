"""HAProxy in front of three servers, as deploy/haproxy has it."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from urllib.parse import urlsplit

import httpx2
import pytest

from tests.serving.conftest import HOME, free_port

HAPROXY = shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin") or ""
needs_haproxy = pytest.mark.skipif(not HAPROXY, reason="HAProxy is not installed")


@contextmanager
def proxied(urls: Sequence[str]) -> Iterator[str]:
    """The address of a proxy in front of three servers, of which it has found one at least."""
    bind = f"127.0.0.1:{free_port()}"
    servers = dict(zip(("REPLICA_A", "REPLICA_B", "REPLICA_C"), urls, strict=True))
    places = {name: urlsplit(url).netloc for name, url in servers.items()}
    process = subprocess.Popen(
        [HAPROXY, "-db", "-f", str(HOME / "deploy/haproxy/haproxy.cfg")],
        env={**os.environ, **places, "BIND": bind},
        stderr=subprocess.DEVNULL,
    )
    try:
        while not _answers(f"http://{bind}/health/ready"):
            assert process.poll() is None
            time.sleep(0.05)
        yield f"http://{bind}"
    finally:
        process.terminate()
        process.wait(30)


def _answers(url: str) -> bool:
    try:
        return httpx2.get(url, timeout=2).status_code == 200
    except httpx2.TransportError:
        return False
