"""Tensors as bytes: the binary tensor data extension of the Open Inference Protocol.

A request or an answer is then its JSON with the bytes of its tensors behind it, in the order in
which the JSON names them. `Inference-Header-Content-Length` says how long the JSON is, and each
such tensor has the parameter `binary_data_size` in place of `data`. Numbers are little-endian; an
element of BYTES is its length in four bytes and then its UTF-8 text.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np

Datatype = Literal[
    "BOOL",
    "UINT8",
    "UINT16",
    "UINT32",
    "UINT64",
    "INT8",
    "INT16",
    "INT32",
    "INT64",
    "FP16",
    "BF16",
    "FP32",
    "FP64",
    "BYTES",
]
DATATYPES: tuple[str, ...] = get_args(Datatype)
FLOATS = frozenset({"FP16", "BF16", "FP32", "FP64"})
EXTENSION = "binary_tensor_data"
JSON_LENGTH = "Inference-Header-Content-Length"

_NUMPY = {
    "BOOL": "?",
    "UINT8": "u1",
    "UINT16": "<u2",
    "UINT32": "<u4",
    "UINT64": "<u8",
    "INT8": "i1",
    "INT16": "<i2",
    "INT32": "<i4",
    "INT64": "<i8",
    "FP16": "<f2",
    "FP32": "<f4",
    "FP64": "<f8",
}
_LENGTH = struct.Struct("<I")


def decode(datatype: str, data: bytes, count: int) -> list[Any]:
    """The elements of a tensor: numbers, booleans or texts.

    Args:
        datatype: one of `DATATYPES`.
        data: all bytes of the tensor.
        count: how many elements its shape says.

    Raises:
        ValueError: the bytes hold another number of elements, or a text that is not UTF-8.
    """
    if datatype == "BYTES":
        return _decode_texts(data, count)
    kind = np.dtype("<u2" if datatype == "BF16" else _NUMPY[datatype])
    if len(data) != count * kind.itemsize:
        need = f"{count} elements of {datatype} are {count * kind.itemsize} bytes"
        raise ValueError(f"{need}, not {len(data)}")
    values = np.frombuffer(data, kind)
    if datatype == "BF16":  # the upper half of a float32
        values = (values.astype("<u4") << 16).view("<f4")
    return list(values.tolist())


def _decode_texts(data: bytes, count: int) -> list[str]:
    texts: list[str] = []
    at = 0
    for _ in range(count):
        begin = at + _LENGTH.size
        if begin > len(data) or (at := begin + _LENGTH.unpack_from(data, begin - 4)[0]) > len(data):
            raise ValueError(f"the bytes end within element {len(texts)} of {count}")
        texts.append(data[begin:at].decode())
    if at != len(data):
        raise ValueError(f"{len(data) - at} bytes follow the last of {count} elements")
    return texts


def encode(datatype: str, values: Sequence[Any]) -> bytes:
    """The bytes of a tensor of an answer (FP32, FP64 or BYTES)."""
    if datatype != "BYTES":
        return np.asarray(values, _NUMPY[datatype]).tobytes()
    texts = [text.encode() for text in values]
    return b"".join(part for text in texts for part in (_LENGTH.pack(len(text)), text))
