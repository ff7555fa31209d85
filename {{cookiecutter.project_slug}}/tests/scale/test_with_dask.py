"""Parts on Dask, with real processes: its worker, its scheduler and its client are killed.

Dask is in an environment of its own (requirements/scale.txt beside the project's), made here.
"""

from __future__ import annotations

import hashlib
import json
import re
import signal
import subprocess
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ml.journal import export
from ml.journal.store import Journal
from ml.scale.store import Store
from ml.standalone.score_folder import plan_scores, score_parts
from tests.conftest import HERE
from tests.journal.postgresql import Database, copy_answers, needs_postgresql
from tests.monitoring.conftest import World, customers, params, record, released, world
from tests.scale import judged
from tests.scale.conftest import Cluster, Make, said_by, wait_for, write_certificate
from tests.scale.searched import found_by
from tests.scale.tasks import Here
from tests.standalone.conftest import ROWS, project, s3, written

__all__ = ["params", "project", "released", "s3", "world"]  # fixtures of other rooms
Process = subprocess.Popen[bytes]
DASK = re.compile(r"^(dask|distributed)\b", re.MULTILINE)


def drive(cluster: Cluster, seconds: float, *words: str) -> dict[str, Any]:
    """What came of parts, one for each word."""
    process = cluster.python("-m", "tests.scale.drive", cluster.address, str(seconds), *words)
    found: dict[str, Any] = json.loads(said_by(process))
    return found


@pytest.mark.slow
def test_over_tls_each_fault_costs_its_own_part_and_a_killed_client_no_table(
    cluster_of: Make, project: Path, s3: dict[str, str], tmp_path: Path
) -> None:
    """A part that kills its worker hung Dask's own client for ever."""
    cluster = cluster_of({**s3, **write_certificate(tmp_path)}, "tls")
    for _ in range(2):
        cluster.add_worker()
    assert cluster.address.startswith("tls://")
    found = drive(cluster, 1, "a", "dies", "b", "hangs", "raises:no", "refuses:column", "c", "d")
    killed = "killed its worker, or was not done within its seconds there"
    assert found["failed"] == {
        "part-1": killed,
        "part-3": killed,
        "part-4": "ValueError: no",
        "part-5": "column",
    }
    assert found["results"] == {"part-0": "a", "part-2": "b", "part-6": "c", "part-7": "d"}
    tables_are_scored_after_a_kill(cluster)


def tables_are_scored_after_a_kill(cluster: Cluster) -> None:
    """From S3 to S3, by a client that is killed and one that does the rest.

    The answers are those of this process, byte by byte.
    """
    table = written(Path("in/00.parquet"), ROWS)
    bucket = Store("s3://tables")
    for i in range(24):
        bucket.write(f"in/{i:02}.parquet", table.read_bytes())
    words = ["-m", "ml", "score", "s3://tables/in/*.parquet", "s3://tables/out/"]
    address = {"DASK_SCHEDULER_ADDRESS": cluster.address}
    client = cluster.python(*words, **address)
    wait_for(lambda: len(receipts(bucket)) > 1)
    client.kill()
    client.communicate()
    before = wait_for_quiet(bucket)
    assert 1 < len(before) < 24
    said = said_by(cluster.python(*words, **address))
    assert f"parts done: 24 of 24, {len(before)} of them before" in said
    assert before.items() <= receipts(bucket).items()
    found = json.loads(bucket.read("out/_manifest.json"))["parts"]
    assert score_parts(plan_scores("in", "here", replace=False), Here(), 60)
    (here,) = Path("here").glob("00-*.parquet")
    assert {part["sha256"] for part in found} == {hashlib.sha256(here.read_bytes()).hexdigest()}


def receipts(bucket: Store) -> dict[str, Any]:
    """When each part's receipt was put."""
    bucket.system.invalidate_cache()
    found = bucket.system.find("tables/out/_parts", detail=True)
    return {name: i["LastModified"] for name, i in found.items() if i["type"] == "file"}


def wait_for_quiet(bucket: Store) -> dict[str, Any]:
    """The receipts, once the parts of a client that is gone have ended."""
    before = receipts(bucket)
    while True:
        time.sleep(1)
        now = receipts(bucket)
        if now == before:
            return now
        before = now


@pytest.mark.slow
def test_a_killed_worker_costs_search_and_window_nothing_and_a_killed_scheduler_is_told(
    cluster_of: Make, world: World, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Trials, scores, model and verdicts are those of one process, bit by bit."""
    cluster = cluster_of({"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1"})
    workers = [cluster.add_worker("--no-nanny") for _ in range(2)]
    signs = tmp_path / "search"
    signs.mkdir()
    words = ["-m", "tests.scale.searched", "dask", str(signs)]
    process = cluster.python(*words, DASK_SCHEDULER_ADDRESS=cluster.address)
    wait_for(lambda: len(list(signs.iterdir())) > 3)
    workers[0].send_signal(signal.SIGKILL)
    found = json.loads(said_by(process))
    assert found == found_by("local", tmp_path)
    assert len(found[0]) > 5
    cluster.add_worker("--no-nanny")
    windows_are_judged(cluster, workers[1], sources_of(world, request))
    process = driven_until_begun(cluster, tmp_path / "scheduler")
    cluster.scheduler.send_signal(signal.SIGKILL)
    assert json.loads(said_by(process))["gone"].startswith(f"{cluster.address}: the scheduler is")


def sources_of(world: World, request: pytest.FixtureRequest) -> list[str]:
    """A window in exported files, and in PostgreSQL where it is installed."""
    span = judged.SPAN
    record(world, customers(600, 41, charge=81), span.start, span.end, labelled=0.5)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(export, "ROWS", 4)  # of a row group, 25 of which are a part
        export.export("all.parquet")
    if needs_postgresql.args[0]:
        return ["all.parquet"]
    database: Database = request.getfixturevalue("cluster")
    with closing(Journal(database.url)) as months:
        copy_answers(world.journal, months)
    return ["all.parquet", database.url]


def windows_are_judged(cluster: Cluster, worker: Process, sources: list[str]) -> None:
    """In parts, while a worker is killed: the verdicts of this process, which reads at once."""
    words = ["-m", "tests.scale.judged", cluster.address, str(worker.pid), *sources]
    found = json.loads(said_by(cluster.python(*words)))
    assert worker.wait(30) == -signal.SIGKILL
    assert found == [judged.verdict_on(each, Path(f"here-{i}")) for i, each in enumerate(sources)]
    assert (found[0]["rows"], found[0]["verdict"]) == (600, "drift")


def driven_until_begun(cluster: Cluster, folder: Path) -> subprocess.Popen[str]:
    """Twenty parts of which the third has begun."""
    folder.mkdir()
    words = [f"marks:{folder}"] * 20
    process = cluster.python("-m", "tests.scale.drive", cluster.address, "30", *words)
    wait_for(lambda: len(list(folder.iterdir())) > 2)
    return process


def test_nothing_of_dask_is_in_the_image_or_the_default_environment() -> None:
    locks = sorted((HERE / "requirements").glob("*.txt"))
    assert [lock.stem for lock in locks if DASK.search(lock.read_text())] == ["scale"]
    dockerfile = (HERE / "Dockerfile").read_text()
    assert "scale" not in dockerfile
