"""A project on the demo data.

Put back by setup, gone with the first table of a person's own, never their own data.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from ml.adopt import demo_project
from ml.adopt.commands import adopt
from ml.contract import load_contract
from ml.errors import UserError
from tests.conftest import HERE, write_customers

OUTPUTS = [
    "data/test.parquet",
    "models/model.onnx",
    "bundle/model.onnx",
    "reports/ingest.json",
    "metrics/model.json",
]
RUNTIME = [
    "dvc.lock",
    "ledger.jsonl",
    "reports/monitoring/1/verdict.json",
    "mlflow.db",
    "mlartifacts/1/model.onnx",
]


@pytest.fixture(scope="module")
def demo_made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """git, DVC and the demo data, adopted."""
    project = tmp_path_factory.mktemp("demo") / "project"
    project.mkdir()
    for name in ("params.yaml", "dvc.yaml", ".gitignore"):
        shutil.copyfile(HERE / name, project / name)
    subprocess.run(["git", "init", "-q"], cwd=project, check=True)
    subprocess.run([sys.executable, "-m", "dvc", "init", "-q"], cwd=project, check=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project)
        adopt("demo", target=None, drop=[])
    write_customers(project.with_name("customers.csv"), 300)
    return project


@pytest.fixture
def project(demo_made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, the current folder while the test runs.

    `../customers.csv` is a person's own table.
    """
    copy = tmp_path / "project"
    shutil.copytree(demo_made, copy)
    shutil.copyfile(demo_made.with_name("customers.csv"), tmp_path / "customers.csv")
    monkeypatch.chdir(copy)
    return copy


def write_outputs(*versions: str) -> None:
    """What pipeline, monitor and a release for each data version leave behind."""
    for name in OUTPUTS + RUNTIME:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(
            "schema: '2.0'\nstages: {}\n" if name == "dvc.lock" else "from the demo"
        )
    for i, version in enumerate(versions, 1):
        folder = Path(f"serving/releases/{i}")
        folder.mkdir(parents=True)
        (folder / "lineage.json").write_text(json.dumps({"data": version}))


def recorded() -> str:
    return str(YAML(typ="safe", pure=True).load(Path("data/raw.dvc").read_text())["outs"][0]["md5"])


def adopt_own(contract: str | None = None) -> None:
    adopt("../customers.csv", target="left", id="customer", drop=[], contract=contract)


def files() -> set[str]:
    return {
        path.as_posix()
        for path in Path().rglob("*")
        if path.is_file() and path.parts[0] not in (".git", ".dvc")
    }


def test_a_clone_gets_exactly_the_demo_data_back(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = Path("data/raw/0001-demo.csv").read_bytes()
    shutil.rmtree("data/raw")
    demo_project.main()
    assert Path("data/raw/0001-demo.csv").read_bytes() == before
    assert "demo data" in capsys.readouterr().out
    said = subprocess.run(
        [sys.executable, "-m", "dvc", "status", "data/raw.dvc"], capture_output=True, text=True
    )
    assert "up to date" in said.stdout


def test_a_persons_own_data_are_never_put_back_as_the_demo(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    adopt_own()
    demo_project.main()
    assert [p.name for p in Path("data/raw").iterdir()] == ["0001-customers.csv"]
    shutil.rmtree("data/raw")
    demo_project.main()
    assert not Path("data/raw").exists()
    assert "dvc pull" in capsys.readouterr().out


def test_an_own_table_takes_the_place_of_everything(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_outputs(recorded())
    adopt_own()
    assert files() == {
        "params.yaml", "dvc.yaml", ".gitignore", ".dvcignore", "contract.yaml", "data/raw.dvc",
        "data/raw/0001-customers.csv",
    }  # fmt: skip
    assert load_contract().target.name == "left"
    said = capsys.readouterr().out
    assert "would change" not in said
    assert "CONTRACT=" not in said
    write_outputs()
    adopt_own()  # the second time it is one's own work
    assert files() >= set(OUTPUTS)


def test_a_demo_that_was_retrained_is_the_demo_still(project: Path) -> None:
    first = recorded()
    Path("data/raw/0002-journal.parquet").write_bytes(b"labelled rows")
    subprocess.run([sys.executable, "-m", "dvc", "add", "-q", "data/raw"], check=True)
    assert recorded() != first
    write_outputs(first, recorded())
    adopt_own()
    assert not Path("serving").exists()
    assert not Path("mlflow.db").exists()


def test_a_release_of_a_persons_own_data_stays(project: Path) -> None:
    demo = recorded()
    adopt_own()
    own = recorded()
    adopt("demo", target=None, drop=[])
    write_outputs(demo, own)
    adopt_own()
    assert files() >= {"serving/releases/2/lineage.json", "mlflow.db"}
    assert not files() & set(OUTPUTS)


def test_an_edited_contract_of_the_demo_is_protected(project: Path) -> None:
    path = Path("contract.yaml")
    path.write_text(path.read_text().replace("max: 90", "max: 99", 1))
    write_outputs(recorded())
    before = files()
    with pytest.raises(UserError, match="edited since adopt wrote it"):
        adopt_own()
    assert files() == before | {"contract.proposed.yaml"}
    adopt_own(contract="replace")
    assert not files() & {*OUTPUTS, *RUNTIME, "contract.proposed.yaml"}


def test_a_refused_table_removes_nothing(project: Path) -> None:
    write_outputs(recorded())
    before = files()
    with pytest.raises(UserError, match="gone"):
        adopt("../customers.csv", target="gone", drop=[])
    assert files() == before


def test_a_running_service_keeps_its_journal(project: Path) -> None:
    write_outputs(recorded())
    before = files()
    open_by_a_service = sqlite3.connect("serving/journal.db")
    open_by_a_service.execute("PRAGMA journal_mode=WAL")
    open_by_a_service.execute("CREATE TABLE predictions (id)")
    with pytest.raises(UserError, match="is running"):
        adopt_own()
    assert files() >= before
    open_by_a_service.close()
    adopt_own()
    assert not Path("serving").exists()
