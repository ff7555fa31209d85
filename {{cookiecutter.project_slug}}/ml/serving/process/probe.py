"""The image's health check: `python -m ml.serving.process.probe`, exit status 0 or 1.

Reads: AIP_HTTP_PORT, PORT. It imports nothing heavy, because it runs every ten seconds.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from urllib.request import urlopen

from ml.errors import UserError

PORT = 8000
SAGEMAKER_PORT = 8080
SECONDS = 2.0  # for an answer


def port_of(environment: Mapping[str, str], is_sagemaker: bool = False) -> int:
    """The port on which the platform expects the service.

    Raises:
        UserError: the variable holds no port.
    """
    names = ("SAGEMAKER_BIND_TO_PORT",) if is_sagemaker else ("AIP_HTTP_PORT", "PORT")
    for name in names:
        if text := environment.get(name):
            if text.isascii() and text.isdigit() and 0 < int(text) < 65536:
                return int(text)
            raise UserError(f"{name}={text}: no port", f"{name}={PORT}")
    return SAGEMAKER_PORT if is_sagemaker else PORT


def is_ready(port: int) -> bool:
    """Whether the service on this port takes traffic."""
    try:
        with urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=SECONDS):
            return True
    except OSError:
        return False


def main() -> int:
    """Ask the service; the word `serve` is in no variable, so SageMaker's port is asked too."""
    ports = (port_of(os.environ), port_of(os.environ, is_sagemaker=True))
    return 0 if any(is_ready(port) for port in ports) else 1


if __name__ == "__main__":
    sys.exit(main())
