"""The registry and the journal of a laptop, copied into the stack's: versions keep their numbers.

Run by `make move-in`, in a container that sees the project's folder and the stack's databases.
Reads: mlflow.db, mlartifacts/, serving/journal.db; they stay as they are. Writes: the database of
MLflow (MLFLOW_BACKEND_STORE_URI), where no model is registered yet, the bucket `mlflow`, and the
journal (JOURNAL_URL). It can be stopped and run again: each of the three is copied whole or not at
all, and what is there already is left out.
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import mlflow.store.db.utils  # noqa: F401  # it names every table of MLflow in Base
import sqlalchemy as sa
from mlflow.store.db.base_sql_model import Base

from ml.journal.schema import LABELS, PREDICTIONS
from ml.journal.store import Journal

REGISTRY, ARTIFACTS, JOURNAL = Path("mlflow.db"), Path("mlartifacts"), Path("serving/journal.db")
BUCKET, FOLDER = "mlflow", "laptop"  # a folder of its own in the bucket
ROWS = 1000  # at a time


def fail(what: str, step: str) -> None:
    """End with an error and the next command."""
    print(f"error: {what}\n  next: {step}", file=sys.stderr)
    sys.exit(2)


def chunks(source: sa.Connection, query: sa.Select[Any]) -> Iterator[list[dict[str, Any]]]:
    """Rows of a query, some at a time."""
    result = source.execution_options(yield_per=ROWS).execute(query)
    for part in result.mappings().partitions(ROWS):
        yield [dict(row) for row in part]


def upload_artifacts() -> int:
    """Copy mlartifacts/ into the bucket; how many files."""
    s3 = boto3.client("s3", endpoint_url=os.environ["MLFLOW_S3_ENDPOINT_URL"])
    files = [path for path in sorted(ARTIFACTS.rglob("*")) if path.is_file()]
    for path in files:
        s3.upload_file(str(path), BUCKET, f"{FOLDER}/{path.relative_to(ARTIFACTS).as_posix()}")
    return len(files)


def moved(value: Any) -> Any:
    """An address below some folder's mlartifacts/ as the stack's; anything else as it is."""
    if isinstance(value, str) and value.startswith("file:///"):
        _, found, after = f"{value}/".partition(f"/{ARTIFACTS}/")
        if found:
            return f"mlflow-artifacts:/{FOLDER}/{after}".rstrip("/")
    return value


def moved_row(table: sa.Table, row: dict[str, Any]) -> dict[str, Any]:
    """A row with the stack's addresses; an experiment that had none of them gets one."""
    row = {key: moved(value) for key, value in row.items()}
    place = str(row.get("artifact_location"))
    if table.name == "experiments" and not place.startswith("mlflow-artifacts:"):
        row["artifact_location"] = f"mlflow-artifacts:/{FOLDER}/{row['experiment_id']}"
    return row


def copy_registry(source: sa.Connection, target: sa.Connection) -> int:
    """Copy each table of MLflow, those first that others refer to; how many versions."""
    for table in reversed(Base.metadata.sorted_tables):  # the rows of an empty one: experiment 0
        target.execute(table.delete())
    there = set(sa.inspect(source).get_table_names())
    for table in Base.metadata.sorted_tables:
        for rows in chunks(source, sa.select(table)) if table.name in there else ():
            target.execute(table.insert(), [moved_row(table, row) for row in rows])
        go_on_counting(target, table)
    versions = Base.metadata.tables["model_versions"]
    return target.scalar(sa.select(sa.func.count()).select_from(versions)) or 0


def go_on_counting(target: sa.Connection, table: sa.Table) -> None:
    """PostgreSQL's next number of a table whose rows came with theirs."""
    column = table.autoincrement_column
    if column is None:
        return
    sequence = sa.func.pg_get_serial_sequence(table.name, column.name)
    last = sa.select(sa.func.coalesce(sa.func.max(column), 0) + 1).scalar_subquery()
    target.execute(sa.select(sa.func.setval(sequence, last, False)))


def schema(connection: sa.Connection) -> str | None:
    """The version of MLflow's tables."""
    return connection.scalar(sa.text("SELECT version_num FROM alembic_version"))


def move_registry() -> None:
    """Artifacts first: a registry that is there has all of its files."""
    source = sa.create_engine(f"sqlite:///{REGISTRY}")
    target = sa.create_engine(os.environ["MLFLOW_BACKEND_STORE_URI"])
    with source.connect() as old, target.begin() as new:
        if new.scalar(sa.select(sa.func.count()).select_from(Base.metadata.tables["runs"])):
            fail("the stack's registry has runs of its own", "make down VOLUMES=remove loses them")
        if schema(old) != schema(new):
            step = f"python -m mlflow db upgrade sqlite:///{REGISTRY}"
            fail(f"{REGISTRY}: of another version of MLflow", step)
        files, versions = upload_artifacts(), copy_registry(old, new)
    print(f"{REGISTRY}: {versions} versions, {files} files of {ARTIFACTS}/")


def move_journal() -> None:
    """Answers by their ids, which no other journal gives; outcomes in the order they came in."""
    source = sa.create_engine(f"sqlite:///{JOURNAL}")
    target = Journal(os.environ["JOURNAL_URL"]).engine
    with source.connect() as old, target.begin() as new:
        first = old.scalar(sa.select(PREDICTIONS.c.prediction_id).limit(1))
        known = sa.select(PREDICTIONS.c.prediction_id).where(PREDICTIONS.c.prediction_id == first)
        if first is None or new.scalar(known):
            print(f"{JOURNAL}: nothing that is not there")
            return
        counted = {PREDICTIONS: 0, LABELS: 0}
        for table in counted:
            columns = [c for c in table.columns if c is not LABELS.c.id]
            order = LABELS.c.id if table is LABELS else PREDICTIONS.c.prediction_id
            for rows in chunks(old, sa.select(*columns).order_by(order)):
                new.execute(table.insert(), rows)
                counted[table] += len(rows)
    print(f"{JOURNAL}: {counted[PREDICTIONS]} requests, {counted[LABELS]} outcomes")


if __name__ == "__main__":
    if JOURNAL.is_file():
        move_journal()
    if REGISTRY.is_file():
        move_registry()
