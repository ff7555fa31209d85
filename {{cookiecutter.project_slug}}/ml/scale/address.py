"""Which scheduler, and whether what is sent there can be read, or sent by others, on the way.

A Dask scheduler executes what it is sent. Off this machine it is spoken to over TLS, with the
files that Dask's own settings name (`distributed.comm.tls`), or with a stated word without.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from ipaddress import ip_address
from urllib.parse import urlsplit

from ml.errors import UserError
from ml.scale.local import LocalPool
from ml.scale.part import Executor

SCHEDULER = "DASK_SCHEDULER_ADDRESS"
PLAIN = "ML_DASK_PLAIN_TCP"
EXAMPLE = "tls://scheduler.example:8786"


def executor_at(address: str | None, workers: int = 0) -> Executor:
    """The cluster at an address, or DASK_SCHEDULER_ADDRESS; without either this machine.

    Args:
        address: tcp://host:port on loopback, or tls://host:port.
        workers: processes of this machine; 0: one for each processor.

    Raises:
        UserError: see `checked`.
    """
    scheduler = address or os.environ.get(SCHEDULER)
    if not scheduler:
        return LocalPool(workers)
    from ml.scale.cluster import Cluster

    return Cluster(checked(scheduler))


def of_setting(name: str) -> str:
    """The scheduler's address for a setting of params.yaml that says `dask`.

    Raises:
        UserError: DASK_SCHEDULER_ADDRESS is not set; see also `checked`.
    """
    address = os.environ.get(SCHEDULER)
    if not address:
        raise UserError(
            f"params.yaml: {name} is dask, and {SCHEDULER} is not set",
            f"export {SCHEDULER}={EXAMPLE}, or {name}: local",
        )
    return checked(address)


def refuse_plain(hosts: Iterable[str], what: str) -> None:
    """Refuse connections between workers that nothing encrypts, off loopback without a word.

    Args:
        hosts: of the workers.
        what: goes over those connections.

    Raises:
        UserError: one of the hosts is another machine.
    """
    beyond = next((host for host in hosts if not _is_loopback(host)), None)
    if beyond and not _plain_is_meant():
        raise UserError(
            f"{beyond}: {what} goes from worker to worker without TLS, whatever the scheduler's"
            " address says",
            f"in a network that nobody else is in, {PLAIN}=1; else train.executor: local",
        )


def checked(address: str) -> str:
    """The address.

    Raises:
        UserError: it is none, or leads to another machine without TLS.
    """
    try:
        parts = urlsplit(address)
        known = parts.scheme in ("tcp", "tls") and bool(parts.hostname) and bool(parts.port)
    except ValueError:
        known = False
    if not known:
        raise UserError(f"{address}: not the address of a Dask scheduler", f"give {EXAMPLE}")
    if parts.scheme == "tcp" and not _is_loopback(str(parts.hostname)) and not _plain_is_meant():
        raise UserError(
            f"{address}: another machine without TLS: whoever is on the way reads the work and can"
            " send other work",
            f"give tls://{parts.netloc} (docs/scale.md), or, in a network that nobody else is in,"
            f" {PLAIN}=1",
        )
    return address


def _plain_is_meant() -> bool:
    return os.environ.get(PLAIN) == "1"


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
