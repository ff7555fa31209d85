"""Every table of traps through pipeline, release, server and monitor.

A request is answered as the evaluated model answers.

The stages run in this process and DVC takes their files as they are (`dvc commit`): seconds instead
of a minute.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from ml.adopt.contract_file import contract_yaml
from ml.bundle import Answer, load_bundle
from ml.dataset.frame import read_table, rows_of_frame
from ml.encode import Encoder
from ml.explain.explainer import Explainer
from ml.journal.bulk.scan import Span
from ml.journal.store import journal_url
from ml.monitoring.commands import journal
from ml.monitoring.inputs.reference import load_champion
from ml.monitoring.monitor import evaluate_window
from ml.params import load_params
from ml.pipeline import evaluate, export, ingest, split, train, validate
from ml.pipeline.artifacts import INGESTED
from ml.pipeline.stored_models import load_model
from ml.release.commands import release
from ml.serving.api.app import create_app
from ml.serving.api_keys import Keys
from ml.serving.settings import Settings
from ml.standalone.scoring import score
from tests.adopt.formats import TABLES
from tests.adopt.table import Table
from tests.conftest import command, write_settings

HERE = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.parametrize("make", TABLES)
def test_a_table_is_trained_on_released_and_served(
    make: Callable[[], Table], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The API's own example is answered as the evaluated model answers.

    The table's rows are scored and watched.
    """
    monkeypatch.chdir(tmp_path)
    _make_project(tmp_path)
    path, adopted = make().adopted(tmp_path)
    contract = adopted.contract
    Path("contract.yaml").write_text(
        contract_yaml(contract, adopted.doubts, adopted.remarks), encoding="utf-8"
    )
    Path("data/raw").mkdir(parents=True)
    path.rename(Path("data/raw") / f"0001-{path.name}")
    for stage in (ingest, validate, split, train, evaluate, export):
        stage.main()
    command(tmp_path, "dvc", "add", "-q", "data/raw")
    command(tmp_path, "dvc", "commit", "-q", "--force")
    release()
    settings = Settings(
        serve=load_params(Path("params.yaml")).serve,
        bundle=Path("serving/releases/1"),  # champion or not: some tables hold nothing to learn
        journal=journal_url(),
        keys=Keys((), None, 0),
        allowed_hosts=frozenset({"testserver"}),
    )
    with TestClient(create_app(settings)) as client:
        described = client.get("/openapi.json").json()
        example = described["paths"]["/predict"]["post"]["requestBody"]["content"][
            "application/json"
        ]["examples"]
        row = example["one"]["value"]
        answered = client.post("/predict", json=row)
        rows = rows_of_frame(read_table(INGESTED, contract), contract)
        assert client.post("/predict", json=rows).status_code == 200
    assert answered.status_code == 200, answered.text
    x = Encoder(contract).rows([row])
    _assert_same(
        answered.json(),
        load_model("model"),
        x,
        contract.target.classes,
    )

    _assert_explained(settings.bundle, row)

    monkeypatch.setenv("ML_BUNDLE", str(settings.bundle))
    assert score(INGESTED, Path("scored.parquet")) == len(rows)
    shown = evaluate_window(
        journal(), load_champion(settings.bundle), Span(0.0, time.time()), load_params().monitor
    )
    # the monitor's checks hold on the data of the contract
    assert shown.verdict != "broken", shown.evidence
    assert shown.rows == len(rows) + 1
    assert Path("reports/monitoring/index.html").is_file()


def _assert_explained(folder: Path, row: dict[str, Any]) -> None:
    """Whatever the columns are, the contributions add up."""
    found = Explainer(load_bundle(folder), load_params().explain).explain(row)
    answer, base = found["explained"]["answer"], found["base_value"]
    assert abs(found["residual"]) <= 1e-6 * max(abs(answer), abs(base))
    assert found["contributions"]


def _make_project(folder: Path) -> None:
    """What DVC and a release look at: the pipeline, the settings, the code, a git repository."""
    (folder / "ml").symlink_to(HERE / "ml", target_is_directory=True)
    for name in ("dvc.yaml", "recipe.yaml"):
        shutil.copyfile(HERE / name, folder / name)
    write_settings(folder / "params.yaml")
    command(folder, "git", "init", "-q")
    command(folder, "dvc", "init", "-q")


def _assert_same(answer: dict[str, Any], model: Answer, x: Any, classes: tuple[str, ...]) -> None:
    (expected,) = model(x)
    if not classes:
        np.testing.assert_allclose(answer["prediction"], expected[0], rtol=1e-5, atol=1e-5)
        return
    np.testing.assert_allclose([answer["probabilities"][c] for c in classes], expected, atol=1e-5)
    assert answer["prediction"] == classes[int(np.argmax(expected))]
