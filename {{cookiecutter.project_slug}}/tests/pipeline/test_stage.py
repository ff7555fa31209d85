"""A stage that meets a person's mistake says so in one message and ends with status 2."""

from __future__ import annotations

import pytest

from ml.errors import UserError
from ml.pipeline.stage import run_stage


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
