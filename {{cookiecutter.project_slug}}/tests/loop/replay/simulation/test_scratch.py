"""A replay works in a copy: what git knows of the project, none of its data or remotes."""

from __future__ import annotations

from pathlib import Path

import pytest

from ml.errors import UserError
from ml.loop.replay.simulation.scratch import COPY, environment, make_copy
from tests.conftest import command, commit


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of a few files."""
    files = {
        ".gitignore": "/.replay/\n/secret.local\n",
        "params.yaml": "name: x\n",
        "ml/model.py": "",
        "data/raw.dvc": "outs: []\n",
        "dvc.lock": "schema: '2.0'\n",
        "ledger.jsonl": "{}\n",
        ".dvc/config": "[core]\n    remote = storage\n",
        "secret.local": "key",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    command(tmp_path, "git", "init", "-q")
    return tmp_path


def test_what_is_copied(small: Path) -> None:
    commit(small, "first")
    (small / "params.yaml").write_text("name: y\n", encoding="utf-8")
    (small / "notes.md").write_text("new", encoding="utf-8")
    (small / "ml/model.py").unlink()
    make_copy()
    there = {str(p.relative_to(COPY)) for p in COPY.rglob("*") if p.is_file()}
    plain = {name for name in there if not name.startswith(".git/")}
    assert plain == {".gitignore", "params.yaml", "notes.md", ".dvc/config"}
    assert (COPY / "params.yaml").read_text() == "name: y\n"
    assert "remote" not in (COPY / ".dvc/config").read_text()
    assert command(COPY, "git", "status", "--short").stdout == ""
    assert command(small, "git", "status", "--short").stdout.split("\n")[:-1] == [
        " D ml/model.py",
        " M params.yaml",
        "?? notes.md",
    ]


def test_a_second_copy_starts_anew(small: Path) -> None:
    make_copy()
    (COPY / "left.txt").write_text("", encoding="utf-8")
    make_copy()
    assert not (COPY / "left.txt").exists()


def test_without_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(UserError, match="not a git repository"):
        make_copy()


def test_no_server_or_key_of_a_person_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MLFLOW_TRACKING_URI", "JOURNAL_URL", "ALERT_WEBHOOK", "ML_API_KEYS", "GIT_DIR"):
        monkeypatch.setenv(name, "theirs")
    assert "theirs" not in environment().values()
    assert Path(environment()["ML_CLOCK"]).is_absolute()
