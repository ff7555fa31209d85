"""A moved or copied project: mlflow.db names the artifacts of the folder in which it lies.

Reads and writes: mlflow.db. MLflow records the absolute address of every experiment, run, model and
version, and has no call that changes one (3.17). Without this a copy would write into the
original's mlartifacts/, and a moved project would not find its earlier versions. Run by every
command that opens the registry, and by `make ui`.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from ml.pipeline.tracking import ARTIFACTS

DATABASE = Path("mlflow.db")
ADDRESSES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "storage_location"),
)


def relocate() -> None:
    """Make addresses below another folder's mlartifacts/ point here, in one transaction."""
    if not DATABASE.is_file():
        return
    address = ARTIFACTS.absolute().as_uri()
    with closing(sqlite3.connect(DATABASE)) as store, store:
        for recorded in _recorded(store):
            if recorded != address:
                _replace(store, recorded, address)


def _recorded(store: sqlite3.Connection) -> list[str]:
    """The addresses of mlartifacts/ of the experiments; none in a database without tables yet."""
    if not _tables(store).issuperset(table for table, _ in ADDRESSES):
        return []
    locations = store.execute(
        "SELECT DISTINCT artifact_location FROM experiments WHERE artifact_location LIKE ?",
        (f"file:///%/{ARTIFACTS}",),
    )
    return [location for (location,) in locations]


def _tables(store: sqlite3.Connection) -> set[str]:
    rows = store.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
    return {name for (name,) in rows}


def _replace(store: sqlite3.Connection, old: str, new: str) -> None:
    for table, column in ADDRESSES:
        store.execute(
            f"UPDATE {table} SET {column} = ? || substr({column}, ?) "  # noqa: S608 - names from above
            f"WHERE {column} = ? OR substr({column}, 1, ?) = ?",
            (new, len(old) + 1, old, len(old) + 1, f"{old}/"),
        )


if __name__ == "__main__":
    relocate()
