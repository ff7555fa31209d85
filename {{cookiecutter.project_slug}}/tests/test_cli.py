"""The `ml` command: what the serving image lacks is one line, as every mistake of a person is."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

import pytest

from ml.cli import main


class NotInstalled(MetaPathFinder):
    """Answers for one module as Python does where it is not installed."""

    def __init__(self, name: str) -> None:
        self.name = name

    def find_spec(
        self, fullname: str, _path: Sequence[str] | None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname == self.name:
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)
        return None


@pytest.mark.parametrize(
    ("command", "missing"),
    [
        (["journal", "export", "out.parquet"], "pyarrow"),
        (["score", "in.parquet", "out.parquet"], "ml.scoring"),
        (["score", "in.parquet", "out.parquet"], "pandas"),
        (["compare"], "ml.release"),
        (["monitor"], "ml.monitoring"),
        (["retrain"], "ml.loop"),
    ],
)
def test_what_the_image_lacks_is_one_line(
    command: list[str],
    missing: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    imports_it = ("ml.scoring", "ml.dataset.frame", "ml.journal.export")
    for name in list(sys.modules):
        if name in imports_it or name == missing or name.startswith(f"{missing}."):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [NotInstalled(missing), *sys.meta_path])
    monkeypatch.setattr(sys, "argv", ["ml", *command])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert f"{missing} is not installed: it is not part of the serving image" in said
    assert "Traceback" not in said
