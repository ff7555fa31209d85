"""The model's bill of materials, of each task, with whatever people wrote."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from ml.release.bom.model import model_bom
from ml.release.bom.write import MODEL_FILE, write
from ml.release.lineage import file_hash
from tests.release.bom.schema import fault, valid

LINEAGE: dict[str, Any] = {
    "name": "churn",
    "version": "7",
    "bundle_hash": "b" * 64,
    "git_commit": None,
    "git_dirty": True,
    "dvc_lock": "d" * 64,
    "mlflow_run": "r" * 32,
    "data": "0123456789abcdef0123456789abcdef.dir",
    "released_at": "2026-11-03T12:00:00+00:00",
    "params": {"train.model": "boosting", "train.class_weight": None, "train.boosting.l2": 1.0},
}
FIGURES = {
    "metrics/card.json": {
        "data": {"rows": 1200, "training_rows": 947, "held_out_rows": 253},
        "intervals": {"model": {"roc_auc": [0.81, 0.93]}},
    }
}


def release(folder: Path, of: Path, words: dict[str, str | None]) -> Path:
    """A release that has its card and files beside it, without bills of materials."""
    shutil.copytree(of, folder)
    (folder / "lineage.json").write_text(json.dumps(LINEAGE))
    (folder / "card.json").write_text(json.dumps({"figures": FIGURES, "words": words}))
    (folder / "card.html").write_text("a card")
    (folder / "reference.parquet").write_bytes(b"rows")
    return folder


@pytest.mark.parametrize("version", ["1", "r"])
def test_what_it_says(version: str, releases: Path, tmp_path: Path) -> None:
    words = {"intended_use": "call those\nwho leave", "known_limits": "<few rows>", "contact": None}
    folder = release(tmp_path / "7", releases / version, words)
    write(folder, LINEAGE)
    document = valid(folder / MODEL_FILE)
    model = document["metadata"]["component"]
    assert (model["name"], model["version"]) == ("churn", "7")
    assert model["hashes"] == [{"alg": "SHA-256", "content": file_hash(folder / "model.onnx")}]
    card = model["modelCard"]
    used = [each["ref"] for each in card["modelParameters"]["datasets"]]
    assert used == ["data/raw", "reference.parquet"]
    assert card["quantitativeAnalysis"]["performanceMetrics"] == [
        {
            "type": "roc_auc",
            "value": "0.9",
            "confidenceInterval": {"lowerBound": "0.81", "upperBound": "0.93"},
        },
        {"type": "roc_auc of the naive baseline", "value": "0.5"},
    ]
    assert card["considerations"] == {
        "useCases": ["call those\nwho leave"],
        "technicalLimitations": ["<few rows>"],
    }
    raw, reference = document["components"]
    assert raw["hashes"] == [{"alg": "MD5", "content": LINEAGE["data"][:32]}]
    assert raw["description"].endswith("1,200 rows, 947 training rows, 253 held out rows")
    assert reference["hashes"][0]["content"] == file_hash(folder / "reference.parquet")
    properties = {each["name"]: each["value"] for each in model["properties"]}
    assert properties["ml:git_commit"] == "null"
    assert properties["ml:params:train.model"] == "boosting"
    assert properties["ml:params:train.boosting.l2"] == "1.0"


def test_nothing_that_people_wrote_breaks_the_schema(releases: Path, tmp_path: Path) -> None:
    said = ["", " ", "\u202e\x1b[31m", '"}],"x":[', "łódź 🎉" * 500]
    names = ("intended_use", "out_of_scope", "known_limits", "considerations", "contact")
    folder = release(tmp_path / "7", releases / "1", dict(zip(names, said, strict=True)))
    write(folder, LINEAGE)
    document = valid(folder / MODEL_FILE)
    considered = document["metadata"]["component"]["modelCard"]["considerations"]
    assert considered == {
        "technicalLimitations": ["\u202e\x1b[31m"],
        "ethicalConsiderations": [{"name": said[3]}],
    }


def test_a_release_without_figures_and_words(releases: Path, tmp_path: Path) -> None:
    folder = release(tmp_path / "7", releases / "1", {})
    (folder / "card.json").write_text(json.dumps({"figures": {}, "words": {}}))
    (folder / "reference.parquet").unlink()
    found = model_bom(folder)
    assert "considerations" not in found["model"]["modelCard"]
    assert found["components"][0]["description"] == "the table that DVC keeps"


def test_the_schema_is_asked() -> None:
    document = {"bomFormat": "CycloneDX", "specVersion": "1.6", "components": []}
    assert fault(document) is None
    assert fault({**document, "components": [{"type": "model"}]}) is not None
    assert fault({**document, "model": {}}) is not None
