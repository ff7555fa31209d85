"""Which requests of web pages are answered: those of the service's own, to a name of this machine.

Any page that a person opens can send requests to addresses which that person's browser reaches,
loopback included. Browsers say where a request comes from (`Sec-Fetch-Site`, `Origin`) and under
which name it was sent (`Host`), and no page can forge these; clients that are not browsers send
neither of the first two.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from functools import lru_cache

from ml.errors import refusal

Fields = Mapping[bytes, bytes]  # a request's header, names in lower case

OWN_SITES = (b"same-origin", b"none")  # none: a person typed the address
HOST = re.compile(r"(?:\[([0-9a-f:.]+)\]|([^:\[\]]+))(?::\d*)?", re.IGNORECASE)


def is_loopback(name: str) -> bool:
    """Whether a name or an address always means this machine."""
    try:
        return name.lower() == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def check_host(fields: Fields, allowed: frozenset[str]) -> None:
    """Refuse a request for another name than loopback's or an allowed one.

    The owner of a name can let it point to 127.0.0.1 after a page was loaded from it (DNS
    rebinding); to the browser that page and this service are then one origin.

    Raises:
        RefusedError: 403.
    """
    host = fields.get(b"host")  # a browser always sends it
    if host is not None and not _is_allowed(host, allowed):
        msg = "ask for localhost or 127.0.0.1; other names need API keys or ML_ALLOWED_HOSTS"
        raise refusal(403, "host", msg, ("header", "host"))


@lru_cache(maxsize=64)  # the same few names come again and again
def _is_allowed(host: bytes, allowed: frozenset[str]) -> bool:
    match = HOST.fullmatch(host.decode("latin-1"))
    if match is None:
        return False
    name = (match[1] or match[2]).lower()
    return is_loopback(name) or name in allowed


def check_origin(fields: Fields, method: str, keyed: bool) -> None:
    """Refuse what a page of another origin sends; following a link to here is allowed.

    Browsers older than `Sec-Fetch-Site`, and all browsers on plain HTTP beyond loopback, send
    `Origin` alone. It is compared with `Host`, unless the request needs a key: a proxy may have
    changed `Host`, and a page of another origin cannot send a key, because its browser asks first
    (CORS preflight) and no answer here allows it.

    Raises:
        RefusedError: 403.
    """
    site = fields.get(b"sec-fetch-site")
    if site is not None:
        navigated = method == "GET" and fields.get(b"sec-fetch-mode") == b"navigate"
        is_own = navigated or site in OWN_SITES
    else:
        origin = fields.get(b"origin")
        is_own = keyed or origin is None or origin.partition(b"://")[2] == fields.get(b"host")
    if not is_own:
        raise refusal(403, "origin", "a page of another origin may not ask", ("header", "origin"))


def is_from_browser(fields: Fields) -> bool:
    """Whether a POST may come from a browser.

    A browser's has `Origin`, and since 2020 nearly always `Sec-Fetch-Site`.
    """
    return b"origin" in fields or b"sec-fetch-site" in fields
