"""A user's mistake ends in one error with the next command, and nothing is lost."""

from __future__ import annotations

import random
import subprocess
from pathlib import Path

import pytest
import rendered_project

pytestmark = pytest.mark.slow


def table(rows: int = 200, header: str = "age,plan,spent,left") -> str:
    draw = random.Random(1)  # noqa: S311 - a table, not a secret
    lines = [
        f"{draw.randint(18, 80)},{draw.choice(['basic', 'gold'])},{draw.random() * 90:.2f},"
        f"{draw.choice(['yes', 'no'])}"
        for _ in range(rows)
    ]
    return "\n".join([header, *lines]) + "\n"


BAD_FILES = {
    "no file": (None, "left", ["nowhere.csv"]),
    "empty": ("", "left", ["table.csv"]),
    "header only": ("age,plan,left\n", "left", ["table.csv"]),
    "target absent": (table(), "leftt", ["table.csv", "leftt", "left"]),
    "one class": (table().replace(",no\n", ",yes\n"), "left", ["left", "yes"]),
    "few rows": (table(5), "left", ["table.csv", "5"]),
    "one column": ("left\n" + "yes\nno\n" * 50, "left", ["table.csv"]),
    "ragged": (table() + "1,2,3,4,5,6\n", "left", ["table.csv"]),
}


@pytest.mark.parametrize(("text", "target", "named"), BAD_FILES.values(), ids=BAD_FILES)
def test_a_bad_file_is_refused(
    fresh: rendered_project.Project, text: str | None, target: str, named: list[str]
) -> None:
    path = fresh.path / ("nowhere.csv" if text is None else "table.csv")
    if text is not None:
        path.write_text(text)
    said = fresh.refused("adopt", f"DATA={path.name}", f"TARGET={target}")
    assert [word for word in named if word not in said] == []
    assert [part.name for part in fresh.path.glob("data/raw/*")] == ["0001-demo.csv"]
    assert fresh.git("status", "--porcelain", "--", ":!table.csv") == ""


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["adopt"], "DATA is not given"),
        (["adopt", "DATA=a folder that is not there"], "TARGET"),
        (["release"], "make flow"),
        (["rollback"], "make"),
        (["serve"], "make release"),
        (["monitor"], "make"),
        (["retrain"], "make"),
        (["label"], "FILE is not given"),
        (["label", "FILE=labels.csv"], "labels.csv"),
        (["image"], "make release"),
    ],
)
def test_a_step_too_early_names_the_step_before(
    fresh: rendered_project.Project, words: list[str], named: str
) -> None:
    assert named in fresh.refused(*words)


def test_a_project_whose_contract_was_deleted_is_told_to_adopt(
    fresh: rendered_project.Project,
) -> None:
    (fresh.path / "contract.yaml").unlink()
    assert "make adopt" in fresh.refused("flow")


@pytest.fixture
def adopted(fresh: rendered_project.Project) -> rendered_project.Project:
    """A small table, adopted, from a file whose name needs quotes."""
    (fresh.path / "my table; $HOME 'x'.csv").write_text(table())
    fresh.make("adopt", "DATA=my table; $HOME 'x'.csv", "TARGET=left")
    return fresh


def test_a_file_name_full_of_shell_is_a_file_name(adopted: rendered_project.Project) -> None:
    (part,) = (adopted.path / "data/raw").iterdir()
    assert part.read_text() == table()


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (table(header="age,plan,spend,left"), ["0002-more.csv", "spent"]),
        ("age,plan,left\n30,basic,yes\n", ["0002-more.csv", "spent"]),
        (
            table().replace("age,plan,spent,left\n", "age,plan,spent,left\nold,basic,1.0,yes\n"),
            ["0002-more.csv", "age", "old"],
        ),
        (table() + "33,platinum,1.0,yes\n", ["plan", "platinum"]),
    ],
    ids=["renamed column", "column gone", "type changed", "new level"],
)
def test_data_that_left_its_contract_stops_the_flow(
    adopted: rendered_project.Project, text: str, named: list[str]
) -> None:
    (adopted.path / "data/raw/0002-more.csv").write_text(text)
    adopted.python("-m", "dvc", "add", "--quiet", "data/raw")
    done = adopted.run("make", "--no-print-directory", "flow")
    assert done.returncode != 0
    said = " ".join(done.stdout.split())
    assert [word for word in [*named, "next:"] if word not in said] == []
    assert "Traceback" not in said
    assert not (adopted.path / "bundle").exists()


def test_a_label_file_that_is_not_there(adopted: rendered_project.Project) -> None:
    assert "no where.csv" in adopted.refused("label", "FILE=no where.csv")


def test_an_unknown_setting_is_named_with_the_nearest(adopted: rendered_project.Project) -> None:
    adopted.edit("params.yaml", "test_share: 0.2", "test_shar: 0.2")
    done = adopted.run("make", "--no-print-directory", "flow")
    assert done.returncode != 0
    assert "test_shar" in done.stdout
    assert "next:" in done.stdout
    assert "Traceback" not in done.stdout


def test_a_broken_contract_is_named(adopted: rendered_project.Project) -> None:
    path = adopted.path / "contract.yaml"
    path.write_text(path.read_text().replace("kind: categorical", "kind: category", 1))
    done = adopted.run("make", "--no-print-directory", "flow")
    assert done.returncode != 0
    assert "contract.yaml" in done.stdout
    assert "category" in done.stdout
    assert "Traceback" not in done.stdout


def test_an_old_python_is_refused_with_the_way_out(
    fresh: rendered_project.Project, tmp_path: Path
) -> None:
    old = tmp_path / "python3.10"
    old.write_text(
        '#!/bin/sh\ncase "$*" in *version_info*) exit 1;; --version) echo Python 3.10.1;; esac\n'
    )
    old.chmod(0o755)
    (fresh.path / ".venv").unlink()
    said = fresh.refused("setup", f"PYTHON={old}")
    assert "Python 3.10.1" in said
    assert "make setup PYTHON=" in said
    assert not (fresh.path / ".venv").exists()


def test_without_an_environment_every_word_says_setup(fresh: rendered_project.Project) -> None:
    (fresh.path / ".venv").unlink()
    for word in ("adopt", "flow", "serve", "check"):
        assert "next: make setup" in fresh.refused(word)


def test_the_list_of_words_needs_nothing(fresh: rendered_project.Project) -> None:
    (fresh.path / ".venv").unlink()
    said = subprocess.run(
        ["make"], cwd=fresh.path, capture_output=True, text=True, check=True
    ).stdout
    assert "make adopt" in said
    assert "make serve" in said
