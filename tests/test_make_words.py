"""Values given to make reach the command as they were written: not run, expanded or cut."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from demo import SOURCES, TEMPLATE

MAKEFILE = TEMPLATE / SOURCES[-1] / "Makefile"
OPTIONS = {
    name: f"--{name.lower()}"
    for name in ("TARGET", "TIME", "ID", "DROP", "TASK", "NAMES", "CONTRACT")
}
HOSTILE = {
    "shell function": "$(shell touch X).csv",
    "error function": "$(error stopped)",
    "other brackets": "${shell touch X}",
    "info and eval": "$(info $(eval SHELL=/bin/false))",
    "a variable": "$(MAKE) $@ $$HOME $HOME",
    "backquotes": "`touch X`",
    "substitution": "$$(touch X)",
    "semicolon": "a; touch X;.csv",
    "quotes": "a'; touch X; '\"; touch X; \"",
    "newline": "a\ntouch X\n.csv",
    "ends in a backslash": "a\\",
    "comment": "a # b",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The project's Makefile with an environment whose `python` writes down its arguments."""
    (tmp_path / "Makefile").write_bytes(MAKEFILE.read_bytes())
    python = tmp_path / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text(
        f'#!{sys.executable}\nimport json, sys\njson.dump(sys.argv[1:], open("said.json", "w"))\n'
    )
    python.chmod(0o755)
    (tmp_path / ".venv/project.txt").write_text(f"{tmp_path}\n")
    return tmp_path


def said(folder: Path, *words: str) -> list[str]:
    """What `python` was called with."""
    done = subprocess.run(
        ["make", "--no-print-directory", *words], cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert not (folder / "X").exists()
    arguments: list[str] = json.loads((folder / "said.json").read_text())
    return arguments


@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("name", ["DATA", *OPTIONS, "APPEND", "FILE", "BASE", "URL"])
def test_a_value_is_never_run(folder: Path, name: str, value: str) -> None:
    given = f"{name}={value}"
    if name == "DATA":
        assert said(folder, "adopt", given) == ["-m", "ml", "adopt", "--", value]
    elif name == "BASE":
        diff = ["-m", "dvc", "metrics", "diff", "--all", "--md", "--", value]
        assert said(folder, "metrics-diff", given) == diff
    elif name == "URL":
        assert said(folder, "load", given) == ["-m", "ml", "load", f"--url={value}"]
    elif name == "FILE":
        assert said(folder, "label", given) == ["-m", "ml", "label", "--", value]
    elif name == "APPEND":
        assert said(folder, "adopt", "DATA=a.csv", given) == [
            "-m",
            "ml",
            "adopt",
            "--append",
            "--",
            "a.csv",
        ]
    else:
        option = f"{OPTIONS[name]}={value}"
        assert said(folder, "adopt", "DATA=a.csv", given) == [
            "-m",
            "ml",
            "adopt",
            option,
            "--",
            "a.csv",
        ]
