"""Rows as tensors of the Open Inference Protocol (version 2), and the answers to them.

A tensor of a request is a column of the contract: `{"name": "age", "shape": [2], "datatype":
"FP64", "data": [31, 4]}`.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, NotRequired

from pydantic import ConfigDict, FailFast, Field, TypeAdapter, ValidationError, with_config
from pydantic_core import ErrorDetails

# typing's own is not accepted by pydantic before Python 3.12
from typing_extensions import TypedDict

from ml.bundle import Bundle
from ml.contract import MAX_LEVEL_LENGTH, MAX_TEXT_LENGTH, Column, Contract
from ml.errors import Detail, RefusedError, refusal


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


def read_request(body: bytes, limit: int) -> tuple[dict[str, str], bytes]:
    """A request's id, which the answer repeats, and its rows as `POST /predict` reads them."""
    request = _validated(body)
    given = {"id": request["id"]} if "id" in request else {}
    return given, json.dumps(_rows(request["inputs"], limit)).encode()


def _validated(body: bytes) -> Infer:
    try:
        return INFER.validate_json(body)
    except ValidationError as error:
        raise RefusedError(422, [_detail(e) for e in error.errors(include_url=False)]) from None


def _detail(error: ErrorDetails) -> Detail:
    is_json = error["type"] != "json_invalid"
    msg = error["msg"] if is_json else f"not valid JSON: {error['ctx']['error']}"
    return {"type": error["type"], "loc": ["body", *error["loc"]], "msg": msg}


def _rows(tensors: list[Tensor], limit: int) -> list[dict[str, Any]]:
    n = _row_count(tensors, limit)
    for tensor in tensors:
        _check_shape(tensor, n)
    return [{tensor["name"]: tensor["data"][i] for tensor in tensors} for i in range(n)]


def _check_shape(tensor: Tensor, n: int) -> None:
    if tensor["shape"] not in ([n], [n, 1]):
        name, shape = tensor["name"][:60], tensor["shape"][:8]
        raise _refused("shape", f'column "{name}": shape {shape} is neither [{n}] nor [{n}, 1]')


def _row_count(tensors: list[Tensor], limit: int) -> int:
    """How many rows the columns hold."""
    lengths = {tensor["name"]: len(tensor["data"]) for tensor in tensors}
    if len(lengths) != len(tensors):
        raise _refused("inputs", "a column is sent twice")
    if len(set(lengths.values())) != 1:
        raise _refused("inputs", f"columns differ in length: {lengths}"[:500])
    n = next(iter(lengths.values()))
    if n > limit:
        raise _refused("inputs", f"a request holds at most {limit} rows")
    return n


def _refused(kind: str, msg: str) -> RefusedError:
    return refusal(422, kind, msg, ("body", "inputs"))


def model_metadata(bundle: Bundle) -> dict[str, Any]:
    """The tensors that the model takes and answers with."""
    return {
        "name": bundle.lineage.get("name"),
        "versions": [bundle.version],
        "platform": "onnx",
        "inputs": [_tensor(c.name, _datatype(c), [-1]) for c in bundle.contract.columns],
        "outputs": _output_tensors(bundle.contract, -1),
    }


def _datatype(column: Column) -> str:
    return {"numeric": "FP64", "integer": "INT64", "boolean": "BOOL"}.get(column.kind, "BYTES")


def _output_tensors(contract: Contract, n: int) -> list[dict[str, Any]]:
    """Name, type and shape of the outputs for `n` rows; -1: any number of rows."""
    prediction = "BYTES" if contract.is_classification else "FP64"
    tensors = [_tensor("prediction_id", "BYTES", [n]), _tensor("prediction", prediction, [n])]
    if contract.is_classification:
        tensors.append(_tensor("probabilities", "FP32", [n, len(contract.target.classes)]))
    return tensors


def _tensor(name: str, datatype: str, shape: list[int]) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": shape}


def outputs_of(bundle: Bundle, answers: list[dict[str, Any]]) -> dict[str, Any]:
    """What `POST /predict` answers, as tensors."""
    tensors = _output_tensors(bundle.contract, len(answers))
    versions = sorted({a["model_version"] for a in answers})
    return {
        "model_name": bundle.lineage.get("name"),
        "model_version": versions[0] if len(versions) == 1 else bundle.version,
        "outputs": [{**tensor, "data": _data_of(tensor["name"], answers)} for tensor in tensors],
    }


def _data_of(output: str, answers: list[dict[str, Any]]) -> list[Any]:
    """The values of an output, row by row."""
    values = [answer[output] for answer in answers]
    if output == "probabilities":
        return [share for shares in values for share in shares.values()]
    return values
