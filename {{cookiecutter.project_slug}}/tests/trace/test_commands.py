"""Twenty served answers of three versions, traced and made again from commit and data."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from ml.bundle import load_bundle
from ml.errors import UserError
from ml.ledger import chain
from ml.loop.run import run_pass
from ml.release.commands import rollback
from ml.release.lineage import environment
from ml.serving.api.app import create_app
from ml.trace.commands import trace
from ml.trace.rebuild import environments
from tests.conftest import command, commit, live_in, ml, write_settings
from tests.loop.traffic import rows, serve
from tests.serving.conftest import settings_of

pytestmark = pytest.mark.slow


def ask(project: Path, seed: int, sizes: tuple[int, ...]) -> list[str]:
    """Requests of so many rows to the service; a prediction id of each."""
    ids = []
    with TestClient(create_app(settings_of(project))) as client:
        for size in sizes:
            given = [
                {k: v for k, v in row.items() if k != "left"} | {"customer": f"{seed}-{size}-{i}"}
                for i, row in enumerate(rows(size, seed))
            ]
            answered = client.post("/predict", json=given).json()
            ids.append(answered[size // 2]["prediction_id"])
    return ids


def ask_v2(project: Path) -> str:
    """The same question in the Open Inference Protocol; the prediction's id."""
    with TestClient(create_app(settings_of(project))) as client:
        inputs = [
            {"name": "charge", "shape": [1], "datatype": "FP64", "data": [90.5]},
            {"name": "calls", "shape": [1], "datatype": "INT64", "data": [4]},
            {"name": "plan", "shape": [1], "datatype": "BYTES", "data": ["pro"]},
            {"name": "customer", "shape": [1], "datatype": "BYTES", "data": ["v2"]},
        ]
        said = client.post("/v2/models/life/infer", json={"inputs": inputs}).json()
    ids = next(o["data"] for o in said["outputs"] if o["name"] == "prediction_id")
    return str(ids[0])


@pytest.fixture(scope="module")
def lived(
    released_project: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, list[str]]]:
    """A project with ids of its answers by version: 1 is older than its commit.

    Version 2 was trained by hand, 3 was taken back, 4 was trained by the loop.
    """
    with pytest.MonkeyPatch.context() as patch:
        project = live_in(released_project, tmp_path_factory.mktemp("trace") / "p", patch)
        return project, _live(project)


def _live(project: Path) -> dict[str, list[str]]:
    served = {"1": ask(project, 1, (1,))}
    easy: dict[str, object] = {"release__min_gain": None, "release__max_slice_loss": None}
    easy |= {"release__min_rows": 0, "monitor__max_loss": 1.0}
    _release(project, "linear", train__model="linear", **easy)
    served["2"] = [*ask(project, 2, (1, 1, 3, 1000, 1)), ask_v2(project)]
    _release(project, "worse", train__boosting__max_iter=40, **easy)
    served["3"] = ask(project, 4, (1, 5, 1, 1, 9, 1, 1))
    assert rollback() == "2"
    write_settings(
        project / "params.yaml",
        train__model="linear",
        loop__cool_down_days=0.0,
        loop__probation__max_days=0,
    )
    commit(project, "settings")
    assert run_pass(serve(0, rows(600, 1, turned=True))).action == "promote"
    served["4"] = ask(project, 3, (1, 2, 1, 7, 1, 40, 1))
    return served


def _release(project: Path, message: str, **settings: object) -> None:
    write_settings(project / "params.yaml", **settings)
    command(project, "dvc", "repro", "-q")
    commit(project, message)
    ml(project, "release")
    commit(project, "ledger")


def test_each_version_and_its_answers_are_made_again(
    lived: tuple[Path, dict[str, list[str]]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    project, served = lived
    monkeypatch.chdir(project)
    ids = [*served["2"], *served["3"], *served["4"]]
    assert len(ids) == 20
    before = command(project, "git", "status", "--porcelain").stdout
    assert trace(random.Random(0).sample(ids, 20), rebuild=True, as_json=True)
    said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    rebuilt = {each["version"]: each["rebuilt"] for each in said[20:]}
    assert sorted(rebuilt) == ["2", "3", "4"]
    for lines in rebuilt.values():
        assert {"data", "contract", "dvc_lock", "bundle", "bundle/model.onnx"} <= {
            line["what"] for line in lines
        }
        assert [line["what"] for line in lines if not line["same"]] == []
    answers = [
        line for lines in rebuilt.values() for line in lines if line["what"].startswith("answer ")
    ]
    assert len(answers) == 20
    assert command(project, "git", "status", "--porcelain").stdout == before


def test_a_trace_names_row_release_and_decision(
    lived: tuple[Path, dict[str, list[str]]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    project, served = lived
    monkeypatch.chdir(project)
    assert trace([served["4"][1]], as_json=True)
    known = json.loads(capsys.readouterr().out)
    assert (known["version"], known["rows_of_the_request"]) == ("4", 2)
    promoted = next(e for e in chain.entries() if e.to_version == "4")
    assert known["promoted_by"]["hash"] == promoted.hash
    assert known["promoted_by"]["who"] == chain.LOOP
    release = known["release"]
    assert known["files"]["model.onnx"] == _manifest("4")["model.onnx"]
    assert {"git_commit", "params", "dvc_lock", "data", "contract", "requirements"} <= set(release)
    assert release["environment"] == environment()
    assert trace([served["2"][3]])
    shown = capsys.readouterr().out
    for expected in (served["2"][3], "1,000 rows in one request", "git commit"):
        assert expected in shown


def _manifest(version: str) -> dict[str, str]:
    path = Path("serving/releases") / version / "manifest.json"
    return dict(json.loads(path.read_text("utf-8"))["files"])


def test_what_differs_is_named_with_what_made_it(
    lived: tuple[Path, dict[str, list[str]]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A release that says it was made by another library, and whose model is another one."""
    project, served = lived
    monkeypatch.chdir(project)
    path = Path("serving/releases/2/lineage.json")
    kept = path.read_bytes()
    lineage = json.loads(kept)
    lineage["environment"]["libraries"]["numpy"] = "1.0"
    lineage["bundle_hash"] = "0" * 64
    path.write_text(json.dumps(lineage), encoding="utf-8")
    try:
        assert not trace([served["2"][0]], rebuild=True)
    finally:
        path.write_bytes(kept)
    shown = capsys.readouterr().out
    assert "differs: bundle" in shown
    assert "numpy" in shown
    assert [e.what for e in environments(lineage) if not e.same] == ["numpy"]


def test_a_release_older_than_its_data_cannot_be_made_again(
    lived: tuple[Path, dict[str, list[str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    project, served = lived
    monkeypatch.chdir(project)
    with pytest.raises(UserError, match=r"data/raw\.dvc"):
        trace(served["1"], rebuild=True)


@pytest.mark.parametrize("name", ["lineage.json", "manifest.json"])
@pytest.mark.parametrize("text", [None, "{"])
def test_a_damaged_release_is_fetched_again(
    lived: tuple[Path, dict[str, list[str]]],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    text: str | None,
) -> None:
    project, served = lived
    monkeypatch.chdir(project)
    path = Path("serving/releases/2") / name
    kept = path.read_bytes()
    path.unlink() if text is None else path.write_text(text, encoding="utf-8")
    assert trace(served["2"][:1])
    assert path.read_bytes() == kept


@pytest.mark.parametrize("unknown", ["nobody", "0" * 32, "0" * 32 + "-3"])
def test_an_unknown_id_is_named(
    lived: tuple[Path, dict[str, list[str]]], monkeypatch: pytest.MonkeyPatch, unknown: str
) -> None:
    monkeypatch.chdir(lived[0])
    with pytest.raises(UserError, match="no prediction has the id"):
        trace([unknown])
    assert load_bundle().version == "4"
