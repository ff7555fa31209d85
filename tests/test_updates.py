"""A project follows its template: `--checkout`, `cruft create`, `cruft update`, `cruft diff`."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest
import rendered_project
from conftest import PROJECT

from demo import SOURCES, TEMPLATE

CRUFT = str(Path(sys.executable).with_name("cruft"))
SKIP = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["cruft"][
    "skip"
]
OWN = {
    "contract.yaml": "target:\n  name: mine\n",
    "data/raw.dvc": "outs:\n- path: raw\n  md5: mine.dir\n",
    "data/raw/0001-own.csv": "mine\n1\n",  # git does not know it
}
EDIT = "\n\nMINE = 1\n"


@dataclass(frozen=True)
class Person:
    """Somebody with a project, and the repository of its template."""

    path: Path
    template: Path
    env: dict[str, str]

    def run(self, *command: str, cwd: Path | None = None) -> str:
        """Run a command that must succeed; its stdout."""
        done = subprocess.run(
            command,
            cwd=cwd or self.path,
            env=self.env,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def commit(self) -> None:
        self.run("git", "add", "--all")
        self.run("git", "commit", "--quiet", "--allow-empty", "-m", "step")

    def create(self, commit: str) -> None:
        """A project of that commit of the template, committed."""
        self.run(
            *(CRUFT, "create", str(self.template), "--no-input", "--checkout", commit),
            cwd=self.path.parent,
        )
        if "[tool.cruft]" not in (self.path / "pyproject.toml").read_text(encoding="utf-8"):
            self.skip_as_the_readme_says()
        self.commit()

    def skip_as_the_readme_says(self) -> None:
        """What an older project needs once: a line after the first brace of .cruft.json."""
        readme = (PROJECT / "README.md").read_text(encoding="utf-8")
        (line,) = re.findall(r'`("skip": \[.*?\],)`', readme)
        state = self.path / ".cruft.json"
        state.write_text(state.read_text().replace("{", "{" + line, 1))
        assert json.loads(state.read_text())["skip"] == SKIP

    def make_it_their_own(self) -> None:
        """Another contract, other data, an edited model; committed."""
        for name, text in OWN.items():
            (self.path / name).parent.mkdir(parents=True, exist_ok=True)
            (self.path / name).write_text(text)
        model = self.path / "ml/model.py"
        model.parent.mkdir(exist_ok=True)  # the oldest template has none
        model.write_text((model.read_text() if model.exists() else '"""Mine."""') + EDIT)
        self.commit()

    def update(self) -> None:
        self.run(CRUFT, "update", "--skip-apply-ask", "--checkout", "today")

    def status(self) -> dict[str, str]:
        """Git's two letters of each path that differs from the last commit."""
        lines = self.run("git", "status", "--porcelain").splitlines()
        return {line[3:]: line[:2] for line in lines}

    def assert_own_files_are_untouched(self) -> None:
        assert {name: (self.path / name).read_text() for name in OWN} == OWN
        assert not set(self.status()) & set(OWN)
        assert EDIT.strip() in (self.path / "ml/model.py").read_text()

    def assert_news_arrived(self) -> None:
        """Files that the person did not edit are today's."""
        for name in ("Makefile", "dvc.yaml", "ml/contract.py", "docs/serving.md"):
            assert (self.path / name).read_bytes() == (PROJECT / name).read_bytes(), name
        assert (
            json.loads((self.path / ".cruft.json").read_text())["commit"]
            == self.run("git", "-C", str(self.template), "rev-parse", "today^{commit}").strip()
        ), "cruft's record names the new commit"


def is_shallow(person: Person) -> bool:
    """Whether this clone holds its latest commits only, as a checkout of CI may."""
    command = ["git", "rev-parse", "--is-shallow-repository"]
    return person.run(*command, cwd=TEMPLATE).strip() == "true"


@pytest.fixture(scope="module")
def history(
    tmp_path_factory: pytest.TempPathFactory, tracked: list[Path], home: dict[str, str]
) -> Person:
    """The template's repository: its history as far as this clone has it, `before`, `today`.

    `before` is today's template with another demo, another line in four files and without a module.
    """
    folder = tmp_path_factory.mktemp("history") / "template"
    env = rendered_project.identity(home)
    author = Person(folder, folder, env)
    if is_shallow(author):
        author.run("git", "init", "--quiet", str(folder), cwd=folder.parent)
    else:
        author.run("git", "clone", "--quiet", str(TEMPLATE), str(folder), cwd=folder.parent)
        author.run("git", "rm", "-r", "--quiet", "--force", ".")
    for path in tracked:
        copy = folder / path.relative_to(TEMPLATE)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    project, today = folder / SOURCES[-1], {}
    for name in ("ml/model.py", "contract.yaml", "data/raw.dvc", "Makefile", "docs/serving.md"):
        today[name] = (project / name).read_bytes()
        first, rest = today[name].split(b"\n", 1)
        (project / name).write_bytes(first.replace(b"# ", b"# before: ") + b"  \n" + rest)
    today["ml/contract.py"] = (project / "ml/contract.py").read_bytes()
    (project / "ml/contract.py").unlink()
    author.commit()
    author.run("git", "tag", "before")
    for name, content in today.items():
        (project / name).write_bytes(content)
    author.commit()
    author.run("git", "tag", "today")
    return author


@pytest.fixture
def person(history: Person, tmp_path: Path) -> Person:
    return Person(tmp_path / "churn-early-warning", history.template, history.env)


def test_the_tag_that_is_asked_for_is_rendered(person: Person) -> None:
    url = f"git+file://{person.template}"
    command = [sys.executable, "-m", "cookiecutter", url, "--no-input", "--checkout", "before"]
    person.run(*command, cwd=person.path.parent)
    assert not (person.path / "ml/contract.py").exists()
    commit = person.run("git", "-C", str(person.template), "rev-parse", "--short=12", "before")
    message = person.run("git", "log", "-1", "--format=%s").strip()
    assert message == f"Project from the template at {commit.strip()}"
    # what the README says of a project that cookiecutter made
    said = message.rsplit(" ", 1)[1]
    person.run(CRUFT, "link", str(person.template), "--no-input", "--checkout", said)
    person.commit()
    person.update()
    person.assert_news_arrived()


def test_an_update_leaves_own_contract_data_and_model(person: Person) -> None:
    person.create("before")
    person.make_it_their_own()
    person.update()
    person.assert_own_files_are_untouched()
    person.assert_news_arrived()
    assert "U" not in "".join(person.status().values()), "the edit of model.py merges"
    today = (PROJECT / "ml/model.py").read_text(encoding="utf-8")
    assert (person.path / "ml/model.py").read_text(encoding="utf-8") == today + EDIT
    assert not list(person.path.rglob("*.rej"))


def test_an_update_without_edits_leaves_no_difference(person: Person) -> None:
    person.create("before")
    person.update()
    person.commit()
    assert person.run(CRUFT, "diff", "--exit-code") == ""
    assert "up to date" in person.run(CRUFT, "check", "--checkout", "today")
    person.run("git", "rev-parse", "HEAD")  # the repository is the person's own
    assert person.run("git", "log", "--format=%s").count("Project from the template") == 1


def test_without_a_common_version_the_rest_is_left_beside_the_file(person: Person) -> None:
    person.create("before")
    shutil.rmtree(person.path / ".git")
    model = person.path / "ml/model.py"
    mine = "# mine\n" + model.read_text().split("\n", 3)[3]
    model.write_text(mine)
    person.run("git", "init", "--quiet")
    person.commit()
    person.update()
    assert model.read_text() == mine
    assert (person.path / "ml/model.py.rej").is_file()
    person.assert_news_arrived()


@pytest.mark.parametrize("complete", [False, True], ids=["oldest", "oldest with a README"])
def test_an_update_from_the_oldest_template(person: Person, complete: bool) -> None:
    first = f"{SOURCES[-1]}/{'README.md' if complete else 'pyproject.toml'}"
    added = ["git", "log", "--reverse", "--format=%H", "--diff-filter=A", "--", first]
    commits = person.run(*added, cwd=TEMPLATE).split()
    if is_shallow(person) or not commits:
        pytest.skip("this clone has no history: the update from `before` above was tried alone")
    person.create(commits[0])
    person.make_it_their_own()
    person.update()
    person.assert_own_files_are_untouched()
    person.assert_news_arrived()
    others = {path for path, letters in person.status().items() if {"U", "?"} & set(letters)}
    assert others <= {"ml/model.py"}, "only the edited file may ask the person"
    # the template's version, then nothing differs
    person.run("git", "checkout", "--theirs", "ml/model.py")
    person.commit()
    assert person.run(CRUFT, "diff", "--exit-code") == ""
