"""A project on the demo data, as each new one is until `make adopt` brings a person's own table.

`make setup` puts the demo data back into data/raw where data/raw.dvc names exactly them (git keeps
the hash, and a new project has no remote to pull from). The first adopt of another table removes
everything that was made of them.
Writes: data/raw/0001-demo.csv. Run: `make setup` (or `python -m ml.adopt.demo_project`).
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from ml.adopt import demo_data
from ml.adopt.source.raw_store import dvc, is_stored, place_parts, same_bytes, sweep
from ml.dataset.reader import RAW, stored_parts
from ml.errors import UserError
from ml.ledger.chain import LEDGER

PART = "0001-demo.csv"
RECORD = RAW.with_name("raw.dvc")
CACHE = Path(".dvc/cache/files/md5")
SERVING, REGISTRY = Path("serving"), Path("mlflow.db")


@contextmanager
def demo_table() -> Iterator[Path]:
    """A file with the demo data, while it is needed: the same bytes each time."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "demo.csv"
        demo_data.simulate().to_csv(path, index=False)
        yield path


def restore() -> bool:
    """Put the demo data into data/raw, if data/raw is absent and data/raw.dvc names them.

    Returns:
        Whether it did.
    """
    sweep()
    if RAW.exists() or not RECORD.is_file():
        return False
    with demo_table() as table:
        is_recorded = _recorded_version() == _demo_version(table)
        if is_recorded:
            _put_back(table)
    return is_recorded


def _put_back(table: Path) -> None:
    place_parts([table])
    with suppress(UserError):  # without git DVC does not work yet; `make flow` will say so
        dvc("add", str(RAW))  # into DVC's cache, so that `dvc push` has them to push


def holds_demo() -> bool:
    """Whether data/raw starts with the demo data, or is absent and data/raw.dvc names them."""
    if not _could_hold_demo():
        return False
    with demo_table() as table:
        return _holds_demo(table)


def leaves_demo(paths: list[Path]) -> bool:
    """Whether these parts replace the demo data, in data/raw or named by data/raw.dvc."""
    if not _could_hold_demo():
        return False
    with demo_table() as table:
        return _holds_demo(table) and not same_bytes(paths[0], table)


def _could_hold_demo() -> bool:
    """Whether a look at the names allows it: the demo data take a second to generate."""
    parts = stored_parts()
    return parts[0] == RAW / PART if parts else RECORD.is_file()


def _holds_demo(table: Path) -> bool:
    """Whether data/raw starts with the demo data, or, if it is absent, data/raw.dvc names them."""
    if stored_parts():
        return is_stored([table])
    return _recorded_version() == _demo_version(table)


def remove_demo() -> list[Path]:
    """Remove what was made of the demo data, but data/raw and contract.yaml; return its paths.

    Releases, registry, ledger and journal are removed only where all releases come from the demo
    data: a model of a person's own data must never be lost.

    Raises:
        UserError: a service has the journal open and would go on writing to the removed file.
    """
    reports = [Path("reports/monitoring"), Path("reports/card")]
    outputs = [Path("dvc.lock"), *reports, *_pipeline_outputs()]
    if _only_demo_releases():
        _refuse_open_journal()
        outputs += [SERVING, LEDGER, *_registry_files()]
    removed = [path for path in outputs if path.exists()]
    for path in removed:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    for folder in (Path("reports"), Path("metrics")):
        _remove_if_empty(folder)
    return removed


def _registry_files() -> list[Path]:
    """MLflow's database, with the files that SQLite keeps beside it, and its artifacts."""
    return [*(Path(f"{REGISTRY}{end}") for end in ("", "-wal", "-shm")), Path("mlartifacts")]


def _remove_if_empty(folder: Path) -> None:
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def _recorded_version() -> str:
    """DVC's hash in data/raw.dvc."""
    return str(_yaml(RECORD)["outs"][0]["md5"])


def _demo_version(table: Path) -> str:
    """DVC's hash of a data/raw that holds the demo data alone: the md5 of its listing."""
    listing = json.dumps([_listed(table)]).encode()
    return f"{hashlib.md5(listing, usedforsecurity=False).hexdigest()}.dir"


def _listed(table: Path) -> dict[str, str]:
    """The demo data's line in DVC's listing of data/raw."""
    return {
        "md5": hashlib.md5(table.read_bytes(), usedforsecurity=False).hexdigest(),
        "relpath": PART,
    }


def _only_demo_releases() -> bool:
    """Whether there are releases, all of them trained on the demo data and later parts."""
    versions = [_data_version(path) for path in SERVING.glob("releases/*/lineage.json")]
    if not versions:
        return False
    with demo_table() as table:
        demo, line = _demo_version(table), json.dumps(_listed(table))
    return all(version == demo or line in _listing(version) for version in versions)


def _data_version(lineage: Path) -> str:
    """DVC's hash of the data/raw that a release was trained on."""
    return str(json.loads(lineage.read_text(encoding="utf-8"))["data"])


def _listing(version: str) -> str:
    """DVC's listing of an earlier data/raw, from its cache; empty: it is not there."""
    path = CACHE / version[:2] / version[2:]
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def _refuse_open_journal() -> None:
    """Refuse while a service writes: SQLite leaves WAL mode only if no other connection is open."""
    journal = SERVING / "journal.db"
    if not journal.is_file():
        return
    try:
        with closing(sqlite3.connect(journal, timeout=0)) as connection:
            connection.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.OperationalError as error:
        if "locked" not in str(error):
            raise
        raise UserError(
            f"{journal}: {error}: a service that answers with the demo's model is running",
            "stop `make serve`, then repeat the command",
        ) from None


def _pipeline_outputs() -> list[Path]:
    """What the stages of dvc.yaml write."""
    if not Path("dvc.yaml").is_file():
        return []
    stages = _yaml(Path("dvc.yaml"))["stages"].values()
    sections = [stage.get(key, []) for stage in stages for key in ("outs", "metrics", "plots")]
    return [_output_path(output) for outputs in sections for output in outputs]


def _output_path(output: str | dict[str, Any]) -> Path:
    """The path of an output, which is a key if the output has settings."""
    return Path(output if isinstance(output, str) else next(iter(output)))


def _yaml(path: Path) -> dict[str, Any]:
    from ruamel.yaml import YAML

    return dict(YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8")))


def main() -> None:
    """Restore, and say what to type next."""
    if restore():
        print(
            f"{RAW}: the demo data, invented customers who stay or leave, until your own table"
            " replaces them"
        )
    print(_next_step())


def _next_step() -> str:
    if not RECORD.is_file():
        return "next: make adopt DATA=your.csv TARGET=column    (or DATA=demo)"
    if not RAW.exists():
        return f"next: python -m dvc pull    ({RECORD} names data that are not here)"
    return "next: make flow    (or make adopt DATA=your.csv TARGET=column: your own table)"


if __name__ == "__main__":
    main()
