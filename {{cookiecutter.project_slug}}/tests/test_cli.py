"""The `ml` command: what the serving image lacks is one line, as every mistake of a person is."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
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
        (["score", "in.parquet", "out.parquet"], "ml.standalone.scoring"),
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
    imports_it = ("ml.standalone.scoring", "ml.dataset.frame", "ml.journal.export")
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


LOADED = """
import sys
from ml.cli import main
try:
    main()
finally:
    print(*sys.modules, file=sys.stderr)
"""


def test_help_names_each_command_in_a_line_and_loads_next_to_nothing() -> None:
    """It took half a second, most of it to import Rich and to draw with it."""
    project = Path(__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", LOADED, "--help"],
        env=os.environ | {"PYTHONPATH": str(project), "COLUMNS": "80"},
        capture_output=True,
        text=True,
        check=True,
    )
    commands = done.stdout.partition("Commands:")[2].splitlines()
    assert {line.split()[0] for line in commands if line} >= {"adopt", "monitor", "journal"}
    assert all(line.endswith(".") and not line.endswith("...") for line in commands if line)
    loaded = {name.partition(".")[0] for name in done.stderr.split()}
    assert not loaded & {"rich", "numpy", "pydantic", "ruamel", "pyarrow", "pandas", "sqlalchemy"}
