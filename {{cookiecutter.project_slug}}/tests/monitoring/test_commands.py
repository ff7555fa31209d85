"""`ml monitor`, from the journal to the verdict: each answer it can give, what it leaves behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import httpx2
import pandas as pd
import pytest
from moto.server import ThreadedMotoServer
from s3fs import S3FileSystem

from ml.errors import UserError
from ml.journal import export
from ml.journal.bulk.scan import Span
from ml.monitoring.commands import exports, latest, latest_span, monitor
from ml.monitoring.inputs.reference import load_champion
from ml.monitoring.monitor import REPORTS, evaluate_window
from ml.monitoring.reports.evidently import write_pages
from ml.monitoring.verdict import EXIT, Verdict
from tests.monitoring.conftest import DAY, World, customers, record
from tests.serving.conftest import free_port


def lived(
    world: World, frame: pd.DataFrame, labelled: float = 0.0
) -> tuple[int, dict[str, object]]:
    """Record the frame in the last ten days, judge it, write the pages, read the verdict."""
    end = time.time()
    record(world, frame, end - 10 * DAY, end - 60, labelled=labelled)
    settings = world.params.monitor
    span = latest_span(world.journal.engine, None, settings)
    code = EXIT[evaluate_window(world.journal.engine, load_champion(), span, settings).verdict]
    write_pages(REPORTS / span.name)
    return code, verdict_with_pages(world)


def verdict_with_pages(world: World) -> dict[str, object]:
    """The verdict of the only window, which has its pages."""
    (folder,) = (world.folder / "reports" / "monitoring").glob("*--*")
    assert (folder / "report.html").stat().st_size > 100_000
    assert json.loads((folder / "report.json").read_text())["metrics"]
    verdict: dict[str, object] = json.loads((folder / "verdict.json").read_text())
    return verdict


@pytest.mark.slow
def test_waiting_for_the_pages_leaves_them_and_the_verdicts_status(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    end = time.time()
    record(world, customers(600, 11), end - 10 * DAY, end - 60, labelled=0.5)
    assert monitor(days=None, wait=True) == 0
    assert verdict_with_pages(world)["verdict"] == "ok"
    assert "child process" not in capsys.readouterr().out


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A client of an S3 service with an empty bucket, `answers`."""
    server = ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://{}:{}".format(*server.get_host_and_port()))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    S3FileSystem.clear_instance_cache()  # those of another test's server
    client = boto3.client("s3")
    client.create_bucket(Bucket="answers")
    yield client
    server.stop()


def test_exported_answers_are_judged_as_the_journal_is(world: World, bucket: Any) -> None:
    end = time.time()
    record(world, customers(900, 12, charge=81), end - 10 * DAY, end - 60, labelled=0.5)
    of_journal = judge(world, *latest(11, world.params.monitor))
    for name, days in (("all", None), ("late", 5)):
        export.export(f"s3://answers/{name}.parquet", days)
    with pytest.raises(UserError, match="no answers in that time"):
        export.export("s3://answers/none.parquet", days=-1)
    with pytest.raises(UserError, match=r"s3://elsewhere/all\.parquet: The specified"):
        export.export("s3://elsewhere/all.parquet")
    kept = bucket.list_objects_v2(Bucket="answers")["Contents"]
    assert [each["Key"] for each in kept] == ["all.parquet", "late.parquet"]
    of_export = judge(world, *exports(["s3://answers/all.parquet"], None))
    for name in ("columns", "findings", "estimate", "rows"):
        assert getattr(of_export, name) == getattr(of_journal, name)
    assert of_export.performance.value == of_journal.performance.value
    both = exports(["s3://answers/late.parquet", "s3://answers/all.parquet"], None)
    assert both[0].addresses == ("s3://answers/all.parquet", "s3://answers/late.parquet")
    assert 268 <= judge(world, *exports(["s3://answers/late.parquet"], 3)).rows <= 271


def judge(world: World, source: Any, span: Span) -> Verdict:
    """The verdict on a window, without pages."""
    return evaluate_window(source, load_champion(), span, world.params.monitor)


def test_healthy_traffic_is_ok(world: World) -> None:
    code, verdict = lived(world, customers(1000, 11), labelled=0.5)
    assert (code, verdict["verdict"], verdict["action"]) == (0, "ok", "nothing")


def test_a_moved_column_is_drift(world: World) -> None:
    code, verdict = lived(world, customers(1000, 12, charge=81))
    assert (code, verdict["verdict"]) == (3, "drift")
    assert "`charge`" in " ".join(verdict["evidence"])  # type: ignore[arg-type]


def test_a_turned_concept_is_decay(world: World) -> None:
    code, verdict = lived(world, customers(1000, 13, concept=1), labelled=0.8)
    assert (code, verdict["verdict"], verdict["action"]) == (3, "decay", "retrain")


def test_an_empty_column_is_broken_and_the_report_survives(world: World) -> None:
    code, verdict = lived(world, customers(1000, 14).assign(tenure=float("nan")))
    assert (code, verdict["verdict"], verdict["action"]) == (3, "broken", "quarantine")
    assert "tenure" in verdict["not_in_report"]  # type: ignore[operator]


def test_too_few_rows_are_never_ok(world: World) -> None:
    code, verdict = lived(world, customers(60, 15))
    assert (code, verdict["verdict"], verdict["action"]) == (4, "insufficient", "wait")


def test_no_journal_names_the_next_command(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOURNAL_URL", "sqlite:///elsewhere/journal.db")
    with pytest.raises(UserError, match=r"elsewhere/journal\.db") as error:
        monitor(days=None)
    assert error.value.then == "make serve"


HEAVY = {"evidently", "sklearn", "matplotlib", "mlflow", "scipy.stats", "scipy.optimize"}
JUDGE = """
import sys, time
from ml.journal.bulk.scan import Span
from ml.monitoring.commands import journal, load_champion, load_params
from ml.monitoring.monitor import evaluate_window

span = Span(time.time() - 10 * 86400, time.time())
verdict = evaluate_window(journal(), load_champion(), span, load_params().monitor)
print(verdict.verdict, *sys.modules)
"""


def test_a_classifications_verdict_needs_no_heavy_import(world: World) -> None:
    """They took two thirds of `ml monitor`: scikit-learn, scipy.stats, and Evidently above all."""
    end = time.time()
    record(world, customers(600, 16), end - 9 * DAY, end - 60, labelled=0.5)
    done = subprocess.run(
        [sys.executable, "-c", JUDGE],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=True,
    )
    verdict, *loaded = done.stdout.split()
    assert verdict == "ok"
    assert not HEAVY & set(loaded)


@pytest.mark.slow
def test_watch_judges_serves_its_numbers_and_ends(world: World) -> None:
    end = time.time()
    record(world, customers(600, 71), end - 5 * DAY, end - 60)
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "ml",
        "monitor",
        "--watch",
        "--every",
        "0.001",
        "--port",
        str(port),
    ]
    project = Path(__file__).parents[2]
    with Path("log").open("w") as log:
        process = subprocess.Popen(
            command, env=os.environ | {"PYTHONPATH": str(project)}, stdout=log, stderr=log
        )
        try:
            page = _page_with(f"http://127.0.0.1:{port}/metrics", "ml_monitor_runs_total 2.0")
        finally:
            process.terminate()
            process.wait(timeout=10)
    assert 'ml_monitor_verdict{verdict="ok"} 1.0' in page
    assert "ml_monitor_failures_total 0.0" in page
    assert (REPORTS / "metrics.prom").read_text().count("ml_monitor_verdict{") == 5


def _page_with(address: str, wanted: str) -> str:
    deadline = time.monotonic() + 120
    page = ""
    while wanted not in page and time.monotonic() < deadline:
        time.sleep(0.5)
        try:
            page = httpx2.get(address).text
        except httpx2.TransportError:
            continue
    assert wanted in page, page or Path("log").read_text()
    return page
