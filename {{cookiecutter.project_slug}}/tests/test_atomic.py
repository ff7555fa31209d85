"""Atomic writes: the new content, or the old one and no draft."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ml.atomic import replace_link, staged, write_json, write_text


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    for text in ("old", "new: ü"):
        write_text(path, text)
    assert path.read_text(encoding="utf-8") == "new: ü"
    assert list(tmp_path.iterdir()) == [path]


def test_a_write_that_fails_leaves_the_old_file_and_no_draft(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "old")
    with pytest.raises(OSError, match="no space"):
        write_half(path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def write_half(path: Path) -> None:
    with staged(path) as draft:
        draft.write_text("half")
        assert path.read_text() == "old"
        raise OSError("no space")


def test_json_makes_its_folder(tmp_path: Path) -> None:
    write_json(tmp_path / "new" / "a.json", {"ä": 1})
    assert json.loads((tmp_path / "new" / "a.json").read_text(encoding="utf-8")) == {"ä": 1}


def test_a_link_moves(tmp_path: Path) -> None:
    link = tmp_path / "champion"
    for version in ("1", "2"):
        (tmp_path / "releases" / version).mkdir(parents=True)
        replace_link(link, Path("releases") / version)
        assert link.resolve() == (tmp_path / "releases" / version).resolve()
    assert {p.name for p in tmp_path.iterdir()} == {"champion", "releases"}
