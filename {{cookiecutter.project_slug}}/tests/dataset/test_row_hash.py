"""A row's hash: the same row has the same one, wherever it stands; another row has another."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ml.contract import Contract
from ml.dataset.frame import read_table, typed
from ml.dataset.row_hash import row_hashes
from tests.conftest import HERE

Make = Callable[..., pd.DataFrame]


def test_every_row_has_its_own(contract: Contract, make_frame: Make) -> None:
    hashes = row_hashes(make_frame(5000), contract)
    assert hashes.dtype == np.uint64
    assert len(np.unique(hashes)) == 5000


def test_order_of_rows_and_columns_does_not_matter(contract: Contract, make_frame: Make) -> None:
    frame = make_frame(300)
    mixed = frame[frame.columns[::-1]].sample(frac=1, random_state=0)
    np.testing.assert_array_equal(
        row_hashes(mixed, contract), row_hashes(frame, contract)[mixed.index]
    )


def test_a_file_changes_nothing(contract: Contract, make_frame: Make, tmp_path: Path) -> None:
    frame = make_frame(300)
    frame.to_parquet(tmp_path / "rows.parquet", index=False)
    read = read_table(tmp_path / "rows.parquet", contract)
    np.testing.assert_array_equal(row_hashes(read, contract), row_hashes(frame, contract))


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("charge", 1.25),
        ("calls", np.nan),
        ("paperless", None),
        ("plan", "other"),
        ("seen", pd.Timestamp("2031-01-01")),
        ("customer", "somebody else"),
    ],
)
def test_another_value_is_another_row(
    contract: Contract, make_frame: Make, column: str, value: Any
) -> None:
    frame = make_frame(20).assign(paperless=True)
    changed = typed(frame.assign(**{column: value}), contract)
    assert not np.isin(row_hashes(changed, contract), row_hashes(frame, contract)).any()


def test_another_outcome_is_the_same_row(contract: Contract, make_frame: Make) -> None:
    frame = make_frame(20)
    np.testing.assert_array_equal(
        row_hashes(frame.assign(left="no"), contract), row_hashes(frame, contract)
    )


def test_values_that_are_swapped_make_another_row(contract: Contract, make_frame: Make) -> None:
    frame = make_frame(2).assign(charge=[1.0, 2.0], calls=[2.0, 1.0], plan="pro", city="Oslo")
    frame = frame.assign(paperless=True, customer="c", seen=frame["seen"][0])
    assert len(np.unique(row_hashes(frame, contract))) == 2


def test_a_missing_value_is_one_value(contract: Contract, make_frame: Make) -> None:
    frame = make_frame(3)
    some = frame.assign(customer=np.array([None, "c1", "c2"], dtype=object))
    other = frame.assign(customer=[np.nan, "c1", "c2"])
    np.testing.assert_array_equal(row_hashes(some, contract), row_hashes(other, contract))
    absent = frame.drop(columns="customer")
    np.testing.assert_array_equal(
        row_hashes(absent, contract), row_hashes(frame.assign(customer=None), contract)
    )


def test_zero_has_no_sign(contract: Contract, make_frame: Make) -> None:
    frame = make_frame(5)
    np.testing.assert_array_equal(
        row_hashes(frame.assign(charge=-0.0), contract),
        row_hashes(frame.assign(charge=0.0), contract),
    )


def test_a_row_of_the_journal_is_its_prediction(contract: Contract, make_frame: Make) -> None:
    ids = np.array(["a", "b", None, None], dtype=object)
    frame = make_frame(4).assign(prediction_id=ids)
    hashes = row_hashes(frame, contract)
    moved = typed(frame.assign(charge=1.5), contract)
    assert (row_hashes(moved, contract) == hashes).tolist() == [True, True, False, False]
    plain = row_hashes(frame.drop(columns="prediction_id"), contract)
    assert (plain == hashes).tolist() == [False, False, True, True]


def test_another_process_gives_the_same(
    contract: Contract, make_frame: Make, tmp_path: Path
) -> None:
    frame = make_frame(50)
    frame.to_parquet(tmp_path / "rows.parquet")
    (tmp_path / "contract.json").write_text(contract.model_dump_json(), encoding="utf-8")
    script = (
        "from pathlib import Path\nfrom ml.contract import load_contract\n"
        "from ml.dataset.frame import read_table\nfrom ml.dataset.row_hash import row_hashes\n"
        "contract = load_contract(Path('contract.json'))\n"
        "print(row_hashes(read_table(Path('rows.parquet'), contract), contract).tolist())\n"
    )
    env = {"PYTHONPATH": str(HERE), "PYTHONHASHSEED": "1", "PATH": "/usr/bin"}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=env, capture_output=True, check=True
    )
    assert done.stdout.decode().strip() == str(row_hashes(frame, contract).tolist())
