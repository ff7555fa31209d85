"""HTTP without a framework: bodies with a limit, JSON answers, refusals in the API's shape."""

from __future__ import annotations

import json
from collections.abc import Callable

from starlette.types import Receive, Scope, Send

from ml.errors import RefusedError, refusal
from ml.serving.api.origin import Fields, is_from_browser
from ml.serving.api.refusals import INVOCATIONS, body_of_refusal, status_of
from ml.serving.inference.admission import LARGE_BODY


class DisconnectedError(Exception):
    """The client went away before its request was complete."""


async def read_body(receive: Receive, limit: int, hold: Callable[[int], None]) -> bytes:
    """The request's body; `hold` gets the size of each part of a large one as it arrives.

    Raises:
        RefusedError: larger than `limit` bytes, or refused by `hold`.
        DisconnectedError: the client went away.
    """
    message = await receive()
    body: bytes = message.get("body", b"")
    if len(body) >= LARGE_BODY:
        hold(len(body))
    if message.get("more_body"):
        body = await _rest(body, receive, limit, hold)
    elif message["type"] == "http.disconnect":
        raise DisconnectedError
    if len(body) > limit:
        raise _too_large(limit)
    return body


def check_headers(scope: Scope, limit: int) -> int:
    """The announced length of the body, 0 where it is not announced.

    Raises:
        RefusedError: larger than `limit` bytes, compressed, or not said to be JSON.
    """
    fields = scope["fields"]
    kind = fields.get(b"content-type")
    if (kind is None or not _is_json(kind)) and not _is_of_protocol(scope["path"], fields):
        raise _unsupported("content-type", "send application/json")
    if fields.get(b"content-encoding", b"identity") != b"identity":
        raise _unsupported("content-encoding", "send the body uncompressed")
    length = int(fields.get(b"content-length", 0))
    if length > limit:
        raise _too_large(limit)
    return length


def _unsupported(header: str, msg: str) -> RefusedError:
    return refusal(415, header.replace("-", "_"), msg, ("header", header))


def _is_json(content_type: bytes) -> bool:
    return (
        content_type == b"application/json"
        or content_type.split(b";")[0].strip().lower() == b"application/json"
    )


def _is_of_protocol(path: str, fields: Fields) -> bool:
    """Whether the body's type, or that it has none, is one that the path's protocol knows.

    A page of any origin can send a body without a type, and one with a type of forms; for JSON, CSV
    and bytes its browser asks first. Clients of these protocols send no type, and are no browsers.
    """
    kind = fields.get(b"content-type")
    if kind is None:
        return path.startswith(("/v2/", "/v1/")) and not is_from_browser(fields)
    if path == INVOCATIONS:
        return is_csv(kind)
    return path.startswith("/v2/") and kind == b"application/octet-stream"


def is_csv(content_type: bytes) -> bool:
    """Whether a body is said to be CSV in UTF-8."""
    kind, _, parameters = content_type.lower().partition(b";")
    return kind.strip() == b"text/csv" and parameters.strip() in (b"", b"charset=utf-8")


async def _rest(body: bytes, receive: Receive, limit: int, hold: Callable[[int], None]) -> bytes:
    parts, size, more = [body], len(body), True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise DisconnectedError
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > limit:
            raise _too_large(limit)
        if size >= LARGE_BODY:
            hold(len(parts[-1]))
        more = message.get("more_body", False)
    return b"".join(parts)


def _too_large(limit: int) -> RefusedError:
    return refusal(413, "too_large", f"a request's body holds at most {limit} bytes")


async def send_json(send: Send, status: int, body: bytes, close: bool = False) -> None:
    """Send a JSON answer; `close` asks the client to open a new connection next time."""
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    if close:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def send_refusal(send: Send, refused: RefusedError, path: str = "") -> None:
    """Send a refusal in the shape of its path, with its headers."""
    status = status_of(path, refused.status)
    body = json.dumps(body_of_refusal(path, refused)).encode()
    extra = [(name.lower().encode(), value.encode()) for name, value in refused.headers.items()]
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        *extra,
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
