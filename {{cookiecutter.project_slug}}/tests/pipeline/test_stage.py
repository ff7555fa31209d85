"""A stage that meets a person's mistake says so in one message and ends with status 2."""

from __future__ import annotations

from pathlib import Path

import pytest

from ml.atomic import write_text
from ml.errors import UserError
from ml.pipeline.stage import run_stage
from tests.conftest import full_disk


def test_a_users_mistake_is_one_message(capsys: pytest.CaptureFixture[str]) -> None:
    def main() -> None:
        raise UserError("data/raw: holds no data", "dvc pull")

    with pytest.raises(SystemExit) as ended:
        run_stage(main)
    assert ended.value.code == 2
    assert capsys.readouterr().err == "error: data/raw: holds no data\n  next: dvc pull\n"


def test_a_defect_is_no_users_mistake() -> None:
    with pytest.raises(ZeroDivisionError):
        run_stage(lambda: print(1 / 0))


def test_a_full_disk_is_one_message(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a"
    with full_disk(1000), pytest.raises(SystemExit) as ended:
        run_stage(lambda: write_text(path, "a" * 5000))
    assert ended.value.code == 2
    said = f"error: {path}: the disk is full\n  next: free some space, then make flow\n"
    assert capsys.readouterr().err == said
