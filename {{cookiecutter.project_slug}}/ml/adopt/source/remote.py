"""Checks of an address before DVC follows it: no secret in it, no redirect to another host.

`dvc import-url` writes the address into data/source/<name>.dvc, which is committed to git: a
password or a signature in it would be published with the code.
"""

from __future__ import annotations

import re
from http.client import HTTPException, HTTPMessage
from typing import IO
from urllib.parse import SplitResult, parse_qsl, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from ml.errors import UserError

SECRET = re.compile(
    r"signature|token|secret|passw|credential|(api|access|account|subscription)[-_]?key"
    r"|^(key|sig|sas|auth|authorization|pwd|jwt)$",
    re.IGNORECASE,
)
TIMEOUT = 30  # seconds until a server must have answered


def check_address(address: str) -> None:
    """Refuse what DVC must not record, and a redirect to another host.

    Raises:
        UserError: a user or password, a parameter that grants access, a redirect to another host or
            to http.
    """
    parts = split(address)
    secret = _secret(parts)
    if secret:
        raise UserError(
            f"{without_secrets(parts)}: the address holds {secret}, and"
            f" data/source/{_name(parts)}.dvc, which git keeps, would record it",
            "for s3:// put the keys into AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY and give"
            " s3://bucket/file; else download the file (curl --output table.csv 'ADDRESS'), then"
            " make adopt DATA=table.csv TARGET=column",
        )
    if parts.scheme.lower() in ("http", "https"):
        _check_redirects(address)


def split(address: str) -> SplitResult:
    """The parts of an address.

    Raises:
        UserError: it is not an address, or names no file.
    """
    try:
        parts = urlsplit(address)
    except ValueError as error:
        raise UserError(
            f"not an address: {error}", "give https://host/file.csv or s3://bucket/file.csv"
        ) from None
    if not parts.hostname or not _name(parts):
        raise UserError(
            f"{without_secrets(parts)}: it names no file",
            "give the address of a CSV or Parquet file",
        )
    return parts


def without_secrets(parts: SplitResult) -> str:
    """The address without what may be secret, for messages."""
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _name(parts: SplitResult) -> str:
    return parts.path.rstrip("/").rpartition("/")[2]


def _secret(parts: SplitResult) -> str | None:
    """What in an address grants access, in words."""
    if parts.username or parts.password:
        return "a user name or password"
    given = parse_qsl(parts.query) + parse_qsl(parts.fragment)
    name = next((name for name, _ in given if SECRET.search(name)), None)
    return f'the parameter "{name}"' if name else None


class _SameHost(HTTPRedirectHandler):
    """Follow a redirect on the same host only, and never from https to http."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        asked, target = split(req.full_url), split(newurl)
        if asked.hostname != target.hostname or (
            asked.scheme == "https" and target.scheme != "https"
        ):
            fp.close()
            raise _redirected(asked, target)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _redirected(asked: SplitResult, target: SplitResult) -> UserError:
    return UserError(
        f"{without_secrets(asked)}: it redirects to {target.scheme}://{target.hostname}, so that"
        " another host would decide what is learned from",
        f"if you trust {target.hostname}, download the file (curl --location --output table.csv"
        " 'ADDRESS'), then make adopt DATA=table.csv TARGET=column",
    )


def _check_redirects(address: str) -> None:
    try:
        request = Request(address)  # noqa: S310  (http or https, as checked above)
        with build_opener(_SameHost).open(request, timeout=TIMEOUT):
            pass
    except (OSError, HTTPException, ValueError) as error:
        raise UserError(
            f"{without_secrets(split(address))}: {error}",
            "check the address, or download it and give the file",
        ) from None
