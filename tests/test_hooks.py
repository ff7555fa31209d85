"""The hooks, run by cookiecutter: a hostile answer is refused or works everywhere."""

from __future__ import annotations

import random
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from conftest import PROJECT, Render
from cookiecutter.environment import StrictEnvironment
from jinja2 import Environment, Template
from ruamel.yaml import YAML

from demo import TEMPLATE

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


FRAGMENTS = [
    *(
        '"',
        "'",
        '"""',
        "'''",
        "\\",
        '\\"',
        "\n",
        "\r\n",
        "\x00",
        "\x1b[31m",
        "\t",
        "\u2028",
        "\u202e",
        "\ud800",
    ),
    *(
        "{{ 7 * 7 }}",
        "{% raw %}",
        "{% endraw %}",
        "{#",
        "#}",
        "{{",
        "}}",
        "${{ secrets.KEY }}",
        "%}",
    ),
    *(
        "$(touch evil)",
        "`touch evil`",
        "; touch evil",
        "&& touch evil",
        "| sh",
        "> evil",
        "%0a",
        "!!python",
    ),
    *(
        "#",
        ": ",
        "- ",
        "&a",
        "*a",
        "!!str",
        "|",
        "> ",
        "[",
        "]",
        "{",
        "}",
        "---",
        "? ",
        "@",
        "%",
        "~",
    ),
    *(
        "]\n[tool.evil]",
        '"\nname = "evil',
        "../",
        "/etc/passwd",
        ".git",
        "-rf",
        "--upload-pack",
        "~",
        "CON",
    ),
    *(
        "<script>",
        "</script>",
        "<!--",
        "-->",
        "[a](b)",
        "![x](y)",
        "@everyone",
        "`",
        "```",
        "<img src=x>",
    ),
    *(
        "é",
        "予測",
        "🐑",
        "\u200b",
        "\ufeff",
        "a",
        "B",
        "0",
        " ",
        "churn",
        "ml-project",
        "no",
        "null",
        "1e9",
    ),
    'import os; os.system("touch evil")',
    "__import__('os').system('touch evil')",
]
HOOKS = ("pre_gen_project.py", "post_gen_project.py")


def answers_of(number: int) -> dict[str, str]:
    """Three answers of one to six fragments; the folder's is a harmless one now and then."""
    draw = random.Random(number)  # noqa: S311 - the same answers each time
    words = ["".join(draw.choices(FRAGMENTS, k=draw.randint(1, 6))) for _ in range(3)]
    slug = words[1] if number % 4 == 0 else f"project-{number}"
    return {"project_name": words[0], "project_slug": slug, "description": words[2]}


def template_of(path: Path) -> Template:
    environment: Environment = StrictEnvironment(keep_trailing_newline=True)
    return environment.from_string(path.read_text("utf-8"))


def run_hook(hook: Template, answers: dict[str, str]) -> dict[str, Any]:
    """The names of the hook's module, made as cookiecutter makes it; its `main` is not called."""
    names: dict[str, Any] = {"__name__": "hook"}
    exec(compile(hook.render(cookiecutter=answers), "hook", "exec"), names)  # noqa: S102
    return names


def test_500_hostile_answers_inject_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each arrives as it is, past Jinja: refused by the hook, or a value and nothing else."""
    monkeypatch.chdir(tmp_path)
    pre, post = (template_of(TEMPLATE / "hooks" / name) for name in HOOKS)
    files = {name: template_of(PROJECT / name) for name in ("pyproject.toml", "params.yaml")}
    readme, yaml = template_of(PROJECT / "README.md"), YAML(typ="safe", pure=True)
    plain = {"project_name": "NAME", "project_slug": "SLUG", "description": "SENTENCE"}
    toml = tomllib.loads(files["pyproject.toml"].render(cookiecutter=plain))
    params = yaml.load(files["params.yaml"].render(cookiecutter=plain))
    survived = 0
    for number in range(500):
        answers = answers_of(number)
        hook = run_hook(pre, answers)
        assert hook["ANSWERS"] == run_hook(post, answers)["ANSWERS"] == answers
        try:
            hook["main"]()
        except SystemExit:
            assert re.search("^error: (project|description)", capsys.readouterr().err)
            continue
        survived += 1
        made = {name: file.render(cookiecutter=answers) for name, file in files.items()}
        toml["project"]["description"] = answers["description"]
        assert tomllib.loads(made["pyproject.toml"]) == toml
        assert yaml.load(made["params.yaml"]) == params | {"name": answers["project_slug"]}
        text = readme.render(cookiecutter=plain | {k: f"<{k}>" for k in plain})
        for key, value in answers.items():
            text = text.replace(f"<{key}>", value)
        assert readme.render(cookiecutter=answers) == text
    assert 50 < survived < 450, "both kinds are there"
    assert list(tmp_path.iterdir()) == []
