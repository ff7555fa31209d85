"""Metrics that rules and dashboards use, with the real Prometheus: queries find numbers."""

from __future__ import annotations

import re
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2
import pytest
from prometheus_client import CollectorRegistry, generate_latest, start_http_server

from ml.journal.bulk.scan import Span
from ml.loop.commands import Beats
from ml.monitoring.commands import Latest
from ml.monitoring.monitor import evaluate_window
from ml.monitoring.reports.prometheus import registry
from ml.serving.metrics import Metrics
from tests.deploy.conftest import DEPLOY, RULES, alerts, needs_prometheus, queries
from tests.monitoring.conftest import DAY, NOW, World, customers, record
from tests.serving.conftest import free_port


@pytest.fixture
def service() -> Iterator[int]:
    """The service's own counters behind a real listener, counting while it is scraped."""
    metrics = Metrics()
    metrics.serving("3")
    metrics.waiting.set(3)
    metrics.room.set(512)

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            for status in ("200", "422", "500"):
                metrics.requests.labels(status).inc()
            metrics.answered("3", "champion", 4)
            metrics.seconds.observe(0.002)
            metrics.journal.committed(4, 0.001)
            metrics.journal.labels_recorded.inc()
            metrics.journal.size("sqlite", 5_000_000, 9_000_000_000)
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(metrics.page())

        def log_message(self, *_: object) -> None:
            """Silence."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def watched(world: World, champion: Any) -> Iterator[int]:
    """The monitor's page over a real verdict."""
    record(world, customers(600, 51, charge=81), labelled=0.6)
    verdict = evaluate_window(
        world.journal.engine, champion, Span(NOW - 30 * DAY, NOW), world.params.monitor
    )
    latest, pages = Latest(), CollectorRegistry()
    latest.verdict = registry(verdict)
    latest.runs.inc()
    pages.register(latest)
    server, thread = start_http_server(0, addr="127.0.0.1", registry=pages)
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def prometheus(service: int, watched: int, tmp_path: Path) -> Iterator[str]:
    """The real server with the project's configuration, scraping fast."""
    folder = tmp_path / "prometheus"
    folder.mkdir()
    shutil.copy(RULES, folder)
    text = (DEPLOY / "prometheus" / "prometheus.yml").read_text()
    text = text.replace("15s", "1s").replace(":8000", f":{service}").replace(":9109", f":{watched}")
    (folder / "prometheus.yml").write_text(text)
    address = f"127.0.0.1:{free_port()}"
    command = [
        "prometheus",
        f"--config.file={folder}/prometheus.yml",
        f"--storage.tsdb.path={folder}/data",
        f"--web.listen-address={address}",
    ]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        yield f"http://{address}"
        process.terminate()
        process.wait()


def ask(address: str, query: str) -> list[Any]:
    try:
        answer = httpx2.get(f"{address}/api/v1/query", params={"query": query}, timeout=5)
    except httpx2.TransportError:
        return []
    if answer.status_code == 503:  # it listens before it is ready
        return []
    result: list[Any] = answer.json().get("data", {}).get("result", [])
    return [series for series in result if series["value"][1] != "NaN"]


@pytest.mark.slow
@needs_prometheus
def test_every_query_of_the_dashboards_finds_numbers(prometheus: str) -> None:
    deadline = time.monotonic() + 60
    without_numbers = {f"{title}: {query}": query for title, query in queries()}
    while without_numbers and time.monotonic() < deadline:
        without_numbers = {
            name: query for name, query in without_numbers.items() if not ask(prometheus, query)
        }
        time.sleep(0.5)
    assert not without_numbers


def test_rules_and_dashboards_speak_of_metrics_that_exist(watched: int) -> None:
    metrics = Metrics()
    metrics.serving("3")
    metrics.requests.labels("200").inc()
    metrics.answered("3", "champion", 1)
    metrics.journal.size("sqlite", 1, 1)
    page = metrics.page().decode() + httpx2.get(f"http://127.0.0.1:{watched}/metrics").text
    page += generate_latest(Beats().registry).decode()
    named = {name for rule in alerts() for name in re.findall(r"ml_\w+", rule["expr"])}
    named |= {name for _, query in queries() for name in re.findall(r"ml_\w+", query)}
    assert {name for name in named if not re.search(rf"^{name}\b", page, re.MULTILINE)} == set()
