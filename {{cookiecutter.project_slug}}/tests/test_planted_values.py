"""Secrets, row ids and values of rows that somebody plants are in no log, metric or verdict.

The service runs as a process with a key, traces on its stdout and its own log lines on; it is asked
on every route, well and badly. Then monitor, loop and `ml journal forget` work on what it wrote.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from logging import LogRecord
from pathlib import Path
from typing import Any

import httpx2
import pytest

from ml.erasure.commands import forget
from ml.errors import UserError
from ml.journal.erasure import find
from ml.journal.records import Prediction
from ml.journal.store import Journal, JournalError
from ml.loop import commands as loop
from ml.loop.journal_part import LeftOut, summary
from ml.monitoring.commands import run_once
from ml.serving.logs import JsonLines, without_values
from tests.conftest import HERE, write_settings
from tests.serving.conftest import Running, free_port, wait_ready

KEY, WRONG_KEY = "planted-Zq8vT3xLw9Kd2RmB7cYh", "planted-Wn5pJ1sGu6Xf4EaH0bVt"
PASSWORD = "planted-password"  # noqa: S105
ROW, LEVEL, NUMBER, OUTCOME, PLACE = (
    "planted-row-id",
    "planted-level",
    167.13370404,
    "planted-outcome",
    "planted-place",
)
PLANTED = (KEY, WRONG_KEY, PASSWORD, ROW, LEVEL, str(NUMBER), OUTCOME, PLACE, "planted")
ROUTES = (
    *("/predict", "/predict?trial", "/explain", "/labels", "/invocations"),
    *(f"/v2/models/life/{end}" for end in ("infer", "versions/1/infer")),
    *(f"/v1/models/life:{end}" for end in ("predict", "explain")),
    *("/", "/docs", "/model", "/model/card", "/metrics", "/v1/models", "/v2", "/v2/health/ready"),
    *("/health/live", "/health/ready", "/ping", "/version", f"/{PLACE}"),
)


def given(i: int, **changes: Any) -> dict[str, Any]:
    """A row with a planted id and number."""
    row = {"customer": f"{ROW}-{i}", "charge": NUMBER, "calls": i % 10, "plan": "pro"}
    return row | changes


def bodies() -> list[Any]:
    """Bodies of valid rows, wrong ones, of other protocols, and what is no JSON."""
    columns = list(given(0))
    tensor = {"name": "plan", "shape": [1], "datatype": "BYTES", "data": [LEVEL]}
    return [
        given(0),
        [given(i) for i in range(3)],
        given(0, plan=LEVEL, calls=LEVEL),
        given(0, **{PLACE: 1}),
        {"instances": [given(0, charge=LEVEL)]},
        {"inputs": [tensor], "id": PLACE},
        {"dataframe_split": {"columns": columns, "data": [[LEVEL] * len(columns)]}},
        {"prediction_id": ROW, "outcome": OUTCOME},
        f'{{"{LEVEL}',
    ]


@pytest.fixture
def server(project: Path) -> Iterator[Running]:
    """The service with a key, log lines and traces; its output stands in `output`."""
    write_settings(project / "params.yaml", serve__log_answers=True, serve__rate_per_key=0)
    environment = {"ML_API_KEYS": KEY, "OTEL_TRACES_EXPORTER": "console", "PYTHONPATH": str(HERE)}
    port = free_port()
    with (project / "output").open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "ml", "serve", "--port", str(port)],
            env={**os.environ, **environment},
            stdout=output,
            stderr=output,
            text=True,
        )
        running = Running(process, f"http://127.0.0.1:{port}")
        wait_ready(running)
        yield running
        if process.poll() is None:
            process.kill()
        process.wait()


def ask_everything(server: Running) -> str:
    """Every route with every body, rightly and with a wrong key; then /metrics."""
    statuses = set()
    for key in (KEY, WRONG_KEY):
        with httpx2.Client(base_url=server.url, headers={"X-API-Key": key}, timeout=60) as client:
            for route in ROUTES:
                statuses.add(client.get(route, params={PLACE: LEVEL}).status_code)
                for body in bodies():
                    how = {"content": body} if isinstance(body, str) else {"json": body}
                    statuses.add(client.post(route, **how).status_code)
    assert {200, 400, 401, 404, 405, 422} <= statuses
    with httpx2.Client(base_url=server.url, headers={"X-API-Key": KEY}, timeout=60) as client:
        answers = client.post("/predict", json=[given(i) for i in range(300)]).json()
        label = [{"prediction_id": a["prediction_id"], "outcome": "no"} for a in answers]
        assert client.post("/labels", json=label).status_code == 200
        return str(client.get("/metrics").text)


def written(project: Path) -> dict[str, str]:
    """What monitor and loop leave for machines and people; Evidently's pages do show rows."""
    patterns = ("ledger.jsonl", "serving/*.json", "metrics/*", "reports/monitoring/metrics.prom")
    verdicts = [*project.glob("reports/monitoring/*--*/verdict.json")]
    assert verdicts
    files = [*verdicts, *(path for pattern in patterns for path in project.glob(pattern))]
    return {str(path): path.read_text(encoding="utf-8") for path in files}


@pytest.mark.slow
def test_planted_values_stay_in_the_journal(
    project: Path, server: Running, capfd: pytest.CaptureFixture[str]
) -> None:
    metrics = ask_everything(server)
    server.process.terminate()
    server.process.wait()
    output = Path("output").read_text()
    assert '"event": "answered"' in output
    assert '"name": "POST /predict"' in output  # a span
    capfd.readouterr()
    run_once(None, wait=True)
    loop.loop()
    with closing(Journal()) as journal:
        assert len(find(journal, [f"{ROW}-0"])) > 1
    forget([f"{ROW}-0"])
    printed = "".join(capfd.readouterr())
    assert "removed from the journal" in printed
    for where, text in {"output": output, "metrics": metrics, "printed": printed}.items():
        assert [value for value in PLANTED if value in text] == [], where
    for where, text in written(project).items():
        assert [value for value in PLANTED if value in text] == [], where


def test_the_password_of_the_journal_is_in_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"postgresql+psycopg://user:{PASSWORD}@127.0.0.1:{free_port()}/db"
    monkeypatch.setenv("JOURNAL_URL", address)
    with pytest.raises(UserError) as raised:
        Journal()
    assert PASSWORD not in f"{raised.value.what} {raised.value.then}"
    assert "user:***@" in raised.value.what


def test_a_statement_that_fails_names_no_value(tmp_path: Path) -> None:
    with closing(Journal(f"sqlite:///{tmp_path}/journal.db")) as journal:
        failing = pytest.raises(JournalError, match="no such table")
        with failing as raised, journal.changing() as connection:
            connection.exec_driver_sql("SELECT ? FROM nowhere", (ROW,))
        assert ROW not in str(raised.value.__cause__)
        assert ROW not in str(raised.value)


def test_an_exception_is_logged_without_its_message() -> None:
    with pytest.raises(ValueError, match=LEVEL) as raised:
        float(LEVEL)
    assert without_values(raised.value) == "ValueError"
    told = (raised.type, raised.value, raised.tb)
    line = JsonLines().format(LogRecord("ml", 40, "", 0, "the model failed", (), told))
    assert "ValueError" in line
    assert "float(LEVEL)" in line  # the place in the code
    assert LEVEL not in line
    assert without_values(ArithmeticError("version 1 answers no number")).startswith("version 1")


def test_rows_that_are_left_out_are_named_by_prediction_and_column() -> None:
    of = Prediction("p7", 0.0, "1", "champion", ROW, {}, "no", None)
    said = summary([LeftOut(of, f'column "charge": "{LEVEL}" is not a finite number')])
    assert said.endswith('prediction p7: column "charge"')
