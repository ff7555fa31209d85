"""The template is a valid project before rendering; rendering fills in names only."""

from __future__ import annotations

import ast
import fnmatch
import json
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from conftest import Render
from ruamel.yaml import YAML

FILLED = {"README.md", "params.yaml", "pyproject.toml"}  # the files with blanks in them
YAML_FILES = {".yaml", ".yml", ".dvc"}


def parse(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    match path.suffix:
        case ".py":
            ast.parse(text)
        case ".toml":
            tomllib.loads(text)
        case ".json":
            json.loads(text)
        case suffix if suffix in YAML_FILES:
            list(YAML(typ="safe", pure=True).load_all(text))


def inside(project: Path, files: list[Path]) -> set[str]:
    return {path.relative_to(project).as_posix() for path in files}


def files_of(project: Path) -> list[Path]:
    return [
        p
        for p in project.rglob("*")
        if p.is_file() and ".git" not in p.relative_to(project).parts[:1]
    ]


def test_unrendered_files_parse(tracked: list[Path]) -> None:
    for path in tracked:
        if path.suffix != ".png":
            parse(path)
    assert {p.suffix for p in tracked} >= {".py", ".toml", ".yaml", ".yml", ".json"}


def test_a_broken_file_would_be_seen(tmp_path: Path) -> None:
    for name, text in {"a.py": "def", "a.toml": "a = ", "a.yaml": "a: [", "a.json": "{"}.items():
        broken = tmp_path / name
        broken.write_text(text)
        with pytest.raises(Exception, match=r".+"):
            parse(broken)


def test_blanks_stand_in_three_files_and_inside_quotes_or_prose(
    template: Path, blank: list[Path]
) -> None:
    project = template / "{{cookiecutter.project_slug}}"
    texts = {path: path.read_text(encoding="utf-8", errors="replace") for path in blank}
    with_blanks = [path for path, text in texts.items() if re.search(r"\{\{ ?cookiecutter", text)]
    assert inside(project, with_blanks) == FILLED
    for name in FILLED:
        text = (project / name).read_text(encoding="utf-8")
        assert "{%" not in text
        if not name.endswith(".md"):
            unquoted = re.sub(r'"[^"\n]*"', "", text)
            assert "{{" not in unquoted


def test_every_other_file_is_copied_as_it_is(template: Path, blank: list[Path]) -> None:
    patterns = json.loads((template / "cookiecutter.json").read_text())["_copy_without_render"]
    names = inside(template / "{{cookiecutter.project_slug}}", blank)
    rendered = {
        name for name in names if not any(fnmatch.fnmatch(name, pattern) for pattern in patterns)
    }
    assert rendered == FILLED


def test_default_render_has_exactly_the_tracked_files(
    template: Path, blank: list[Path], render: Render, tmp_path: Path
) -> None:
    done = render()
    assert done.returncode == 0, done.stderr
    project = tmp_path / "churn-early-warning"
    assert inside(project, files_of(project)) == inside(
        template / "{{cookiecutter.project_slug}}", blank
    ), "files that git does not know (a stray cache?) or that cookiecutter lost"


def test_only_the_blanks_differ(
    template: Path, blank: list[Path], render: Render, tmp_path: Path
) -> None:
    assert render(project_slug="zz-top").returncode == 0
    for path in blank:
        name = path.relative_to(template / "{{cookiecutter.project_slug}}").as_posix()
        made = tmp_path / "zz-top" / name
        assert (made.read_bytes() == path.read_bytes()) == (name not in FILLED), name
        assert made.stat().st_mode == path.stat().st_mode, name


def test_nonsense_name_reaches_every_blank_and_leaves_nothing(
    render: Render, tmp_path: Path
) -> None:
    done = render(project_name="Qwxz Vbnm", description="Foretells quux from plugh.")
    assert done.returncode == 0, done.stderr
    project = tmp_path / "qwxz-vbnm"
    for path in files_of(project):
        parse(path)
        text = path.read_text(encoding="utf-8", errors="replace")
        assert "cookiecutter." not in text, path
    filled = {name: (project / name).read_text(encoding="utf-8") for name in FILLED}
    assert not [name for name, text in filled.items() if "{{" in text]
    assert (
        tomllib.loads(filled["pyproject.toml"])["project"]["description"]
        == "Foretells quux from plugh."
    )
    assert YAML(typ="safe", pure=True).load(filled["params.yaml"])["name"] == "qwxz-vbnm"
    assert filled["README.md"].startswith("# Qwxz Vbnm\n")


def test_the_repository_holds_everything_and_is_clean(render: Render, tmp_path: Path) -> None:
    identity = {
        f"GIT_{who}_{what}": "me@here.example"
        for who in ("AUTHOR", "COMMITTER")
        for what in ("NAME", "EMAIL")
    }
    assert render(env=identity).returncode == 0
    project = tmp_path / "churn-early-warning"

    def git(*args: str) -> str:
        return subprocess.run(
            ["git", *args], cwd=project, capture_output=True, text=True, check=True
        ).stdout

    assert git("status", "--porcelain", "--ignored") == ""
    assert git("rev-list", "--count", "HEAD").strip() == "1"
    assert git("branch", "--show-current").strip() == "main"
    assert set(git("ls-files").split()) == inside(project, files_of(project))
