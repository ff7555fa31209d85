"""Atomic writes: the new content, or the old one and no draft."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import boto3
import numpy as np
import pytest

from ml.atomic import (
    reading,
    replace_link,
    staged,
    staged_folder,
    write_array,
    write_json,
    write_text,
    writing,
)
from ml.errors import UserError
from tests.conftest import full_disk
from tests.standalone.conftest import s3

__all__ = ["s3"]  # a fixture of another room


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


def test_a_folder_takes_the_place_of_another_when_it_is_filled(tmp_path: Path) -> None:
    folder = tmp_path / "bundle"
    for name in ("old", "new"):
        (tmp_path / ".bundle.draft").mkdir()  # of a process that was killed
        with staged_folder(folder) as draft:
            (draft / name).touch()
    with pytest.raises(ZeroDivisionError), staged_folder(folder) as draft:
        (draft / "half").write_text(f"{1 / 0}")
    assert [path.name for path in tmp_path.rglob("*")] == ["bundle", "new"]


def test_a_full_disk_names_the_file_and_leaves_nothing(tmp_path: Path) -> None:
    """The error of numpy alone would have neither a number nor a name."""
    path = tmp_path / "a.npy"
    with full_disk(5000), pytest.raises(OSError, match=r"a\.npy") as error:
        write_array(path, np.zeros(100_000))
    assert error.value.errno == errno.EFBIG
    assert list(tmp_path.iterdir()) == []
    write_array(path, np.arange(3))
    assert np.load(path, allow_pickle=False).tolist() == [0, 1, 2]


def test_a_path_is_an_address_like_any_other(tmp_path: Path) -> None:
    for address in (str(tmp_path / "a"), f"file://{tmp_path}/a"):
        with pytest.raises(ZeroDivisionError), writing(address) as file:
            file.write(b"%d" % (1 // 0))
        assert list(tmp_path.iterdir()) == []
        with writing(address) as file:
            file.write(b"whole")
        with reading(address) as file:
            assert file.seek(2) == 2
            assert file.read() == b"ole"
        (tmp_path / "a").unlink()
    with pytest.raises(ZeroDivisionError), writing("memory://a"):
        raise ZeroDivisionError
    for unknown in ("ftpx://bucket/a", "s3://bucket"):
        with pytest.raises(UserError, match=unknown.removeprefix("s3://")), writing(unknown):
            raise AssertionError


def test_an_object_that_was_thrown_away_is_not_begun_again_when_it_is_collected(
    s3: dict[str, str],
) -> None:
    """What s3fs would begin then nobody ends, and the bucket's owner pays for it."""
    with pytest.raises(ZeroDivisionError), writing("s3://tables/a") as file:
        file.write(b"%d" % (1 // 0))
    file.close()  # as when it is collected
    bucket = boto3.client("s3")
    assert bucket.list_objects_v2(Bucket="tables")["KeyCount"] == 0
    assert "Uploads" not in bucket.list_multipart_uploads(Bucket="tables")
