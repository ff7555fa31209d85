"""Kills `release`, `approve` or `rollback` before each of its writes; it forks, so it is a process.

A write is a transaction of mlflow.db, or a file, folder or link of the project that is made,
renamed or removed; of the files that one folder is filled with in a row, and of equal transactions
in a row, the first and the last.
For each number a copy of the project is made, the command runs in a child that ends without a word
before the write of that number, and another child looks, runs the command again and looks again.
Where a promotion was begun, a third one runs the other command in another copy. Prints one line of
JSON for each.

Run: `python -m tests.release.kill PROJECT FOLDER release|approve|rollback`
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import mlflow.onnx
import mlflow.store.model_registry.sqlalchemy_store
import mlflow.store.tracking.sqlalchemy_store  # noqa: F401
import onnx  # noqa: F401
import sklearn.metrics  # noqa: F401
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.orm import configure_mappers

from ml.bundle import load_bundle
from ml.dataset.frame import read_table  # noqa: F401
from ml.errors import UserError
from ml.ledger import chain
from ml.release import commands as module
from ml.release import promotion, register, registry
from ml.release.gate import bundle_rules

COMMANDS: dict[str, Callable[[], Any]] = {
    "release": module.release,
    "approve": module.approve,
    "rollback": module.rollback,
}
CHANGES = ("INSERT", "UPDATE", "DELETE")
KILLED = 9
MADE = ("os.rename", "os.symlink", "os.unlink", "os.rmdir", "shutil.rmtree")


class Writes:
    """Counts the writes of this process; ends it before the one with the number `last`."""

    def __init__(self, last: int | None) -> None:
        self.names: list[str] = []
        self.last = last
        sys.addaudithook(self.audit)
        event.listen(Engine, "after_cursor_execute", self.executed)
        event.listen(Engine, "commit", self.commit)

    def write(self, name: str) -> None:
        if len(self.names) == self.last:
            os._exit(KILLED)
        self.names.append(name)

    def audit(self, name: str, args: tuple[Any, ...]) -> None:
        if name == "open":
            path, _, flags = args
            if isinstance(path, str) and flags & (os.O_WRONLY | os.O_RDWR) and ours(path):
                self.write(f"open {path}")
        elif name in MADE and any(ours(path) for path in args[:2] if isinstance(path, (str, Path))):
            self.write(f"{name} {args[0]} {args[1]}")

    def executed(self, connection: Connection, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.lstrip().upper().startswith(CHANGES):
            connection.info["changes"] = statement.split("(")[0].split("SET")[0].strip()

    def commit(self, connection: Connection) -> None:
        if changes := connection.info.pop("changes", None):
            self.write(f"commit {changes}")


def ours(path: str | Path) -> bool:
    """Whether a file is of the current project. The database is counted by its commits."""
    path = Path(path).absolute()
    return path.is_relative_to(Path.cwd()) and not path.name.startswith("mlflow.db")


def in_child(project: Path, work: Callable[[], Any]) -> Any:
    """What `work` returns in a forked process in the project; None where it was killed."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        os.chdir(project)
        answered = json.dumps(work()).encode()
        os.write(write, answered)
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as file:
        answer = file.read()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, KILLED), status
    return json.loads(answer) if answer else None


def run(command: str, last: int | None = None) -> list[str]:
    """Run a command, killed before the write of a number; the names of its writes."""
    sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115, PTH123
    register.refuse_stale = lambda: None  # this one and the next take seconds, and write nothing
    bundle_rules.one_row_milliseconds = lambda bundle: 0.01  # noqa: ARG005
    writes = Writes(last)
    with suppress(UserError):
        COMMANDS[command]()
    return writes.names


def state() -> dict[str, Any]:
    """What the registry and serving/ hold, but for ids and times."""
    client = registry.connect()
    found = client.get_experiment_by_name("life")
    assert found
    versions = client.search_model_versions("name = 'life'")
    runs = client.search_runs([found.experiment_id])
    return {
        "champion": registry.alias(client, "life", "champion"),
        "previous": registry.alias(client, "life", "previous"),
        "served": load_bundle().version,  # verified, and asked its golden rows
        "begun": registry.PROMOTION in client.get_registered_model("life").tags
        or promotion.PENDING.exists(),
        "ledger": [
            [entry.action, entry.from_version, entry.to_version]
            for entry in chain.check(chain.read())  # each follows the one before
        ],
        "decisions": len({entry.decision for entry in chain.entries()}),
        "noted": (registry.noted_line(client, "life") or [0])[0],
        "versions": {str(v.version): tags(v.tags) for v in versions},
        "runs": sorted(
            [r.info.status, len(r.inputs.dataset_inputs), len(r.data.metrics)] for r in runs
        ),
        "models": len(client.search_logged_models([found.experiment_id])),
        "releases": sorted(path.name for path in Path("serving/releases").iterdir()),
        "links": sorted(path.name for path in Path("serving").iterdir() if path.is_symlink()),
    }


def tags(given: dict[str, str]) -> dict[str, str]:
    """A version's tags; of a time it counts that there is one."""
    return {name: "" if name == registry.ROLLED_BACK else value for name, value in given.items()}


def before_or_after_many(names: list[str]) -> list[int]:
    """The numbers of all writes but those between two others to the same folder or of one table."""
    kinds = [_kind(name, i) for i, name in enumerate(names)]
    return [
        i
        for i, kind in enumerate(kinds)
        if not (i and kinds[i - 1] == kind and kinds[i + 1 : i + 2] == [kind])
    ]


def _kind(name: str, number: int) -> str:
    if name.startswith("open"):
        return os.path.dirname(name)  # noqa: PTH120
    return name if name.startswith("commit") else str(number)


def main(project: Path, folder: Path, command: str) -> None:
    """Kill the command before each write, and print what came of it."""
    other = "release" if command == "rollback" else "rollback"

    def copied() -> Path:
        shutil.rmtree(folder, ignore_errors=True)
        return Path(
            shutil.copytree(
                project, folder, symlinks=True, ignore=shutil.ignore_patterns(".git", "ml")
            )
        )

    def run_and_look(again: str) -> list[dict[str, Any]]:
        before = state()
        run(again)
        return [before, state()]

    configure_mappers()
    names, after = in_child(copied(), lambda: (run(command), state()))
    print(json.dumps({"names": names, "after": after}), flush=True)
    for number in before_or_after_many(names):
        copied()
        assert in_child(folder, partial(run, command, number)) is None
        half = Path(shutil.copytree(folder, f"{folder}.half", symlinks=True))
        killed, again = in_child(folder, lambda: run_and_look(command))
        result = {"name": names[number], "killed": killed, "again": again}
        if killed["begun"]:
            result["other"] = in_child(half, lambda: run_and_look(other))[1]
        shutil.rmtree(half)
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
