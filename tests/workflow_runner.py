"""Runs a workflow's steps in order, as GitHub would, with stand-ins for what is elsewhere.

Each job starts from a new clone of the repository, so that only artifacts and outputs pass from
one to the next. `make` words run for real in the project's environment; actions are stand-ins,
and so are `gh`, `docker`, `kubectl` and `aws`, which write down what they were asked.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rendered_project import Project
from ruamel.yaml import YAML

import demo

OPERATORS = {"&&": " and ", "||": " or ", "!cancelled()": "True", "cancelled()": "False"}
STAND_IN = """#!{python}
import json, os, pathlib, sys
here = pathlib.Path({folder!r})
with (here / "asked.jsonl").open("a") as asked:
    asked.write(json.dumps([{name!r}, *sys.argv[1:]]) + "\\n")
words = sys.argv[1:]
answers = json.loads((here / "answers.json").read_text())
for start, (status, said) in answers.items():
    if " ".join([{name!r}, *words]).startswith(start):
        print(said)
        sys.exit(status)
"""


class Nothing(str):
    """What is not there: empty, and so is each property of it."""

    def __getattr__(self, name: str) -> Nothing:
        return self


class Context(dict[str, Any]):
    """A context of an expression: `vars.NAME` is empty where nothing is set."""

    def __getattr__(self, name: str) -> Any:
        found = self.get(name, Nothing())
        return Context(found) if isinstance(found, dict) else found


@dataclass
class Runner:
    """One repository's workflows.

    Args:
        origin: the bare repository that jobs are cloned from, and that `propose` pushes to.
        folder: an empty one for clones, artifacts and stand-ins.
        env: of every step.
        elsewhere: words that other tests run, which are passed over.
    """

    origin: Path
    folder: Path
    env: dict[str, str]
    variables: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    elsewhere: frozenset[str] = frozenset()
    answers: dict[str, tuple[int, str]] = field(default_factory=dict)
    ran: list[str] = field(default_factory=list)  # words, in order
    done: dict[str, dict[str, Any]] = field(default_factory=dict)  # by workflow and job
    failing: str = ""  # a word's first failure is told by what it printed

    def __post_init__(self) -> None:
        tools = self.folder / "tools"
        tools.mkdir(parents=True)
        for name in ("gh", "docker", "kubectl", "aws"):
            script = STAND_IN.format(python=sys.executable, folder=str(self.folder), name=name)
            (tools / name).write_text(script)
            (tools / name).chmod(0o755)
        self.env = self.env | {"PATH": f"{tools}:{self.env['PATH']}"}

    @property
    def asked(self) -> list[list[str]]:
        """What the stand-ins were called with."""
        path = self.folder / "asked.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def run(
        self, name: str, trigger: str, only: set[str] | None = None, **github: Any
    ) -> dict[str, str]:
        """Run a workflow, or `only` these jobs of it, with what the others left the last time.

        Returns:
            each job's result.
        """
        path = f".github/workflows/{name}.yml"
        show = ["git", f"--git-dir={self.origin}", "show", f"main:{path}"]
        text = subprocess.run(show, capture_output=True, text=True, check=True).stdout
        told = {"event_name": trigger, "repository": "Someone/Churn", "ref": "refs/heads/main"}
        told |= {"token": "t", "actor": "someone", "ref_type": "branch"}
        github["event"] = {"repository": {"private": False}} | github.get("event", {})
        context = Context(
            github=told | github,
            vars=self.variables,
            secrets=self.secrets,
            needs={},
            inputs={"reason": "a test"},
        )
        (self.folder / "answers.json").write_text(json.dumps(self.answers))
        for job, body in YAML(typ="safe", pure=True).load(text)["jobs"].items():
            key = f"{name}-{job}"
            if only is None or job in only:
                self.done[key] = self._job(key, body, context)
            context["needs"][job] = self.done[key]
        return {job: done["result"] for job, done in context["needs"].items()}

    def _job(self, name: str, body: dict[str, Any], context: Context) -> dict[str, Any]:
        needed = body.get("needs", [])
        results = {
            context["needs"][n]["result"] for n in ([needed] * isinstance(needed, str) or needed)
        }
        condition = str(body.get("if", "true"))
        if (results - {"success"} and "cancelled()" not in condition) or not self._true(
            condition, context
        ):
            return {"result": "skipped", "outputs": {}}
        clone = self.folder / "jobs" / name / "churn"
        job = Context(context | {"steps": {}, "env": {}, "failed": False})
        env = {key: self._text(value, job) for key, value in body.get("env", {}).items()}
        for step in body["steps"]:
            condition = str(step.get("if", "true"))
            asks_failure = "failure()" in condition
            if asks_failure != job["failed"] or not self._true(condition, job, clone):
                continue
            if "uses" in step:
                self._action(step, clone)
            elif not self._step(step, clone, job, env):
                job["failed"] = True
        outputs = {key: self._text(v, job) for key, v in body.get("outputs", {}).items()}
        return {"result": "failure" if job["failed"] else "success", "outputs": outputs}

    def _action(self, step: dict[str, Any], clone: Path) -> None:
        action, given = step["uses"].split("@")[0], step.get("with", {})
        match action:
            case "actions/checkout":
                shutil.rmtree(clone, ignore_errors=True)
                clone.parent.mkdir(parents=True, exist_ok=True)
                command = ["git", "clone", "--quiet", str(self.origin), str(clone)]
                subprocess.run(command, check=True)
                (clone / ".venv").symlink_to(demo.VENV)
            case "actions/upload-artifact":
                (path,) = given["path"].split()
                kept = self.folder / "artifacts" / given["name"]
                kept.mkdir(parents=True, exist_ok=True)
                if (clone / path).is_dir():
                    shutil.copytree(clone / path, kept, dirs_exist_ok=True)
                else:
                    shutil.copy(clone / path, kept)
            case "actions/download-artifact":
                kept = self.folder / "artifacts" / given["name"]
                shutil.copytree(kept, clone / given.get("path", "."), dirs_exist_ok=True)
        self.ran.append(action)

    def _step(self, step: dict[str, Any], clone: Path, job: Context, env: dict[str, str]) -> bool:
        word = step["run"].removeprefix("make ")
        self.ran.append(word)
        if word in self.elsewhere:
            return True
        output = self.folder / "output"
        output.write_text("")
        more = {key: self._text(value, job) for key, value in step.get("env", {}).items()}
        written = {"GITHUB_OUTPUT": output, "GITHUB_STEP_SUMMARY": self.folder / "summary.md"}
        told = self.env | env | more | {key: str(path) for key, path in written.items()}
        done = Project(clone, told).run("make", "--no-print-directory", word)
        lines = [line.split("=", 1) for line in output.read_text().splitlines()]
        job["steps"][step.get("id", word)] = {"outputs": dict(lines)}
        self.failing = self.failing or ("" if done.returncode == 0 else f"{word}\n{done.stdout}")
        return done.returncode == 0

    def _text(self, value: object, context: Context) -> str:
        """A value with its expressions filled in."""
        return re.sub(
            r"\$\{\{(.*?)\}\}", lambda m: str(self._value(m[1], context) or ""), str(value)
        )

    def _true(self, condition: str, context: Context, clone: Path | None = None) -> bool:
        return condition == "true" or bool(self._value(condition, context, clone))

    def _value(self, expression: str, context: Context, clone: Path | None = None) -> Any:
        """An expression's value: the few operators and functions that the workflows use."""
        code = re.sub(r"hashFiles\('(.*?)'\)", r"hash_files('\1')", expression.strip())
        for theirs, ours in OPERATORS.items():
            code = code.replace(theirs, ours)
        code = re.sub(r"!(?!=)", " not ", code).replace("pull-requests", "pull_requests")
        names = {
            **context,
            "hash_files": lambda name: "x" if clone and (clone / name).exists() else "",
            "failure": lambda: context["failed"],
            "format": str.format,
        }
        wrapped = {k: Context(v) if isinstance(v, dict) else v for k, v in names.items()}
        return eval(code, {"__builtins__": {}}, wrapped)  # noqa: S307 - this repository's own files
