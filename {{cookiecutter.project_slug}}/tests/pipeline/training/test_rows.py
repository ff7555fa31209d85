"""A table that is read by groups of rows gives what the whole frame gives, in order of time."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ml.contract import Contract
from ml.dataset.frame import encode_frame, target_codes
from ml.dataset.row_hash import row_hashes
from ml.encode import Encoder
from ml.pipeline.training import rows
from ml.pipeline.training.rows import read_rows


@pytest.mark.parametrize("time", ["seen", None])
@pytest.mark.parametrize("mapped_bytes", [rows.MAPPED_BYTES, 0])
def test_by_groups_or_as_a_whole(
    contract: Contract,
    make_frame: Callable[..., pd.DataFrame],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    time: str | None,
    mapped_bytes: int,
) -> None:
    monkeypatch.setattr(rows, "MAPPED_BYTES", mapped_bytes)
    asked = contract.model_copy(update={"time": time})
    frame = make_frame(500).sample(frac=1, random_state=3, ignore_index=True)
    frame.loc[::50, "seen"] = pd.NaT
    frame.to_parquet(tmp_path / "table.parquet", row_group_size=60)
    read = read_rows(tmp_path / "table.parquet", asked)
    whole = frame.sort_values("seen", kind="stable", na_position="first") if time else frame
    assert isinstance(read.x, np.memmap) == (mapped_bytes == 0)
    np.testing.assert_array_equal(read.x, encode_frame(whole, Encoder(asked)))
    np.testing.assert_array_equal(read.y, target_codes(whole, asked))
    np.testing.assert_array_equal(read.hashes, row_hashes(whole, asked))
    assert [path.name for path in tmp_path.iterdir()] == ["table.parquet"]


def test_a_mapped_matrix_that_finds_no_room_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Writing to a page without room would end the process by SIGBUS."""
    monkeypatch.setattr(rows, "MAPPED_BYTES", 0)
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(tmp_path)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("a small file system cannot be mounted here")
    try:
        rows._matrix(10_000, 20, tmp_path)[:] = 1
        with pytest.raises(OSError, match="No space left") as error:
            rows._matrix(30_000, 20, tmp_path)
    finally:
        subprocess.run(["umount", "-l", str(tmp_path)], check=True)
    assert error.value.filename == str(tmp_path)
