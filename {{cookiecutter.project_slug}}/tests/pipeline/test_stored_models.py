"""Stored estimators: read back alike, and a missing or damaged file is a mistake, not a crash."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.contract import Contract
from ml.encode import Encoder
from ml.errors import UserError
from ml.pipeline import stored_models
from ml.pipeline.stored_models import load_model, model_path
from ml.pipeline.training.onnx_convert import constant_onnx


@pytest.fixture
def stored(contract: Contract, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An estimator whose answer is known."""
    monkeypatch.setattr(stored_models, "MODELS", tmp_path)
    path = model_path("baseline")
    path.write_bytes(constant_onnx(np.array([0.25, 0.75]), contract))
    return path


def test_an_estimator_answers_as_it_was_stored(stored: Path, contract: Contract) -> None:
    x = np.zeros((3, len(Encoder(contract).features)), dtype=np.float32)
    np.testing.assert_array_equal(load_model(stored.stem)(x), [[0.25, 0.75]] * 3)


def test_a_missing_file_names_the_command_that_makes_it(stored: Path) -> None:
    stored.unlink()
    with pytest.raises(UserError, match=r"baseline.onnx: no such file\n.*make flow"):
        load_model("baseline")


def test_a_model_cut_short_is_a_mistake(stored: Path) -> None:
    stored.write_bytes(stored.read_bytes()[:-40])
    with pytest.raises(UserError, match="is not a stored model"):
        load_model("baseline")


@settings(max_examples=50, deadline=None)
@given(content=st.binary(min_size=1, max_size=200))
def test_a_file_of_any_bytes_is_a_mistake_and_no_crash(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    folder = tmp_path_factory.mktemp("bytes")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stored_models, "MODELS", folder)
        model_path("model").write_bytes(content)
        with pytest.raises(UserError, match="is not a stored model"):
            load_model("model")
