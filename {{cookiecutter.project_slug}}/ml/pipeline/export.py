"""The bundle that serves: the model, the contract, what is known of it, and golden answers.

Reads: contract.yaml, params.yaml (export), models/model.onnx, metrics/*.json, reports/*.json,
data/explain.npy.
Writes: bundle/ (model.onnx, contract.json, model.json, golden.json, explain.npy).
Run: `python -m ml.pipeline.export` (dvc stage `export`).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ml.bundle import write_bundle
from ml.contract import load_contract
from ml.encode import Encoder
from ml.errors import UserError
from ml.params import load_params
from ml.pipeline.artifacts import (
    BUNDLE,
    CANDIDATES,
    EVALUATION,
    EXPLAIN_POOL,
    METRICS,
    PARITY,
)
from ml.pipeline.golden import golden_rows
from ml.pipeline.stage import run_stage
from ml.pipeline.stored_models import load_model, model_path


def main() -> None:
    """Put the files together."""
    contract, params = load_contract(), load_params().export
    encoder = Encoder(contract)
    rows = golden_rows(contract, params.golden_rows)
    # what a server must reproduce is the answer of this very model: scikit-learn's may lie as far
    # off as parity allows
    golden = {"rows": rows, "answers": load_model("model")(encoder.rows(rows)).tolist()}
    model = model_path("model").read_bytes()
    write_bundle(BUNDLE, model, contract, _about(encoder), golden, _present(EXPLAIN_POOL))
    print(f"export: {BUNDLE}/ with {len(rows)} golden rows", flush=True)


def _about(encoder: Encoder) -> dict[str, Any]:
    comparison = _json(CANDIDATES)
    return {
        "model": comparison["chosen"],
        "comparison": comparison,
        **_json(EVALUATION / "summary.json"),
        "metrics": _json(METRICS / "model.json"),
        "baseline": _json(METRICS / "baseline.json"),
        "parity": _json(PARITY),
        "features": [feature.name for feature in encoder.features],
        "importance": _json(EVALUATION / "importance.json"),
    }


def _json(path: Path) -> Any:
    return json.loads(_present(path).read_text(encoding="utf-8"))


def _present(path: Path) -> Path:
    if not path.is_file():
        raise UserError(f"{path}: no such file", "make flow")
    return path


if __name__ == "__main__":
    run_stage(main)
