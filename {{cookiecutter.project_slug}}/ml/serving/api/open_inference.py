"""The Open Inference Protocol's REST routes (/v2/…), for clients of KServe, Triton or MLServer.

A tensor of a request is a column of the contract: `{"name": "age", "shape": [2], "datatype":
"FP64", "data": [31, 4]}`. The rows go the same way as those of `POST /predict`: validated,
answered, journaled.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, NotRequired

from fastapi import FastAPI, Path, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from pydantic import ConfigDict, FailFast, Field, TypeAdapter, ValidationError, with_config
from pydantic_core import ErrorDetails

# typing's own is not accepted by pydantic before Python 3.12
from typing_extensions import TypedDict

from ml.contract import MAX_LEVEL_LENGTH, MAX_TEXT_LENGTH, Column
from ml.errors import Detail, RefusedError, refusal
from ml.serving.inference.admission import LARGE_BODY

if TYPE_CHECKING:
    from ml.serving.api.predict import Predict
    from ml.serving.inference.service import Service

SERVER = "ml"
Name = Annotated[str, Path(min_length=1)]


@with_config(ConfigDict(extra="allow"))
class Tensor(TypedDict):
    """One column of the rows."""

    name: Annotated[str, Field(max_length=MAX_TEXT_LENGTH)]
    shape: Annotated[list[int], FailFast()]
    datatype: Annotated[str, Field(max_length=MAX_LEVEL_LENGTH)]
    data: list[Any]


@with_config(ConfigDict(extra="allow"))
class Infer(TypedDict):
    """An inference request."""

    id: NotRequired[Annotated[str, Field(max_length=512)]]
    inputs: Annotated[list[Tensor], FailFast(), Field(min_length=1)]


INFER = TypeAdapter(Infer)


def add_routes(app: FastAPI, service: Service, predict: Predict) -> None:
    """Add the protocol's routes to the application."""

    @app.get("/v2")
    async def server() -> dict[str, Any]:
        """The server's name and what it can do."""
        return {"name": SERVER, "version": "2", "extensions": []}

    @app.get("/v2/health/live")
    async def live() -> dict[str, bool]:
        """The process answers."""
        return {"live": True}

    @app.get("/v2/health/ready")
    async def ready() -> JSONResponse:
        """The model takes traffic."""
        is_ready = service.not_ready is None
        return JSONResponse({"ready": is_ready}, 200 if is_ready else 503)

    @app.get("/v2/models/{name}")
    @app.get("/v2/models/{name}/versions/{version}")
    async def model(name: Name, version: str | None = None) -> dict[str, Any]:
        """The model's tensors."""
        _check(service, name, version)
        return _metadata(service)

    @app.get("/v2/models/{name}/ready")
    @app.get("/v2/models/{name}/versions/{version}/ready")
    async def model_ready(name: Name, version: str | None = None) -> dict[str, Any]:
        """The model takes traffic."""
        _check(service, name, version)
        return {"name": name, "ready": service.not_ready is None}

    @app.post("/v2/models/{name}/infer")
    @app.post("/v2/models/{name}/versions/{version}/infer")
    async def infer(request: Request, name: Name, version: str | None = None) -> JSONResponse:
        """Answer rows that are sent as columns."""
        _check(service, name, version)
        body, limit = request.scope["body"], service.settings.serve.max_rows
        given, rows = (
            await run_in_threadpool(_read, body, limit)
            if len(body) >= LARGE_BODY
            else _read(body, limit)
        )
        answered = await predict.predict_and_count(rows)
        request.scope["answered"] = answered  # for whoever traces
        return JSONResponse({**given, **_outputs(service, json.loads(answered.body))})


def _read(body: bytes, limit: int) -> tuple[dict[str, str], bytes]:
    """A request's id, which the answer repeats, and its rows as `POST /predict` reads them."""
    try:
        request = INFER.validate_json(body)
    except ValidationError as error:
        raise RefusedError(422, [_detail(e) for e in error.errors(include_url=False)]) from None
    return {"id": request["id"]} if "id" in request else {}, json.dumps(
        _rows(request, limit)
    ).encode()


def _detail(error: ErrorDetails) -> Detail:
    said = (
        f"not valid JSON: {error['ctx']['error']}"
        if error["type"] == "json_invalid"
        else error["msg"]
    )
    return {"type": error["type"], "loc": ["body", *error["loc"]], "msg": said}


def _check(service: Service, name: str, version: str | None) -> None:
    bundle = service.served.bundle
    if name != bundle.lineage.get("name") or version not in (None, bundle.version):
        served = f"model {bundle.lineage.get('name')!r}, version {bundle.version!r}"
        raise refusal(404, "model", f"there is no such model here; there is {served}", ("path",))


def _rows(body: Infer, limit: int) -> list[dict[str, Any]]:
    tensors = body["inputs"]
    lengths = {tensor["name"]: len(tensor["data"]) for tensor in tensors}
    if len(lengths) != len(tensors):
        raise refusal(422, "inputs", "a column is sent twice", ("body", "inputs"))
    if len(set(lengths.values())) != 1:
        raise refusal(
            422, "inputs", f"columns differ in length: {lengths}"[:500], ("body", "inputs")
        )
    n = next(iter(lengths.values()))
    if n > limit:
        raise refusal(422, "inputs", f"a request holds at most {limit} rows", ("body", "inputs"))
    for tensor in tensors:
        if tensor["shape"] not in ([n], [n, 1]):
            said = f'column "{tensor["name"][:60]}": shape {tensor["shape"][:8]} is neither [{n}] nor [{n}, 1]'
            raise refusal(422, "shape", said, ("body", "inputs"))
    return [{tensor["name"]: tensor["data"][i] for tensor in tensors} for i in range(n)]


def _metadata(service: Service) -> dict[str, Any]:
    bundle = service.served.bundle
    contract = bundle.contract
    outputs = [("prediction_id", "BYTES", [-1]), ("prediction", _answer_type(service), [-1])]
    if contract.is_classification:
        outputs.append(("probabilities", "FP32", [-1, len(contract.target.classes)]))
    return {
        "name": bundle.lineage.get("name"),
        "versions": [bundle.version],
        "platform": "onnx",
        "inputs": [{"name": c.name, "datatype": _type(c), "shape": [-1]} for c in contract.columns],
        "outputs": [
            {"name": name, "datatype": kind, "shape": shape} for name, kind, shape in outputs
        ],
    }


def _type(column: Column) -> str:
    return {"numeric": "FP64", "integer": "INT64", "boolean": "BOOL"}.get(column.kind, "BYTES")


def _answer_type(service: Service) -> str:
    return "BYTES" if service.served.bundle.contract.is_classification else "FP64"


def _outputs(service: Service, answers: list[dict[str, Any]]) -> dict[str, Any]:
    bundle, n = service.served.bundle, len(answers)
    columns: list[tuple[str, str, list[int], list[Any]]] = [
        ("prediction_id", "BYTES", [n], [a["prediction_id"] for a in answers]),
        ("prediction", _answer_type(service), [n], [a["prediction"] for a in answers]),
    ]
    if bundle.contract.is_classification:
        shares = [share for a in answers for share in a["probabilities"].values()]
        columns.append(("probabilities", "FP32", [n, len(bundle.contract.target.classes)], shares))
    versions = sorted({a["model_version"] for a in answers})
    return {
        "model_name": bundle.lineage.get("name"),
        "model_version": versions[0] if len(versions) == 1 else bundle.version,
        "outputs": [
            {"name": n, "datatype": kind, "shape": s, "data": data} for n, kind, s, data in columns
        ],
    }
