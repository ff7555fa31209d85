"""The released model as a component: its card, its parameters, the data that it was made of.

Reads: a release that is being made (model.onnx, model.json, contract.json, card.json,
reference.parquet, trained_rows.npy, lineage.json).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml.bundle import ABOUT_FILE, CARD_JSON, CARD_PAGE, CONTRACT_FILE, LINEAGE_FILE, MODEL_FILE
from ml.contract import load_contract
from ml.release.lineage import file_hash
from ml.seal.manifest import BESIDE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ml.contract import Contract

MODEL = "model"  # the document's names
RAW = "data/raw"
ROLES = dict(
    zip(
        BESIDE,
        (
            "held-out rows with their answers, by which the model was measured",
            "hashes of the rows that the model learned from",
        ),
        strict=True,
    )
)
ROWS = ("rows", "training_rows", "held_out_rows")
ORIGIN = (
    "bundle_hash",
    "git_commit",
    "git_dirty",
    "dvc_lock",
    "mlflow_run",
    "data",
    "contract",
    "requirements",
    "environment",
)


def model_bom(folder: Path) -> dict[str, Any]:
    """The model for `metadata.component`, with its data as components.

    Args:
        folder: of the release, with its card.
    """
    lineage = _json(folder / LINEAGE_FILE)
    data = _data(folder, lineage)
    refs = [component["bom-ref"] for component in data]
    model = {
        "type": "machine-learning-model",
        "bom-ref": MODEL,
        "name": lineage["name"],
        "version": lineage["version"],
        "hashes": [_sha256(folder / MODEL_FILE)],
        "modelCard": _card(folder, refs),
        "externalReferences": _references(folder),
        "properties": _properties(lineage),
    }
    return {
        "model": model,
        "components": data,
        "dependencies": [{"ref": MODEL, "dependsOn": refs}],
    }


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _sha256(path: Path) -> dict[str, str]:
    return {"alg": "SHA-256", "content": file_hash(path)}


def _data(folder: Path, lineage: dict[str, Any]) -> list[dict[str, Any]]:
    """The raw data by DVC's hash of it, and what the release keeps of it."""
    figures = _card_json(folder)["figures"].get("metrics/card.json", {}).get("data", {})
    counted = [f"{figures[n]:,} {n.replace('_', ' ')}" for n in ROWS if n in figures]
    raw = {
        "type": "data",
        "bom-ref": RAW,
        "name": RAW,
        "version": lineage["data"],
        "description": ", ".join(["the table that DVC keeps", *counted]),
        # DVC's md5 of the folder's listing
        "hashes": [{"alg": "MD5", "content": lineage["data"].removesuffix(".dir")}],
        "data": [{"type": "dataset", "name": RAW}],
    }
    return [raw, *(_file(folder / name) for name in BESIDE if (folder / name).is_file())]


def _file(path: Path) -> dict[str, Any]:
    return {
        "type": "data",
        "bom-ref": path.name,
        "name": path.name,
        "description": ROLES[path.name],
        "hashes": [_sha256(path)],
        "data": [{"type": "dataset", "name": path.name}],
    }


def _card(folder: Path, data: list[str]) -> dict[str, Any]:
    about, contract = _json(folder / ABOUT_FILE), load_contract(folder / CONTRACT_FILE)
    kept = _card_json(folder)
    parameters = {
        "approach": {"type": "supervised"},
        "task": contract.target.task,
        "architectureFamily": about["model"],
        "datasets": [{"ref": ref} for ref in data],
        "inputs": [{"format": f"{c.name}: {c.kind}"} for c in contract.columns],
        "outputs": [{"format": _output(contract)}],
    }
    measured = list(_metrics(about, kept["figures"]))
    card: dict[str, Any] = {
        "modelParameters": parameters,
        "quantitativeAnalysis": {"performanceMetrics": measured},
    }
    considerations = _considerations(kept["words"])
    return card | ({"considerations": considerations} if considerations else {})


def _card_json(folder: Path) -> dict[str, Any]:
    kept: dict[str, Any] = _json(folder / CARD_JSON)
    return kept


def _output(contract: Contract) -> str:
    target = contract.target
    if not contract.is_classification:
        return f"{target.name}: number"
    return f"{target.name}: probability of {', '.join(target.classes)}"


def _metrics(about: dict[str, Any], figures: dict[str, Any]) -> Iterable[dict[str, Any]]:
    """The model's metrics with their intervals, then those of the baseline."""
    intervals = figures.get("metrics/card.json", {}).get("intervals", {}).get("model", {})
    for name, value in about["metrics"].items():
        metric = {"type": name, "value": str(value)}
        if ends := intervals.get(name):
            low, high = map(str, ends)
            metric |= {"confidenceInterval": {"lowerBound": low, "upperBound": high}}
        yield metric
    for name, value in about["baseline"].items():
        yield {"type": f"{name} of the naive baseline", "value": str(value)}


def _considerations(words: dict[str, str | None]) -> dict[str, Any]:
    """What people wrote in params.yaml, where the format has a place for it."""
    said = {name: text.strip() for name, text in words.items() if text and text.strip()}
    limits = [said[name] for name in ("known_limits", "out_of_scope") if name in said]
    found: dict[str, Any] = {}
    if "intended_use" in said:
        found["useCases"] = [said["intended_use"]]
    if limits:
        found["technicalLimitations"] = limits
    if "considerations" in said:
        found["ethicalConsiderations"] = [{"name": said["considerations"]}]
    return found


def _references(folder: Path) -> list[dict[str, Any]]:
    page = folder / CARD_PAGE
    return [{"type": "model-card", "url": CARD_PAGE, "hashes": [_sha256(page)]}]


def _properties(lineage: dict[str, Any]) -> list[dict[str, str]]:
    """Where the model comes from, and every parameter by which it was made."""
    named = {f"ml:{name}": lineage[name] for name in ORIGIN if name in lineage}
    settings = {f"ml:params:{name}": value for name, value in lineage["params"].items()}
    return [
        {"name": name, "value": value if isinstance(value, str) else json.dumps(value, default=str)}
        for name, value in {**named, **settings}.items()
    ]
