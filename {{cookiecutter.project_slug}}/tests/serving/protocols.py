"""Routes and bodies of other protocols, and what their refusals say."""

from __future__ import annotations

from typing import Any

from tests.serving.conftest import CLASSIFICATION

INFER = "/v2/models/churn/infer"
V1 = "/v1/models/churn:predict"
INVOCATIONS = "/invocations"


def tensors(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows as tensors of the Open Inference Protocol."""
    return [
        {
            "name": name,
            "shape": [len(rows)],
            "datatype": "BYTES",
            "data": [row[name] for row in rows],
        }
        for name in CLASSIFICATION.names
    ]


def message_of(answer: Any, status: int) -> str:
    """What a refusal of this status says; it has the one shape of its path, and no other key.

    Args:
        answer: of the HTTP client.
        status: as it is on `/predict`; 422 is 400 in the other protocols.
    """
    path, body = answer.request.url.path, answer.json()
    protocol = path.startswith(("/v1", "/v2", INVOCATIONS))
    assert answer.status_code == (400 if protocol and status == 422 else status)
    if path == INVOCATIONS:
        assert set(body) == {"error_code", "message"}
        return str(body["message"])
    if protocol:
        assert set(body) == {"error"}
        return str(body["error"])
    assert set(body) == {"detail"}
    return "; ".join(detail["msg"] for detail in body["detail"])
