"""A generated project under test: runs its commands, reads its registry and its journal."""

from __future__ import annotations

import json
import os
import subprocess
import urllib.error
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import demo

REGISTRY = """
import json
from mlflow import MlflowClient
client = MlflowClient("sqlite:///mlflow.db")
models = {m.name: client.get_registered_model(m.name) for m in client.search_registered_models()}
runs = [r for e in client.search_experiments() for r in client.search_runs([e.experiment_id])]
print(json.dumps({
    "versions": sorted(int(v.version) for v in client.search_model_versions()),
    "aliases": {a: str(v) for m in models.values() for a, v in m.aliases.items()},
    "names": list(models),
    "runs": len(runs),
    "metrics": runs[0].data.metrics if runs else {},
    "inputs": [i.dataset.digest for r in runs for i in r.inputs.dataset_inputs],
}))
"""
# not shipped here
CRD_SCHEMAS = Path(os.environ.get("CRD_SCHEMAS", demo.TEMPLATE.parent / "shared" / "schemas"))
REAL_TABLES = Path(os.environ.get("REAL_TABLES", demo.TEMPLATE.parent / "shared" / "data"))


@dataclass(frozen=True)
class Project:
    """A rendered project and the environment in which its commands run."""

    path: Path
    env: dict[str, str]

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the project's folder; stdout and stderr are captured as one text."""
        return subprocess.run(
            command,
            cwd=self.path,
            env=self.env,
            text=True,
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def sh(self, line: str) -> str:
        """Run a line of a document; its output. It must succeed."""
        done = self.run("sh", "-c", line)
        assert done.returncode == 0, f"{line}\n{done.stdout}"
        return done.stdout

    def make(self, *words: str) -> str:
        """Run a make target that must succeed."""
        done = self.run("make", "--no-print-directory", *words)
        assert done.returncode == 0, f"make {' '.join(words)}\n{done.stdout}"
        return done.stdout

    def python(self, *arguments: str) -> str:
        """Run the environment's Python; stdout alone."""
        done = subprocess.run(
            [self.path / ".venv/bin/python", *arguments],
            cwd=self.path,
            env=self.env,
            text=True,
            check=False,
            capture_output=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def refused(self, *words: str) -> str:
        """Run a make target that must fail with one error and a next command."""
        done = self.run("make", "--no-print-directory", *words)
        assert done.returncode == 2, done.stdout
        assert done.stdout.count("error:") == 1, done.stdout
        assert "next:" in done.stdout, done.stdout
        assert "Traceback" not in done.stdout, done.stdout
        return " ".join(done.stdout.split())

    def git(self, *arguments: str) -> str:
        """Run git; its output."""
        return self.sh("git " + " ".join(arguments)).strip()

    def commit(self, message: str = "step") -> None:
        """Commit everything."""
        self.sh(f"git add --all && git commit --quiet --allow-empty -m '{message}'")

    def registry(self) -> dict[str, Any]:
        """What MLflow's registry holds."""
        told: dict[str, Any] = json.loads(self.python("-c", REGISTRY))
        return told

    def journal(self) -> list[dict[str, Any]]:
        """The journal's predictions, each with its latest outcome."""
        code = (
            "import json; from ml.journal.store import Journal; "
            "print(json.dumps([vars(p) for p in Journal().predictions()]))"
        )
        told: list[dict[str, Any]] = json.loads(self.python("-c", code))
        return told

    def json(self, name: str) -> Any:
        """A JSON file of the project."""
        return json.loads((self.path / name).read_text(encoding="utf-8"))

    def rows(self, table: str, n: int) -> tuple[list[dict[str, Any]], list[Any]]:
        """The last `n` rows of a typed table as a request carries them, and their targets."""
        code = (
            "import json, pathlib; from ml.contract import load_contract; "
            "from ml.dataset.frame import read_table, rows_of_frame; "
            f"c = load_contract(); f = read_table(pathlib.Path({table!r}), c).tail({n}); "
            "print(json.dumps([rows_of_frame(f, c), f[c.target.name].tolist()]))"
        )
        rows, targets = json.loads(self.python("-c", code))
        return rows, targets

    def edit(self, name: str, old: str, new: str) -> None:
        """Replace a text that stands in a file exactly once."""
        path = self.path / name
        text = path.read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{name}: {old}"
        path.write_text(text.replace(old, new), encoding="utf-8")

    @contextmanager
    def served(self) -> Iterator[str]:
        """The running service's address."""
        with demo.service(self.path, self.env) as url:
            yield url


def identity(home: dict[str, str]) -> dict[str, str]:
    """An environment in which git knows who commits, and nothing of this machine's settings."""
    who = {
        f"GIT_{who}_{what}": "someone@localhost"
        for who in ("AUTHOR", "COMMITTER")
        for what in ("NAME", "EMAIL")
    }
    data = {"REAL_TABLES": str(REAL_TABLES), "CRD_SCHEMAS": str(CRD_SCHEMAS)}
    return home | who | data | {"COLUMNS": "200"}


def born(folder: Path, env: dict[str, str], **answers: str) -> Project:
    """Render a project into a folder and set it up with the shared environment."""
    given = [f"{key}={value}" for key, value in answers.items()]
    command = [*demo.COOKIECUTTER, "--default-config", "--output-dir", str(folder), *given]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (path,) = folder.iterdir()
    (path / ".venv").symlink_to(demo.VENV)
    project = Project(path, env)
    project.make("setup")
    return project


def ask(url: str, body: object = None) -> tuple[int, Any]:
    """Status and JSON of an answer, whatever the status."""
    try:
        return 200, demo.ask(url, body)
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def block(document: Path, number: int) -> list[str]:
    """The commands of a document's n-th bash block."""
    blocks = document.read_text(encoding="utf-8").split("```bash\n")[1:]
    return blocks[number].split("```")[0].strip().splitlines()


def real_table(name: str) -> Path | None:
    """A real table that this repository does not ship, where the machine has it."""
    return REAL_TABLES / name if (REAL_TABLES / name).is_file() else None
