"""The registered model as MLflow loads and serves it: rows of the contract in, predictions out.

`mlflow.pyfunc.load_model("models:/name@champion")` and `mlflow models serve` take the columns that
a request to the service has, and predict what it does. The folder holds the ONNX model in MLflow's
own flavor too (`mlflow.onnx.load_model`), the contract, and the few modules that make a row a
matrix. Nothing in it is unpickled.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from ml.atomic import write_text
from ml.bundle import CONTRACT_FILE, MODEL_FILE, onnx_session
from ml.contract import Boolean, Column, Contract, Integer, Numeric, contract_json, load_contract
from ml.encode import Encoder
from ml.request_schema.rows import RequestSchema

ML = Path(__file__).parents[1]
CODE = (  # what this module imports of the project
    "__init__.py",
    "atomic.py",
    "bundle.py",
    "clock.py",
    "contract.py",
    "encode.py",
    "errors.py",
    "request_schema/__init__.py",
    "request_schema/column_types.py",
    "request_schema/objects.py",
    "request_schema/rows.py",
    "seal/__init__.py",
    "seal/manifest.py",
    "seal/signature.py",
    "standalone/__init__.py",
    "standalone/mlflow_model.py",
)


def save_model(
    path: str, mlflow_model: Any, model: Path, contract: Contract, **settings: Any
) -> None:
    """Write the folder of a model; MLflow's `Model.log` calls it and uploads the folder.

    Args:
        path: the folder.
        mlflow_model: its description (`mlflow.models.Model`).
        model: the ONNX file.
        contract: what a row is.
        settings: of `mlflow.onnx.save_model`.
    """
    import mlflow.onnx
    import onnx

    folder = Path(path)
    columns = signature(contract)
    mlflow.onnx.save_model(
        onnx.load(model), path, mlflow_model=mlflow_model, signature=columns, **settings
    )
    write_text(folder / CONTRACT_FILE, contract_json(contract))
    for name in CODE:
        copy = folder / "code" / "ml" / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ML / name, copy)
    loader = mlflow_model.flavors["python_function"]
    loader.pop("data")  # the loader gets the whole folder
    loader.update(loader_module="ml.standalone.mlflow_model", code="code")
    mlflow_model.save(str(folder / "MLmodel"))


def signature(contract: Contract) -> Any:
    """The columns that a request has, for MLflow's check of its input."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    inputs = [
        ColSpec(_type(c), c.name, required=not (c.missing or c.name == contract.time))
        for c in contract.columns
    ]
    answers = ColSpec("string" if contract.is_classification else "double")
    return ModelSignature(Schema(inputs), Schema([answers]))


def _type(column: Column) -> str:
    """MLflow's type of a column.

    A boolean column with missing values is one of numbers, because MLflow makes None False.
    """
    if isinstance(column, Numeric | Integer) or (isinstance(column, Boolean) and column.missing):
        return "double"
    return "boolean" if isinstance(column, Boolean) else "string"


def _load_pyfunc(path: str) -> RowModel:
    """What MLflow calls to load the folder."""
    return RowModel(Path(path))


class RowModel:
    """Answers frames of rows.

    Args:
        folder: of the model.
    """

    def __init__(self, folder: Path) -> None:
        self._contract = load_contract(folder / CONTRACT_FILE)
        self._encoder = Encoder(self._contract)
        self._session = onnx_session((folder / MODEL_FILE).read_bytes())

    def predict(self, model_input: Any) -> Any:
        """The likeliest class of each row, or its value.

        Args:
            model_input: a pandas frame with the contract's columns.

        Raises:
            RefusedError: a row is not valid for the contract.
        """
        rows = self._rows(model_input)
        answers = self._session.run(None, {"x": self._encoder.rows(rows)})[0]
        if self._contract.is_classification:
            return np.array(self._contract.target.classes, dtype=object)[answers.argmax(axis=1)]
        # the shortest number that tells a float32 from its neighbor, as the service answers it
        return np.array([float(str(value)) for value in answers[:, 0]])

    def _rows(self, frame: Any) -> list[dict[str, Any]]:
        """The frame's rows as a request has them, validated as one."""
        flags = {c.name for c in self._contract.columns if isinstance(c, Boolean)}
        known = [name for name in self._contract.names if name in frame]
        values = frame[known].astype(object)
        records = [
            {n: bool(v) if n in flags and v is not None else v for n, v in row.items()}
            for row in values.where(values.notna(), None).to_dict(orient="records")
        ]
        schema = RequestSchema(self._contract, max(1, len(records)))
        return schema.parse(json.dumps(records).encode())[0]
