"""The benchmark's model: as our bundle, as a scikit-learn pipeline for the peers; the bodies.

Both are the same HistGradientBoosting trained on the same rows: 12 numbers with gaps, 6 categories.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from ml.bundle import onnx_answers, write_bundle
from ml.contract import Contract
from ml.dataset.frame import frame_of_rows
from ml.encode import Encoder
from ml.model import make_model
from ml.params import load_params
from ml.pipeline.training.onnx_convert import to_onnx

LEVELS = ["north", "south", "east", "west", "up", "down"]
NUMBERS = [f"number_{i}" for i in range(12)]
CATEGORIES = [f"category_{i}" for i in range(6)]
CONTRACT = Contract.model_validate(
    {
        "target": {"name": "churned", "task": "binary", "classes": ["no", "yes"]},
        "columns": [
            *({"kind": "numeric", "name": name, "missing": True} for name in NUMBERS),
            *({"kind": "categorical", "name": name, "levels": LEVELS} for name in CATEGORIES),
        ],
    }
)


def write_model(folder: Path) -> None:
    """Write bundle/, peer.skops, mlflow-model/ and the request bodies where they are missing."""
    if (folder / "complete").is_file():
        return
    rng = np.random.default_rng(7)
    rows = [_row(rng) for _ in range(8000)]
    x = Encoder(CONTRACT).rows(rows)
    score = (
        np.nan_to_num(x[:, 0]) / 20
        + 0.5 * (x[:, 12] == 2)
        - 0.4 * (x[:, 13] == 1)
        + rng.normal(0, 0.7, len(x))
    )
    y = (score > np.median(score)).astype(int)
    params = load_params().train
    fitted = make_model(CONTRACT, params).fit(x, y)
    _write_bundle(folder / "bundle", to_onnx(fitted, CONTRACT), rows[:16], x[:16])
    _write_peer(folder, rows, y, params)
    for size in (1, 1000):
        _write_bodies(folder, rows[:size])
    (folder / "complete").touch()


def _row(rng: np.random.Generator) -> dict[str, Any]:
    values = [None if rng.random() < 0.05 else round(float(rng.normal(50, 20)), 3) for _ in NUMBERS]
    return dict(zip(NUMBERS, values, strict=True)) | {
        name: str(rng.choice(LEVELS)) for name in CATEGORIES
    }


def _write_bundle(folder: Path, model: bytes, rows: list[dict[str, Any]], x: Any) -> None:
    golden = {"rows": rows, "answers": onnx_answers(model, x).tolist()}
    write_bundle(
        folder, model, CONTRACT, {"model": "boosting", "metrics": {}, "baseline": {}}, golden
    )
    (folder / "lineage.json").write_text(json.dumps({"name": "benchmark", "version": "1"}))
    files = {
        f.name: hashlib.sha256(f.read_bytes()).hexdigest()
        for f in folder.iterdir()
        if f.name != "manifest.json"
    }
    (folder / "manifest.json").write_text(json.dumps({"files": files}))


def _write_peer(folder: Path, rows: list[dict[str, Any]], y: Any, params: Any) -> None:
    import mlflow.sklearn
    import skops.io
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OneHotEncoder

    estimator = make_model(CONTRACT, params)[-1]
    one_hot = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    columns = ColumnTransformer(
        [("numbers", "passthrough", NUMBERS), ("levels", one_hot, CATEGORIES)]
    )
    pipeline = Pipeline([("columns", columns), ("estimator", estimator)]).fit(
        frame_of_rows(rows, CONTRACT), y
    )
    skops.io.dump(pipeline, folder / "peer.skops")
    trusted = skops.io.get_untrusted_types(file=folder / "peer.skops")
    mlflow.sklearn.save_model(
        pipeline, folder / "mlflow-model", skops_trusted_types=trusted, pip_requirements=[]
    )


def _write_bodies(folder: Path, rows: list[dict[str, Any]]) -> None:
    names = CONTRACT.names
    columns = {name: [row[name] for row in rows] for name in names}
    inputs = [
        {
            "name": n,
            "shape": [len(rows), 1],
            "datatype": "FP64" if n in NUMBERS else "BYTES",
            "data": _filled(columns[n]),
        }
        for n in names
    ]
    bodies = {
        "rows": rows[0] if len(rows) == 1 else rows,
        "list": {"rows": rows},
        "mlflow": {
            "dataframe_split": {"columns": names, "data": [[row[n] for n in names] for row in rows]}
        },
        "v2": {"inputs": inputs},
    }
    for form, body in bodies.items():
        path = folder / f"{form}-{len(rows)}.json"
        path.write_text(json.dumps(body))
        path.with_suffix(".lua").write_text(
            f'local file = io.open("{path}", "r")\n'
            'wrk.method = "POST"\nwrk.body = file:read("*a")\n'
            'wrk.headers["Content-Type"] = "application/json"\nfile:close()\n'
        )


def _filled(values: list[Any]) -> list[Any]:
    return [0.0 if value is None else value for value in values]  # MLServer's numbers know no gaps
