"""A bundle is served only when every file and every golden answer is as it was released."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ml.bundle import load_bundle, load_onnx
from ml.contract import Contract
from ml.errors import UserError
from ml.model import make_model
from ml.params import Params
from ml.pipeline.training.onnx_convert import to_onnx
from tests.serving.conftest import point, seal


@pytest.fixture
def folder(releases: Path, tmp_path: Path) -> Path:
    """A copy of version 1."""
    return Path(shutil.copytree(releases / "1", tmp_path / "1"))


def _golden(change: Callable[[dict[str, list[list[float]]]], object]) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        golden = json.loads((folder / "golden.json").read_text())
        change(golden)
        (folder / "golden.json").write_text(json.dumps(golden))
        seal(folder, "1")

    return spoil


def _flip_a_bit(folder: Path) -> None:
    content = bytearray((folder / "model.onnx").read_bytes())
    content[len(content) // 2] ^= 1
    (folder / "model.onnx").write_bytes(content)


def _not_onnx(folder: Path) -> None:
    (folder / "model.onnx").write_bytes(b"not a model")
    seal(folder, "1")


def _other_contract(folder: Path) -> None:
    contract = json.loads((folder / "contract.json").read_text())
    contract["columns"] = contract["columns"][:2]
    contract["time"] = None
    (folder / "contract.json").write_text(json.dumps(contract))
    (folder / "explain.npy").unlink()
    seal(folder, "1")


def _narrow_rows(folder: Path) -> None:
    np.save(folder / "explain.npy", np.zeros((20, 3), dtype=np.float32))
    seal(folder, "1")


def _pickled_rows(folder: Path) -> None:
    np.save(folder / "explain.npy", np.array([{}, {}]), allow_pickle=True)
    seal(folder, "1")


def test_a_sound_bundle_loads_through_the_link(releases: Path, tmp_path: Path) -> None:
    shutil.copytree(releases / "1", tmp_path / "serving/releases/1")
    point(tmp_path, "1")
    bundle = load_bundle(tmp_path / "serving/champion")
    assert bundle.version == "1"
    assert bundle.folder == (tmp_path / "serving/releases/1").resolve()


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (shutil.rmtree, "there is no released model here"),
        (lambda f: (f / "model.onnx").unlink(), "model.onnx: No such file"),
        (lambda f: (f / "manifest.json").unlink(), "manifest.json is missing"),
        (lambda f: (f / "manifest.json").write_text("{"), "manifest.json is not a manifest"),
        (lambda f: (f / "manifest.json").write_text('{"files": {}}'), "does not list model.onnx"),
        (_flip_a_bit, "model.onnx differs from its hash"),
        (_not_onnx, "model.onnx cannot be loaded"),
        (_narrow_rows, r"explain.npy holds float32 \(20, 3\), not rows of 11"),
        (_pickled_rows, "cannot be read: Object arrays cannot be loaded when allow_pickle=False"),
        (_other_contract, "model.onnx cannot answer the golden rows"),
        (
            _golden(lambda g: g["answers"][3].__setitem__(0, g["answers"][3][0] + 2e-5)),
            "golden row 3: the model answers",
        ),
        (
            _golden(lambda g: g["answers"].pop()),
            r"golden.json holds answers \(7, 2\), the model gives \(8, 2\)",
        ),
        (_golden(lambda g: g.update(rows=[], answers=[])), "golden.json holds answers"),
    ],
)
def test_an_unsound_bundle_is_refused_by_name(
    folder: Path, spoil: Callable[[Path], object], says: str
) -> None:
    spoil(folder)
    with pytest.raises(UserError, match=says) as raised:
        load_bundle(folder)
    assert str(folder) in raised.value.what
    assert "make release" in raised.value.then


def test_rounding_of_a_golden_answer_is_no_difference(folder: Path) -> None:
    _golden(lambda g: g["answers"][3].__setitem__(0, g["answers"][3][0] + 5e-7))(folder)
    assert load_bundle(folder).version == "1"


@pytest.mark.parametrize("kind", ["linear", "boosting"])
def test_an_answer_does_not_depend_on_the_rows_beside_it(kind: str, params: Params) -> None:
    """A linear model's row that was asked alone differed in its last bit."""
    names = [{"kind": "numeric", "name": f"x{i}"} for i in range(18)]
    target = {"name": "y", "task": "binary", "classes": ["n", "y"]}
    contract = Contract.model_validate({"target": target, "columns": names})
    rng = np.random.default_rng(0)
    x = rng.normal(size=(500, len(names))).astype(np.float32)
    y = (x[:, 0] + rng.normal(size=len(x)) > 0).astype(int)
    train = params.train.model_copy(update={"model": kind})
    answer = load_onnx(to_onnx(make_model(contract, train).fit(x, y), contract))
    together = answer(x)
    for size in (1, 2, 7):
        apart = [answer(x[i : i + size]) for i in range(0, len(x), size)]
        assert np.array_equal(np.concatenate(apart), together)
