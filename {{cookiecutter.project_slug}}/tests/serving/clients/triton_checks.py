"""What `tritonclient[http]` gets from a server: `python triton_checks.py http://HOST:PORT`.

Run by test_clients.py in the environment of requirements/clients.txt.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import requests
from tritonclient import http
from tritonclient.utils import InferenceServerException

URL = sys.argv[1]
NAN = float("nan")
CHARGES, CALLS, PLANS = [20.0, 90.0, NAN], [0, 7, 3], ["basic", "pro", ""]
client = http.InferenceServerClient(URL.removeprefix("http://"))


def column(name: str, values: Sequence[Any], datatype: str, binary: bool) -> http.InferInput:
    """A column with the values as numpy has them."""
    form: Any = {"FP64": "f8", "INT64": "i8", "BYTES": object}[datatype]
    tensor = http.InferInput(name, [len(values)], datatype)
    tensor.set_data_from_numpy(np.array(values, form), binary_data=binary)
    return tensor


def columns(binary: bool = True, calls: Sequence[int] = CALLS) -> list[http.InferInput]:
    """Three rows; of the third, two values are missing."""
    return [
        column("charge", CHARGES, "FP64", binary),
        column("calls", calls, "INT64", binary),
        column("plan", PLANS, "BYTES", binary),
    ]


def refused(says: str, *args: Any, **kwargs: Any) -> None:
    """The client can read why it is refused."""
    status, text = "200", ""
    try:
        client.infer(*args, **kwargs)
    except InferenceServerException as error:
        status, text = error.status(), error.message()
    assert status in ("400", "404", "415")
    assert says in text, text


rows: Any = [
    {"charge": 20.0, "calls": 0, "plan": "basic"},
    {"charge": 90.0, "calls": 7, "plan": "pro"},
    {"charge": None, "calls": 3, "plan": None},
]
plain = requests.post(f"{URL}/predict", json=rows, timeout=30).json()
predictions = [answer["prediction"].encode() for answer in plain]
shares = np.array([list(answer["probabilities"].values()) for answer in plain], "f4")

assert client.is_server_live()
assert client.is_server_ready()
assert client.is_model_ready("churn")
assert client.is_model_ready("churn", "1")
assert not client.is_model_ready("other")
assert "binary_tensor_data" in client.get_server_metadata()["extensions"]
assert client.get_model_metadata("churn")["inputs"][1] == {
    "name": "calls",
    "datatype": "INT64",
    "shape": [-1],
}
assert [m["state"] for m in client.get_model_repository_index()] == ["READY"]

for version in ("", "1"):
    result = client.infer("churn", columns(), model_version=version, request_id="42")
    assert result.get_response()["id"] == "42"
    assert result.as_numpy("prediction").tolist() == predictions
    assert (result.as_numpy("probabilities") == shares).all()
    assert result.as_numpy("probabilities").shape == (3, 2)

for binary in (True, False):
    for binary_output in (True, False):
        wanted = [
            http.InferRequestedOutput(name, binary_data=binary_output)
            for name in ("probabilities", "prediction")
        ]
        result = client.infer("churn", columns(binary), outputs=wanted)
        assert [o["name"] for o in result.get_response()["outputs"]] == [w.name() for w in wanted]
        texts = [t if isinstance(t, bytes) else t.encode() for t in result.as_numpy("prediction")]
        assert texts == predictions
        assert (result.as_numpy("probabilities").astype("f4") == shares).all()

mixed = [*columns(True)[:2], columns(False)[2]]
assert client.infer("churn", mixed).as_numpy("prediction").tolist() == predictions
assert client.async_infer("churn", columns()).get_result().as_numpy("prediction").size == 3

plan = column("plan", ["basic", "gold", ""], "BYTES", True)
refused('column "plan": "gold" is not one of', "churn", [*columns()[:2], plan])
refused("there is no such model here", "other", columns())
refused("there is no such model here", "churn", columns(), model_version="7")
refused(
    'output "score" is not known', "churn", columns(), outputs=[http.InferRequestedOutput("score")]
)
refused("send the body uncompressed", "churn", columns(), request_compression_algorithm="gzip")
print(f"tritonclient {len(rows)} rows: {b', '.join(predictions).decode()}")
