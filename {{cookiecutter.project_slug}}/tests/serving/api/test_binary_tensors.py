"""Tensors become bytes and values again; bytes that hold something else are refused."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.serving.api.binary_tensors import DATATYPES, decode, encode


@pytest.mark.parametrize(
    ("datatype", "form", "values"),
    [
        ("BOOL", "?", [True, False]),
        ("UINT8", "u1", [0, 255]),
        ("UINT16", "<u2", [0, 65_535]),
        ("UINT32", "<u4", [0, 2**32 - 1]),
        ("UINT64", "<u8", [0, 2**64 - 1]),
        ("INT8", "i1", [-128, 127]),
        ("INT16", "<i2", [-32_768, 1]),
        ("INT32", "<i4", [-(2**31), 1]),
        ("INT64", "<i8", [-(2**63), 2**63 - 1]),
        ("FP16", "<f2", [0.5, -2.0]),
        ("FP32", "<f4", [0.5, 1e30]),
        ("FP64", "<f8", [0.1, -1e300]),
    ],
)
def test_numbers_of_each_type_are_read(datatype: str, form: str, values: list[Any]) -> None:
    data = np.array(values, form).tobytes()
    assert decode(datatype, data, 2) == pytest.approx(values)
    assert {type(v) for v in decode(datatype, data, 2)} == {type(values[0])}
    for wrong in (data[:-1], data + b"\0", b""):
        with pytest.raises(ValueError, match=f"2 elements of {datatype} are {len(data)} bytes"):
            decode(datatype, wrong, 2)


def test_half_of_a_float32_is_read() -> None:
    upper = np.array([1.5, -2.0, np.nan], "<f4").view("<u4") >> 16
    one, two, nan = decode("BF16", upper.astype("<u2").tobytes(), 3)
    assert (one, two) == (1.5, -2.0)
    assert np.isnan(nan)


@given(st.lists(st.text()))
def test_texts_are_written_and_read(texts: list[str]) -> None:
    assert decode("BYTES", encode("BYTES", texts), len(texts)) == texts


@given(st.lists(st.floats(width=32, allow_nan=False)))
def test_numbers_are_written_and_read(numbers: list[float]) -> None:
    for datatype in ("FP32", "FP64"):
        assert decode(datatype, encode(datatype, numbers), len(numbers)) == numbers


@given(st.sampled_from(DATATYPES), st.binary(max_size=60), st.integers(0, 10_000))
def test_any_bytes_are_read_or_refused(datatype: str, data: bytes, count: int) -> None:
    try:
        values = decode(datatype, data, count)
    except ValueError:
        return
    assert len(values) == count


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"\x02\x00\x00", "end within element 0 of 1"),
        (b"\x02\x00\x00\x00a", "end within element 0 of 1"),
        (struct.pack("<I", 2**32 - 1) + b"abc", "end within element 0 of 1"),
        (b"\x01\x00\x00\x00ab", "1 bytes follow the last of 1 elements"),
        (b"\x01\x00\x00\x00\xff", "utf-8"),
    ],
)
def test_broken_texts_are_refused(data: bytes, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        decode("BYTES", data, 1)
