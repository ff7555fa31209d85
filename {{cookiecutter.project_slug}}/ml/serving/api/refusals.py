"""What a refusal looks like on each route: every protocol has an error shape of its own.

    /v2, /v1        {"error": "..."}                        Open Inference Protocol, KServe
    /invocations    {"error_code": "...", "message": "..."}  MLflow
    all others      {"detail": [{"type", "loc", "msg"}]}

The first three know no 422: a mistake in a request is 400 there. No shape ever holds the input
itself, which may be NaN.
"""

from __future__ import annotations

from typing import Any

from ml.errors import RefusedError

INVOCATIONS = "/invocations"
_MLFLOW_CODES = {
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "ENDPOINT_NOT_FOUND",
    429: "REQUEST_LIMIT_EXCEEDED",
    500: "INTERNAL_ERROR",
    503: "TEMPORARILY_UNAVAILABLE",
}


def is_protocol(path: str) -> bool:
    """Whether a path belongs to a protocol of others, with an error shape of its own."""
    return path.startswith(("/v2/", "/v1/")) or path in ("/v2", INVOCATIONS)


def status_of(path: str, status: int) -> int:
    """The HTTP status of a refusal on a path."""
    return 400 if status == 422 and is_protocol(path) else status


def body_of_refusal(path: str, refused: RefusedError) -> dict[str, Any]:
    """The JSON of a refusal on a path."""
    if not is_protocol(path):
        return {"detail": refused.details}
    message = "; ".join(detail["msg"] for detail in refused.details)
    if path == INVOCATIONS:
        code = _MLFLOW_CODES.get(refused.status, "BAD_REQUEST")
        return {"error_code": code, "message": message}
    return {"error": message}
