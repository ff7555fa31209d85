"""`ml score`: a file into a file as it always was, or tables into a folder of answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from ml.errors import UserError
from ml.standalone import score_plan
from ml.standalone.commands import Wanted, is_one_file, score
from tests.standalone.conftest import ROWS, written


@pytest.mark.parametrize(
    ("source", "target", "one"),
    [
        ("in.parquet", "out.parquet", True),
        ("in.parquet", "out.pq", True),
        ("in.parquet", "out/", False),
        ("in.parquet", "folder", False),
        ("folder", "out", False),
        ("in/*.parquet", "out", False),
        ("s3://bucket/in.parquet", "out.parquet", False),
        ("in.parquet", "s3://bucket/out.parquet", False),
    ],
)
def test_which_of_the_two_is_meant(project: Path, source: str, target: str, one: bool) -> None:
    Path("folder").mkdir()
    assert is_one_file(source, target) == one


def test_one_file_is_scored_here_and_now(project: Path) -> None:
    written(Path("in.parquet"), ROWS[:5])
    assert score("in.parquet", "out.parquet", Wanted())
    assert Path("out.parquet").is_file()
    with pytest.raises(UserError, match="written by this process alone") as raised:
        score("in.parquet", "out.parquet", Wanted(share="0/2"))
    assert raised.value.then == "give a folder, out/"


def test_a_plan_alone_and_a_share_of_it(project: Path) -> None:
    written(Path("in/a.parquet"), ROWS[:5])
    assert score("in", "out", Wanted(plan=True))
    assert {path.name for path in Path("out").iterdir()} == {"_plan.json", "_model"}
    # by a process that may not even load its libraries: not done, and told so
    assert not score("in", "out", Wanted(share="0/1", part_seconds=0.01))
    assert not Path("out", score_plan.MANIFEST).exists()
    with pytest.raises(UserError, match="no share of the parts"):
        score("in", "out", Wanted(share="1/1"))
