"""The stage: each row is on one side, in the order of the ingested table."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from ml.contract import Contract, contract_json
from ml.pipeline import split
from ml.pipeline.artifacts import INGESTED, TEST, TRAIN

PARAMS = Path(__file__).parents[2] / "params.yaml"


def test_every_row_is_on_one_side(
    contract: Contract,
    make_frame: Callable[..., pd.DataFrame],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copyfile(PARAMS, "params.yaml")
    Path("contract.yaml").write_text(contract_json(contract))  # JSON is YAML
    frame = make_frame(500)
    INGESTED.parent.mkdir()
    frame.to_parquet(INGESTED, row_group_size=70)
    split.main()
    sides = [pd.read_parquet(path) for path in (TRAIN, TEST)]
    for side in sides:
        assert side["customer"].tolist() == [
            c for c in frame["customer"] if c in {*side["customer"]}
        ]
    assert sorted(pd.concat(sides)["customer"]) == sorted(frame["customer"])
