"""A project on the demo data, as each new one is until `make adopt` brings a person's own table.

`make setup` puts the demo data back into data/raw where data/raw.dvc names exactly them (git keeps
the hash, and a new project has no remote to pull from). The first adopt of another table removes
everything that was made of them.
Writes: data/raw/0001-demo.csv. Run: `make setup` (or `python -m ml.adopt.demo_project`).
"""

from __future__ import annotations

import filecmp
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
from ml.adopt.source.raw_store import dvc, is_stored, place_parts, sweep
from ml.dataset.reader import RAW, stored_parts
from ml.errors import UserError

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
            place_parts([table])
            with suppress(UserError):  # without git DVC does not work yet; `make flow` will say so
                dvc("add", str(RAW))  # into DVC's cache, so that `dvc push` has them to push
    return is_recorded


def leaves_demo(paths: list[Path]) -> bool:
    """Whether these parts replace the demo data, in data/raw or named by data/raw.dvc."""
    parts = stored_parts()
    if parts[:1] != [RAW / PART] if parts else not RECORD.is_file():
        return False
    with demo_table() as table:
        on_demo = is_stored([table]) if parts else _recorded_version() == _demo_version(table)
        return on_demo and not filecmp.cmp(paths[0], table, shallow=False)


def remove_demo() -> list[Path]:
    """Remove what was made of the demo data, but data/raw and contract.yaml; return its paths.

    Releases, registry and journal go only where all releases come from the demo data: on no account
    may a model of a person's own data be lost.

    Raises:
        UserError: a service has the journal open; its answers would go to a file that nobody finds.
    """
    made = [Path("dvc.lock"), Path("reports/monitoring"), *_pipeline_outputs()]
    if _only_demo_releases():
        _refuse_open_journal()
        registry = [Path(f"{REGISTRY}{suffix}") for suffix in ("", "-wal", "-shm")]
        made += [SERVING, *registry, Path("mlartifacts")]
    removed = [path for path in made if path.exists()]
    for path in removed:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    for folder in (Path("reports"), Path("metrics")):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
    return removed


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
    lineages = [
        json.loads(path.read_text(encoding="utf-8"))
        for path in SERVING.glob("releases/*/lineage.json")
    ]
    with demo_table() as table:
        alone, line = _demo_version(table), json.dumps(_listed(table))
    return bool(lineages) and all(
        of["data"] == alone or line in _listing(of["data"]) for of in lineages
    )


def _listing(version: str) -> str:
    """DVC's listing of an earlier data/raw, from its cache; empty: it is not there."""
    path = CACHE / version[:2] / version[2:]
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def _refuse_open_journal() -> None:
    """Sqlite leaves its write-ahead mode only while no other connection is open."""
    journal = SERVING / "journal.db"
    if not journal.is_file():
        return
    try:
        with closing(sqlite3.connect(journal, timeout=0)) as connection:
            connection.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.OperationalError as error:
        raise UserError(
            f"{journal}: {error}: a service that answers with the demo's model is running",
            "stop `make serve`, then repeat the command",
        ) from None


def _pipeline_outputs() -> list[Path]:
    stages = _yaml(Path("dvc.yaml"))["stages"].values() if Path("dvc.yaml").is_file() else []
    named = [
        out
        for stage in stages
        for key in ("outs", "metrics", "plots")
        for out in stage.get(key, [])
    ]
    return [Path(out if isinstance(out, str) else next(iter(out))) for out in named]


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
    if not RECORD.is_file():
        print("next: make adopt DATA=your.csv TARGET=column    (or DATA=demo)")
    elif not RAW.exists():
        print(f"next: python -m dvc pull    ({RECORD} names data that are not here)")
    else:
        print("next: make flow    (or make adopt DATA=your.csv TARGET=column: your own table)")


if __name__ == "__main__":
    main()
