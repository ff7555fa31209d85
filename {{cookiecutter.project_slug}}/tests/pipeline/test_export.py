"""What an export needs from the stages before it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ml.contract import Contract, contract_json
from ml.errors import UserError
from ml.pipeline import export
from ml.pipeline.stored_models import model_path
from ml.pipeline.training.onnx_convert import constant_onnx
from tests.conftest import write_settings


def test_a_missing_report_is_named_with_the_command_that_makes_it(
    contract: Contract, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_settings(tmp_path / "params.yaml")
    Path("contract.yaml").write_text(contract_json(contract), encoding="utf-8")  # JSON is YAML
    model_path("model").parent.mkdir()
    model_path("model").write_bytes(constant_onnx(np.array([0.25, 0.75]), contract))
    with pytest.raises(UserError, match=r"metrics/candidates.json: no such file\n.*make flow"):
        export.main()
    assert not Path("bundle").exists()
