"""The hooks, run by cookiecutter: a hostile answer is refused or works everywhere."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from conftest import Render
from ruamel.yaml import YAML

REFUSED = {
    "upper case": {"project_slug": "Churn"},
    "folder above": {"project_slug": "../evil"},
    "two folders": {"project_slug": "a/b"},
    "absolute": {"project_slug": "/evil"},
    "hidden": {"project_slug": ".hidden"},
    "option": {"project_slug": "-rf"},
    "space": {"project_slug": "a b"},
    "two hyphens": {"project_slug": "a--b"},
    "trailing hyphen": {"project_slug": "a-"},
    "unicode": {"project_slug": "ärger"},
    "colon": {"project_slug": "a:b"},
    "shell": {"project_slug": "a;touch evil"},
    "python": {"project_slug": '""" + __import__("os").system("touch evil") + """'},
    "too long a folder": {"project_slug": "a" * 51},
    "no name": {"project_name": " ", "project_slug": "ok"},
    "too long a name": {"project_name": "n" * 81},
    "quote in the name": {"project_name": 'A "quoted" name'},
    "quotes": {"description": '"""'},
    "backslash": {"description": "C:\\new"},
    "two lines": {"description": "one\ntwo"},
    "carriage return": {"description": "one\rtwo"},
    "control character": {"description": "bell\x07"},
    "line separator": {"description": "one\u2028two"},
    "too long a description": {"description": "d" * 201},
}
SURVIVES = {
    "apostrophe": {"description": "It's what the customer's doing"},
    "yaml": {"description": "a: [b, {c}] # d & *e !f | >g % @ ` ~"},
    "toml": {"description": "[project] = ''"},
    "jinja": {"description": "{{ '{{' }} x {{ '}}' }} and {{ '{%' }} y"},
    "unicode": {"project_name": "Über Größe 予測 Ñandú"},
    "emoji": {"project_name": "📉", "description": "👩🏽‍🔬 counts 🐑"},
    "digits": {"project_name": "2027"},
    "yaml words": {"project_slug": "no"},
    "underscores": {"project_slug": "a_b-c"},
    "shell": {"project_name": "$(touch evil) `touch evil`; touch evil"},
    "html": {"project_name": "<script>x</script> & co", "project_slug": "html"},
    "long": {"project_name": "n" * 80, "description": "d" * 200},
}


@pytest.mark.parametrize("answers", REFUSED.values(), ids=REFUSED)
def test_refused_with_the_reason_and_nothing_left(
    answers: dict[str, str], render: Render, tmp_path: Path
) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    done = render(cwd=inner, **answers)
    assert done.returncode != 0
    key = next(iter(answers))
    assert f"error: {key} is " in done.stderr
    assert ": use " in done.stderr
    assert "Nothing was made." in done.stderr
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.parametrize("answers", SURVIVES.values(), ids=SURVIVES)
def test_survives_everywhere(answers: dict[str, str], render: Render, tmp_path: Path) -> None:
    done = render(**answers)
    assert done.returncode == 0, done.stderr
    (project,) = tmp_path.iterdir()
    meta = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    name = YAML(typ="safe", pure=True).load((project / "params.yaml").read_text(encoding="utf-8"))[
        "name"
    ]
    assert name == project.name
    if "description" in answers and "{{" not in answers["description"]:
        assert meta["description"] == answers["description"]
        assert answers["description"] in (project / "README.md").read_text(encoding="utf-8")
    assert not list(tmp_path.rglob("evil"))


def test_a_folder_that_is_there_is_not_touched(render: Render, tmp_path: Path) -> None:
    kept = tmp_path / "churn-early-warning" / "mine.txt"
    kept.parent.mkdir()
    kept.write_text("mine")
    done = render()
    assert done.returncode != 0
    assert "already exists" in done.stderr + done.stdout
    assert [p.name for p in kept.parent.iterdir()] == ["mine.txt"]


def test_without_an_identity_everything_waits_staged(render: Render, tmp_path: Path) -> None:
    done = render()
    assert done.returncode == 0
    assert "git config user.email" in done.stdout
    assert "make setup" in done.stdout
    project = tmp_path / "churn-early-warning"
    status = subprocess.run(
        ["git", "status", "--porcelain"], cwd=project, capture_output=True, text=True, check=True
    )
    assert {line[:2] for line in status.stdout.splitlines()} == {"A "}


def test_without_git_the_project_is_made_and_says_so(render: Render, tmp_path: Path) -> None:
    done = render(env={"PATH": str(Path(sys.executable).parent)})
    assert done.returncode == 0, done.stderr
    assert "No git repository was made: git is not installed" in done.stdout
    assert "git init" in done.stdout
    assert (tmp_path / "churn-early-warning" / "Makefile").is_file()
