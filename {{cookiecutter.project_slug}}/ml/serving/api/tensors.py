"""Rows as tensors of the Open Inference Protocol (version 2), and the answers to them.

A tensor of a request is a column of the contract: `{"name": "age", "shape": [2], "datatype":
"FP64", "data": [31, 4]}`; its data may stand behind the JSON as bytes (`binary_tensors`). A missing
value is null in JSON, NaN in a tensor of FP16, BF16, FP32 or FP64, and the empty text in one of
BYTES where it is no level of its column; integers and BOOL have no form for it, so that a column of
them that has missing values is sent as FP64.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Annotated, Any, NotRequired

from pydantic import ConfigDict, FailFast, Field, TypeAdapter, ValidationError, with_config

# typing's own is not accepted by pydantic before Python 3.12
from typing_extensions import TypedDict

from ml.bundle import Bundle
from ml.contract import MAX_TEXT_LENGTH, Boolean, Categorical, Column, Contract
from ml.errors import RefusedError, listing, printable, refusal
from ml.serving.api.binary_tensors import FLOATS, Datatype, decode, encode
from ml.serving.api.json_body import json_details

Parameters = dict[str, Any]
ANY_ROWS = -1  # in a shape


@with_config(ConfigDict(extra="allow"))
class Tensor(TypedDict):
    """One column of the rows."""

    name: Annotated[str, Field(max_length=MAX_TEXT_LENGTH)]
    shape: Annotated[list[Annotated[int, Field(ge=0, strict=True)]], FailFast()]
    datatype: Datatype
    data: NotRequired[list[Any]]  # absent: the parameter binary_data_size says how many bytes
    parameters: NotRequired[Parameters]


@with_config(ConfigDict(extra="allow"))
class Requested(TypedDict):
    """An output that the answer is to hold."""

    name: Annotated[str, Field(max_length=MAX_TEXT_LENGTH)]
    parameters: NotRequired[Parameters]


@with_config(ConfigDict(extra="allow"))
class Infer(TypedDict):
    """An inference request."""

    id: NotRequired[Annotated[str, Field(max_length=512)]]
    parameters: NotRequired[Parameters]
    inputs: Annotated[list[Tensor], FailFast(), Field(min_length=1)]
    outputs: NotRequired[Annotated[list[Requested], FailFast(), Field(max_length=100)]]


INFER = TypeAdapter(Infer)


@dataclass(frozen=True)
class Inference:
    """A request that was read."""

    id: dict[str, str]  # with the key `id` if the request has one: the answer repeats it
    rows: bytes  # JSON, as `POST /predict` reads it
    outputs: dict[str, bool]  # name → whether its data is wanted as bytes


def read_request(body: bytes, json_length: int, contract: Contract, limit: int) -> Inference:
    """A request's rows as `POST /predict` reads them, and what its answer is to hold.

    Args:
        body: JSON, and behind it the bytes of tensors.
        json_length: bytes of the JSON.
        contract: of the model that answers.
        limit: rows in one request at most.

    Raises:
        RefusedError: it is no request of the protocol. Values are looked at with the rows.
    """
    try:
        request = INFER.validate_json(body[:json_length])
    except ValidationError as error:
        raise RefusedError(422, json_details(error)) from None
    n = _row_count(request["inputs"], limit)
    columns = _columns(request["inputs"], body[json_length:], contract, n)
    every = zip(*columns.values(), strict=True)
    rows = [dict(zip(columns, values, strict=True)) for values in every]
    given = {"id": request["id"]} if "id" in request else {}
    return Inference(given, json.dumps(rows).encode(), _outputs(request, contract))


def _row_count(tensors: list[Tensor], limit: int) -> int:
    """How many rows the columns hold, as their shapes say."""
    n = tensors[0]["shape"][0] if tensors[0]["shape"] else 0
    if n > limit:
        raise _refused("inputs", f"a request holds at most {limit} rows")
    for tensor in tensors:
        if tensor["shape"] not in ([n], [n, 1]):
            msg = f"{_named(tensor)}: shape {tensor['shape'][:8]} is neither [{n}] nor [{n}, 1]"
            raise _refused("shape", msg)
    return n


def _columns(
    tensors: list[Tensor], binary: bytes, contract: Contract, n: int
) -> dict[str, list[Any]]:
    """Each column's values; bytes behind the JSON are shared out in the order of the tensors."""
    columns: dict[str, list[Any]] = {}
    at = 0
    for tensor in tensors:
        name, size = tensor["name"], _binary_size(tensor)
        if name in columns:
            raise _refused("inputs", f"{_named(tensor)} is sent twice")
        if size is None:
            values = _values_in_json(tensor, n)
        else:
            values, at = _values_in_bytes(tensor, binary[at : at + size], n), at + size
        columns[name] = _adapted(tensor["datatype"], values, contract.get(name), contract)
    if at != len(binary):
        raise _refused("binary", f"the tensors take {at} bytes behind the JSON, not {len(binary)}")
    return columns


def _binary_size(tensor: Tensor) -> int | None:
    """Bytes of a tensor's data; None: it is in the JSON."""
    size = tensor.get("parameters", {}).get("binary_data_size")
    if size is None or (size == 0 and "data" in tensor):
        return None
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise _refused("binary", f"{_named(tensor)}: binary_data_size is no number of bytes")
    if "data" in tensor:
        raise _refused("binary", f'{_named(tensor)} has "data" and binary_data_size')
    return size


def _values_in_json(tensor: Tensor, n: int) -> list[Any]:
    if "data" not in tensor:
        raise _refused("missing", f'{_named(tensor)}: "data" is missing')
    data = tensor["data"]
    if len(tensor["shape"]) == 2 and all(isinstance(row, list) for row in data):
        data = list(chain.from_iterable(data))  # nested as the shape is
    if len(data) != n:
        raise _refused("shape", f"{_named(tensor)}: shape {[n]} does not fit {len(data)} values")
    return data


def _values_in_bytes(tensor: Tensor, data: bytes, n: int) -> list[Any]:
    try:
        return decode(tensor["datatype"], data, n)
    except ValueError as error:
        raise _refused("binary", f"{_named(tensor)}: {error}") from None


def _adapted(
    datatype: str, values: list[Any], column: Column | None, contract: Contract
) -> list[Any]:
    """A tensor's values as JSON rows hold them; what does not fit the column stays as it is."""
    if datatype in FLOATS:
        values = [None if value != value else value for value in values]  # NaN
    elif datatype == "BYTES" and _empty_is_missing(column, contract):
        values = [None if value == "" else value for value in values]
    if isinstance(column, Boolean) and datatype not in ("BOOL", "BYTES"):
        values = [bool(v) if isinstance(v, int | float) and v in (0, 1) else v for v in values]
    return values


def _empty_is_missing(column: Column | None, contract: Contract) -> bool:
    if column is None or column.name == contract.time:  # the rows' id, or the time of arrival
        return True
    return column.missing and not (isinstance(column, Categorical) and "" in column.levels)


def _outputs(request: Infer, contract: Contract) -> dict[str, bool]:
    """The outputs that are asked for, in their order; all where none is named."""
    by_default = request.get("parameters", {}).get("binary_data_output") is True
    known = [tensor["name"] for tensor in _output_tensors(contract, ANY_ROWS)]
    if not request.get("outputs"):
        return dict.fromkeys(known, by_default)
    outputs: dict[str, bool] = {}
    for output in request["outputs"]:
        name, parameters = output["name"], output.get("parameters", {})
        if name not in known:
            msg = f'output "{printable(name)}" is not known; there are: {listing(known)}'
            raise _refused("outputs", msg, "outputs")
        if parameters.get("classification"):
            msg = f'output "{name}": the classification extension is not offered'
            raise _refused("outputs", msg, "outputs")
        outputs[name] = parameters.get("binary_data", by_default) is True
    return outputs


def _named(tensor: Tensor) -> str:
    return f'column "{printable(tensor["name"], 60)}"'


def _refused(kind: str, msg: str, place: str = "inputs") -> RefusedError:
    return refusal(422, kind, msg, ("body", place))


def model_metadata(bundle: Bundle) -> dict[str, Any]:
    """The tensors that the model takes and answers with."""
    return {
        "name": bundle.lineage.get("name"),
        "versions": [bundle.version],
        "platform": "onnx",
        "inputs": [_tensor(c.name, _datatype(c), [ANY_ROWS]) for c in bundle.contract.columns],
        "outputs": _output_tensors(bundle.contract, ANY_ROWS),
    }


def _datatype(column: Column) -> str:
    """The datatype that holds every value of a column, the missing one too."""
    if column.kind in ("integer", "boolean") and column.missing:
        return "FP64"
    return {"numeric": "FP64", "integer": "INT64", "boolean": "BOOL"}.get(column.kind, "BYTES")


def _output_tensors(contract: Contract, n: int) -> list[dict[str, Any]]:
    """Name, type and shape of the outputs for `n` rows."""
    prediction = "BYTES" if contract.is_classification else "FP64"
    tensors = [_tensor("prediction_id", "BYTES", [n]), _tensor("prediction", prediction, [n])]
    if contract.is_classification:
        tensors.append(_tensor("probabilities", "FP32", [n, len(contract.target.classes)]))
    return tensors


def _tensor(name: str, datatype: str, shape: list[int]) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": shape}


def outputs_of(
    bundle: Bundle, answers: Sequence[Mapping[str, Any]], wanted: Mapping[str, bool]
) -> tuple[dict[str, Any], bytes]:
    """What `POST /predict` answers, as tensors: the JSON's part, and the bytes behind it.

    Args:
        bundle: the model that answered.
        answers: as `POST /predict` gives them for an array of rows.
        wanted: names of outputs, and whether their data goes behind the JSON.
    """
    tensors = {t["name"]: t for t in _output_tensors(bundle.contract, len(answers))}
    outputs, behind = [], []
    for name, binary in wanted.items():
        tensor, data = tensors[name], _output_data(name, answers)
        if binary:
            behind.append(encode(tensor["datatype"], data))
            outputs.append({**tensor, "parameters": {"binary_data_size": len(behind[-1])}})
        else:
            outputs.append({**tensor, "data": data})
    versions = sorted({a["model_version"] for a in answers})
    about = {
        "model_name": bundle.lineage.get("name"),
        "model_version": versions[0] if len(versions) == 1 else bundle.version,
        "outputs": outputs,
    }
    return about, b"".join(behind)


def _output_data(name: str, answers: Sequence[Mapping[str, Any]]) -> list[Any]:
    if name == "probabilities":
        return [share for answer in answers for share in answer[name].values()]
    return [answer[name] for answer in answers]
