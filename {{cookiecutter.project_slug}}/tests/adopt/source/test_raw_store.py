"""A process that is killed while it writes a part.

The next start clears it, and DVC versions nothing of it.
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ml.adopt.source.raw_store import add, place_parts, store
from ml.errors import UserError
from ml.loop.retrain import retrain
from tests.conftest import full_disk

HERE = Path(__file__).parents[3]
CONTRACT = "target: {name: y, task: regression}\ncolumns: [{name: a, kind: numeric}]\n"
DIE = "os.kill(os.getpid(), signal.SIGKILL)"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with DVC, one part, and others to add."""
    monkeypatch.chdir(tmp_path)
    subprocess.run(["git", "init", "-q"], check=True)
    shutil.copyfile(HERE / ".gitignore", ".gitignore")
    subprocess.run([sys.executable, "-m", "dvc", "init", "-q"], check=True)
    for name in ("first.csv", "second.csv", "third.csv"):
        pd.DataFrame({name: np.arange(50)}).to_csv(name, index=False)
    store([Path("first.csv")])
    return tmp_path


def _killed(code: str) -> None:
    """Run code in a process that kills itself on the way."""
    given = (
        f"import os, shutil, signal, sys; sys.path.insert(0, {str(HERE)!r})\n"
        f"from pathlib import Path\n{code}"
    )
    done = subprocess.run([sys.executable, "-B", "-c", given], check=False)
    assert done.returncode == -signal.SIGKILL


def _versioned() -> list[str]:
    """The names that DVC keeps of data/raw."""
    md5 = Path("data/raw.dvc").read_text().split("md5: ")[1].split()[0]
    listed = json.loads(Path(f".dvc/cache/files/md5/{md5[:2]}/{md5[2:]}").read_text())
    return [entry["relpath"] for entry in listed]


def _hidden() -> list[str]:
    return sorted(str(p) for p in Path("data").rglob(".*") if p.name != ".gitignore")


HALF_A_COPY = f"""
def half(source, target):
    Path(target).write_bytes(Path(source).read_bytes()[:60])
    {DIE}
shutil.copyfile = half
from ml.adopt.source.raw_store import add, store
"""


def test_a_killed_append_leaves_nothing(project: Path) -> None:
    _killed(f"{HALF_A_COPY}\nadd(Path('second.csv'))")
    assert _hidden() == ["data/raw/.0002-second.csv.draft"]
    add(Path("third.csv"))
    assert _versioned() == ["0001-first.csv", "0002-third.csv"]
    assert _hidden() == []


def test_a_killed_adopt_leaves_nothing_for_git(project: Path) -> None:
    _killed(f"{HALF_A_COPY}\nstore([Path('second.csv')])")
    assert _hidden() == ["data/.raw.new"]
    seen = subprocess.run(
        ["git", "status", "--porcelain", "-uall"], capture_output=True, text=True, check=True
    ).stdout
    assert "data/.raw.new" not in seen
    store([Path("first.csv")])
    assert _versioned() == ["0001-first.csv"]
    assert _hidden() == []


def test_a_kill_between_two_renames_loses_no_part(project: Path) -> None:
    """The parts lay in data/.raw.old, and an append added the second one to nothing."""
    code = f"""
from ml.adopt.source.raw_store import store
rename = Path.rename
def once(self, target):
    rename(self, target)
    {DIE}
Path.rename = once
store([Path('second.csv')])
"""
    _killed(code)
    assert not Path("data/raw").exists()
    add(Path("second.csv"))
    assert _versioned() == ["0001-first.csv", "0002-second.csv"]


def test_a_killed_retrain_leaves_nothing(project: Path) -> None:
    code = f"""
import pandas as pd
def half(self, target, **_):
    Path(target).write_bytes(b"PAR1")
    {DIE}
pd.DataFrame.to_parquet = half
from ml.loop.journal_part import write_part
write_part(pd.DataFrame({{"a": [1]}}), None)
"""
    _killed(code)
    assert _hidden() == ["data/raw/.0002-journal.parquet.draft"]
    shutil.copyfile(HERE / "params.yaml", "params.yaml")
    Path("contract.yaml").write_text(CONTRACT)
    with pytest.raises(UserError, match="no labelled row"):
        retrain()
    assert _hidden() == []


def test_a_full_disk_leaves_the_parts_of_before_and_no_half_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, rows in (("first", 1), ("second", 1000)):
        Path(f"{name}.csv").write_text("a\n" * rows)
    place_parts([Path("first.csv")])
    with full_disk(500), pytest.raises(OSError, match="too large"):
        place_parts([Path("second.csv")])
    assert [path.name for path in Path("data").rglob("*")] == ["raw", "0001-first.csv"]
