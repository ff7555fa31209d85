"""What KServe's `InferenceRESTClient` gets from a server: `python kserve_checks.py URL`.

Run by test_clients.py in the environment of requirements/clients.txt.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import httpx
import numpy as np
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig

URL = sys.argv[1]
ROWS = [
    {"charge": 20.0, "calls": 0, "plan": "basic"},
    {"charge": 90.0, "calls": 7, "plan": "pro"},
    {"charge": None, "calls": 3, "plan": None},
]


def inputs(binary: bool, plans: list[str]) -> list[InferInput]:
    """Three rows as columns; of the third, two values are missing."""
    forms: dict[str, Any] = {"charge": "f8", "calls": "i8", "plan": object}
    values: dict[str, list[Any]] = {
        "charge": [20.0, 90.0, float("nan")],
        "calls": [0, 7, 3],
        "plan": plans,
    }
    tensors = []
    for name, datatype in {"charge": "FP64", "calls": "INT64", "plan": "BYTES"}.items():
        tensor = InferInput(name, [3], datatype)
        tensor.set_data_from_numpy(np.array(values[name], forms[name]), binary_data=binary)
        tensors.append(tensor)
    return tensors


def request(binary: bool, plan: str = "") -> InferRequest:
    return InferRequest("churn", inputs(binary, ["basic", "pro", plan]), request_id="42")


async def refused(client: InferenceRESTClient, says: str, data: Any, model: str = "churn") -> None:
    """The client can read why it is refused."""
    text = ""
    try:
        await client.infer(URL, data, model_name=model)
    except httpx.HTTPStatusError as error:
        text = str(error)
    assert says in text, text


async def main() -> None:
    first = InferenceRESTClient(RESTConfig(protocol="v1"))
    assert await first.is_model_ready(URL, "churn")
    answer = await first.infer(URL, {"instances": ROWS}, model_name="churn")
    predictions = answer["predictions"]
    assert len(answer["prediction_ids"]) == 3
    await refused(first, 'column "calls" is missing', {"instances": [{}]})

    second = InferenceRESTClient(RESTConfig(protocol="v2"))
    assert await second.is_server_live(URL)
    assert await second.is_server_ready(URL)
    assert await second.is_model_ready(URL, "churn")
    assert not await second.is_model_ready(URL, "other")
    for binary in (True, False):
        result = await second.infer(URL, request(binary), model_name="churn")
        assert result.id == "42"
        outputs = {output.name: output.as_numpy() for output in result.outputs}
        assert outputs["prediction"].tolist() == predictions, outputs
        assert outputs["probabilities"].shape == (3, 2)
    await refused(second, 'column "plan": "gold" is not one of', request(True, "gold"))
    await refused(second, "there is no such model here", request(True), "other")
    print(f"kserve {len(ROWS)} rows: {', '.join(predictions)}")


asyncio.run(main())
