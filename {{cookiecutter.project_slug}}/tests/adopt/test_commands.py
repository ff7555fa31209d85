"""The command in a project under git and DVC: what it writes, and what it keeps."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ml.adopt.commands import adopt
from ml.contract import Categorical, load_contract
from ml.dataset.recipe import Recipe, load_recipe, write_recipe
from ml.errors import UserError
from ml.pipeline import ingest
from tests.adopt.visits import parts, state, visits, write
from tests.conftest import HERE


def test_adopting_twice_changes_nothing(project: Path) -> None:
    file = write("My visits 2024.csv", visits())
    adopt(file, target="won", drop=[])
    assert parts() == ["0001-My_visits_2024.csv"]
    assert Path("data/raw/0001-My_visits_2024.csv").read_bytes() == Path(file).read_bytes()
    before = state()
    adopt(file, target="won", drop=[])
    assert state() == before


def test_a_doubt_stands_above_its_column_in_the_contract(project: Path) -> None:
    frame = visits().assign(depth=lambda f: np.where(f.index % 9 == 0, -999, f.index % 40))
    adopt(write("visits.csv", frame), target="won", drop=[])
    lines = Path("contract.yaml").read_text().splitlines()
    at = next(i for i, line in enumerate(lines) if "-999 read as missing" in line)
    assert lines[at].strip().startswith("#")
    assert lines[at + 1].strip() == "- name: depth"


def test_the_table_fits_eighty_columns_and_names_the_next_command(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    adopt(write("visits.csv", visits()), target="won", drop=[])
    said = capsys.readouterr().out
    assert max(map(len, said.splitlines())) <= 80
    assert said.rstrip().endswith("next: make flow")
    assert "categorical" in said


def test_no_library_is_imported_that_a_small_table_does_not_need(project: Path) -> None:
    """Importing scikit-learn takes longer than everything that adopt does."""
    write("visits.csv", visits(seed=1))  # adopt halves rows with seed 0
    code = (
        "import atexit, sys; from ml.cli import main;"
        "sys.argv = ['ml', 'adopt', 'visits.csv', '--target=won'];"
        "unneeded = {'sklearn', 'scipy', 'matplotlib', 'dvc'};"
        "atexit.register(lambda: print(unneeded & {*sys.modules}));"
        "main()"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    said = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    ).stdout
    assert said.splitlines()[-1] == "set()"
    assert "leak" in said
    assert Path("data/raw.dvc").is_file()


def test_a_newer_file_replaces_the_old_one_while_nobody_edited(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    adopt(write("visits.csv", visits()), target="won", drop=[])
    adopt(write("newer.csv", visits(top=90).assign(age=np.arange(200) % 70)), target="won", drop=[])
    assert parts() == ["0001-newer.csv"]
    said = capsys.readouterr().out
    assert "~ size" in said
    assert "+ age" in said
    assert load_contract().names == ["size", "plan", "age"]


def test_a_persons_edits_are_never_overwritten(project: Path) -> None:
    adopt(write("visits.csv", visits()), target="won", drop=[])
    edited = Path("contract.yaml").read_text().replace("levels: [a, b]", "levels: [a, b, c]")
    Path("contract.yaml").write_text(edited)
    before = state()
    newer = write("newer.csv", visits(seed=1, top=50))
    with pytest.raises(UserError, match="edited since adopt wrote it"):
        adopt(newer, target="won", drop=[])
    assert state() == before
    assert load_contract(Path("contract.proposed.yaml")) != load_contract()
    adopt("visits.csv", target="won", drop=[])  # the same data: nothing to ask
    assert state() == before
    adopt(newer, target="won", drop=[], contract="keep")
    assert Path("contract.yaml").read_text() == edited
    assert parts() == ["0001-newer.csv"]
    with pytest.raises(UserError, match=r'column "size"'):
        adopt(write("far.csv", visits(top=500)), target="won", drop=[], contract="keep")
    adopt("far.csv", target="won", drop=[], contract="replace")
    plan = load_contract().get("plan")
    assert isinstance(plan, Categorical)
    assert plan.levels == ("a", "b")
    assert not Path("contract.proposed.yaml").exists()


def test_a_contract_that_is_broken_can_be_replaced(project: Path) -> None:
    adopt(write("visits.csv", visits()), target="won", drop=[])
    whole = Path("contract.yaml").read_text()
    Path("contract.yaml").write_text(whole.replace("kind: numeric", "kind: numbr"))
    with pytest.raises(UserError, match=r"contract\.yaml"):
        adopt("visits.csv", target="won", drop=[])
    adopt("visits.csv", target="won", drop=[], contract="replace")
    assert Path("contract.yaml").read_text() == whole


def test_what_a_kill_left_behind_is_cleared(project: Path) -> None:
    """Killed between the two renames that swap data/raw.

    The new folder is half there, the old one set aside.
    """
    file = write("visits.csv", visits())
    for folder in ("data/.raw.new", "data/.raw.old/raw"):
        write(f"{folder}/0001-other.csv", visits(30))
    adopt(file, target="won", drop=[])
    assert parts() == ["0001-visits.csv"]
    assert sorted(p.name for p in Path("data").iterdir()) == ["raw", "raw.dvc"]


def test_another_table_puts_back_the_recipe_that_the_loop_wrote(project: Path) -> None:
    """Its windows count the rows of the table before; the same table again keeps it."""
    shutil.copyfile(HERE / "recipe.yaml", "recipe.yaml")
    adopt("demo", target=None, drop=[])
    written = Recipe(held_out_rows=500, windows=(0, 16000), refit=True)
    write_recipe(written)
    adopt("demo", target=None, drop=[])
    assert load_recipe() == written
    adopt(write("visits.csv", visits()), target="won", drop=[])
    assert load_recipe() == Recipe()
    assert "# training windows" in Path("recipe.yaml").read_text(encoding="utf-8")


def test_the_demo_is_adopted_like_any_table(project: Path) -> None:
    adopt("demo", target=None, drop=[])
    contract = load_contract()
    assert (contract.target.name, contract.time, contract.id) == (
        "churned",
        "observed_at",
        "customer_id",
    )
    ingest.main()
    assert json.loads(Path("reports/ingest.json").read_text())["rows"] == 20_000


def test_how_long_an_outcome_can_change_is_asked_where_there_is_a_time(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    days = np.datetime64("2025-01-01") + np.arange(200)
    file = write("visits.csv", visits().assign(day=days))
    adopt(file, target="won", drop=[], time="day")
    assert "MATURES_AFTER=30d" in capsys.readouterr().out
    assert load_contract().target.matures_after == "0"
    adopt(file, target="won", drop=[], time="day", matures_after="30d")
    assert "MATURES_AFTER" not in capsys.readouterr().out
    assert load_contract().target.matures_after == "30d"
    adopt(file, target="won", drop=["day"])  # rows without a time
    assert "MATURES_AFTER" not in capsys.readouterr().out


def test_a_duration_without_a_unit_is_refused(project: Path) -> None:
    file = write("visits.csv", visits())
    with pytest.raises(UserError, match='matures-after "30": a duration is 0, or a number and'):
        adopt(file, target="won", drop=[], matures_after="30")
