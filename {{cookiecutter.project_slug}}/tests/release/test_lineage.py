"""What a release's lineage says of the code, and hashes of folders."""

from __future__ import annotations

from pathlib import Path

import pytest

from ml.release.lineage import folder_hash, git_note, git_state
from tests.conftest import command


def test_git_that_knows_nothing_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def note() -> str | None:
        commit, dirty = git_state()
        return git_note({"git_commit": commit, "git_dirty": dirty})

    monkeypatch.chdir(tmp_path)
    with monkeypatch.context() as patched:
        patched.setenv("PATH", str(tmp_path))
        assert note() == "git is not installed: the release names no commit"
    command(tmp_path, "git", "init", "-q")
    assert note() == "there is no commit here yet: the release names none"
    identity = ("-c", "user.name=test", "-c", "user.email=test@example.invalid")
    command(tmp_path, "git", *identity, "commit", "-q", "--allow-empty", "-m", "start")
    assert note() is None
    (tmp_path / "ledger.jsonl").touch()  # a release writes it: no change of the code
    assert note() is None
    (tmp_path / "new.py").touch()
    assert str(note()).startswith("files differ from commit ")


def test_a_folders_hash_changes_with_names_and_contents(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1")
    first = folder_hash(tmp_path)
    assert folder_hash(tmp_path) == first
    (tmp_path / "a").rename(tmp_path / "b")
    renamed = folder_hash(tmp_path)
    (tmp_path / "b").write_text("2")
    assert len({first, renamed, folder_hash(tmp_path)}) == 3
