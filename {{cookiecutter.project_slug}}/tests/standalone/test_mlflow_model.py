"""The registered model, loaded and served by MLflow itself: it predicts what the service does."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pytest
from mlflow.models import Model
from mlflow.pyfunc import scoring_server
from starlette.testclient import TestClient

from ml.bundle import MODEL_FILE
from ml.contract import Contract
from ml.serving.api.app import create_app
from ml.standalone import mlflow_model
from tests.serving.conftest import (
    CLASSIFICATION,
    REGRESSION,
    live_in_served_project,
    point,
    sample_rows,
    settings_of,
)
from tests.test_structure import closure

INVOCATIONS = "/invocations"
JSON, CSV = {"content-type": "application/json"}, {"content-type": "text/csv"}


def saved(releases: Path, folder: Path, contract: Contract, version: str) -> Path:
    """The folder that a release registers."""
    model = releases / version / MODEL_FILE
    mlflow_model.save_model(str(folder), Model(), model, contract, pip_requirements=["numpy"])
    return folder


def bodies(contract: Contract) -> list[tuple[Any, dict[str, str]]]:
    """Rows in each form that `mlflow models serve` reads, some values missing."""
    rows = sample_rows(contract, 40, seed=3)
    for i, column in enumerate(contract.columns):
        if column.missing:
            rows[i][column.name] = None
    frame = pd.DataFrame(rows)
    columns = {name: [row[name] for row in rows] for name in contract.names}
    complete = [row for row in rows if None not in row.values()]
    forms: list[dict[str, Any]] = [
        {"dataframe_split": frame.to_dict(orient="split")},  # with NaN, as MLflow's client sends it
        {"dataframe_records": rows},
        {"instances": complete},  # of None it makes the text "None" there
        {"inputs": complete},
        {"inputs": {name: values[20:] for name, values in columns.items()}},
        {"inputs": complete[0]},
    ]
    listed = [(json.dumps(form), JSON) for form in forms]
    return [*listed, (frame.to_csv(index=False), CSV), (frame.to_csv(), CSV)]


@pytest.mark.parametrize(
    ("contract", "version"), [(CLASSIFICATION, "1"), (REGRESSION, "r")], ids=["classes", "numbers"]
)
def test_mlflows_scoring_server_and_the_service_answer_the_same(
    releases: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    contract: Contract,
    version: str,
) -> None:
    project = live_in_served_project(releases, tmp_path, monkeypatch)
    point(project, version)
    folder = saved(releases, tmp_path / "model", contract, version)
    theirs = TestClient(scoring_server.init(mlflow.pyfunc.load_model(str(folder))))
    with TestClient(create_app(settings_of(project))) as ours:
        for content, headers in bodies(contract):
            due = theirs.post(INVOCATIONS, content=content, headers=headers)
            answer = ours.post(INVOCATIONS, content=content, headers=headers)
            assert due.status_code == answer.status_code == 200, due.text + answer.text
            assert answer.json()["predictions"] == due.json()["predictions"]
        for path in ("/ping", "/health"):
            assert ours.get(path).text == theirs.get(path).text
        for wrong in ("{}", "[1]", "{"):
            refused = [c.post(INVOCATIONS, content=wrong, headers=JSON) for c in (ours, theirs)]
            assert [set(r.json()) >= {"error_code", "message"} for r in refused] == [True, True]
            assert [r.status_code for r in refused] == [400, 400]


def test_the_model_needs_no_project_around_it(releases: Path, tmp_path: Path) -> None:
    """Loaded by a process that does not know the project: the folder brings the modules."""
    folder = saved(releases, tmp_path / "model", REGRESSION, "r")
    code = (
        "import sys, mlflow, pandas\n"
        f"model = mlflow.pyfunc.load_model({str(folder)!r})\n"
        "print(model.predict(pandas.DataFrame({'a': [1.0], 'b': ['x']})).tolist())\n"
        f"assert sys.modules['ml'].__file__.startswith({str(folder)!r})"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (value,) = json.loads(done.stdout)
    assert isinstance(value, float)


def test_the_onnx_model_is_there_in_mlflows_own_flavor(releases: Path, tmp_path: Path) -> None:
    folder = saved(releases, tmp_path / "model", CLASSIFICATION, "1")
    model = mlflow.onnx.load_model(str(folder))
    assert model.SerializeToString() == (releases / "1" / MODEL_FILE).read_bytes()
    columns = mlflow.models.get_model_info(str(folder)).signature.inputs
    assert columns.input_names() == CLASSIFICATION.names
    assert "month" not in columns.required_input_names()


def test_a_row_that_breaks_the_contract_is_refused(releases: Path, tmp_path: Path) -> None:
    model = mlflow.pyfunc.load_model(str(saved(releases, tmp_path / "model", REGRESSION, "r")))
    with pytest.raises(Exception, match='column "b": "z" is not one of "x", "y"'):
        model.predict(pd.DataFrame({"a": [1.0], "b": ["z"]}))


def test_the_folder_holds_what_the_module_imports() -> None:
    project = mlflow_model.ML.parent
    reached = {
        str(p.relative_to(project / "ml"))
        for p in closure(project / "ml/standalone/mlflow_model.py")
    }
    modules = {name for name in mlflow_model.CODE if not name.endswith("__init__.py")}
    assert modules == reached | {"atomic.py", "errors.py", "seal/manifest.py", "seal/signature.py"}
