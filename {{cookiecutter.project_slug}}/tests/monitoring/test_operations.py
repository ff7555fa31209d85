"""Rules and dashboards with the real Prometheus: alerts fire, stay quiet, queries find numbers."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2
import pytest
from prometheus_client import CollectorRegistry, start_http_server
from ruamel.yaml import YAML

from ml.journal.bulk.scan import Span
from ml.monitoring.commands import Latest
from ml.monitoring.monitor import evaluate_window
from ml.monitoring.reports.prometheus import registry
from ml.serving.metrics import Metrics
from tests.monitoring.conftest import DAY, NOW, World, customers, record

DEPLOY = Path(__file__).parents[2] / "deploy"
RULES, RULES_TEST = DEPLOY / "prometheus" / "rules.yml", DEPLOY / "prometheus" / "rules_test.yml"
needs_prometheus = pytest.mark.skipif(
    shutil.which("promtool") is None,
    reason="promtool is not installed (Debian: apt-get install prometheus)",
)


def promtool(*args: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["promtool", *map(str, args)], capture_output=True, text=True, cwd=cwd, check=False
    )


def alerts() -> list[dict[str, Any]]:
    groups = YAML(typ="safe").load(RULES)["groups"]
    return [rule for group in groups for rule in group["rules"]]


def test_every_alert_has_a_firing_and_a_quiet_case() -> None:
    cases = {test["name"] for test in YAML(typ="safe").load(RULES_TEST)["tests"]}
    wanted = {f"{rule['alert']} {which}" for rule in alerts() for which in ("fires", "stays quiet")}
    assert cases == wanted


def test_every_alert_says_what_to_do() -> None:
    for rule in alerts():
        assert rule["labels"]["severity"] in ("ticket", "page"), rule["alert"]
        assert rule["annotations"]["summary"], rule["alert"]
        assert rule["annotations"]["action"], rule["alert"]


@needs_prometheus
def test_the_rules_pass_their_tests() -> None:
    found = promtool("test", "rules", RULES_TEST)
    assert found.returncode == 0, found.stdout + found.stderr


@pytest.mark.slow
@needs_prometheus
@pytest.mark.parametrize(
    ("broken", "case"), [("vector(0) > 1", "fires"), ("vector(1)", "stays quiet")]
)
def test_the_rules_tests_notice_rules_that_never_or_always_fire(
    tmp_path: Path, broken: str, case: str
) -> None:
    shutil.copy(RULES_TEST, tmp_path)
    yaml = YAML()
    document = yaml.load(RULES)
    for rule in [rule for group in document["groups"] for rule in group["rules"]]:
        rule["expr"] = broken
    yaml.dump(document, tmp_path / "rules.yml")
    found = promtool("test", "rules", tmp_path / "rules_test.yml")
    noticed = set(re.findall(r'alertname=\\*"(\w+)', found.stdout + found.stderr))
    assert found.returncode != 0
    assert noticed == {rule["alert"] for rule in alerts()}, f"a case of {case} was not noticed"


def queries() -> list[tuple[str, str]]:
    boards = [
        json.loads(path.read_text())
        for path in sorted((DEPLOY / "grafana" / "dashboards").glob("*.json"))
    ]
    return [
        (p["title"], t["expr"]) for board in boards for p in board["panels"] for t in p["targets"]
    ]


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
    shown = evaluate_window(
        world.journal.engine, champion, Span(NOW - 30 * DAY, NOW), world.params.monitor
    )
    latest, pages = Latest(), CollectorRegistry()
    latest.verdict = registry(shown)
    latest.runs.inc()
    pages.register(latest)
    server, thread = start_http_server(0, addr="127.0.0.1", registry=pages)
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


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
        said = httpx2.get(f"{address}/api/v1/query", params={"query": query}, timeout=5)
    except httpx2.TransportError:
        return []
    if said.status_code == 503:  # it listens before it is ready
        return []
    answer = said.json()
    found: list[Any] = answer.get("data", {}).get("result", [])
    return [series for series in found if series["value"][1] != "NaN"]


@pytest.mark.slow
@needs_prometheus
def test_every_query_of_the_dashboards_finds_numbers(prometheus: str) -> None:
    deadline = time.monotonic() + 60
    left = {f"{title}: {query}": query for title, query in queries()}
    while left and time.monotonic() < deadline:
        left = {name: query for name, query in left.items() if not ask(prometheus, query)}
        time.sleep(0.5)
    assert not left


def test_rules_and_dashboards_speak_of_metrics_that_exist(watched: int) -> None:
    made = Metrics()
    made.serving("3")
    made.requests.labels("200").inc()
    made.answered("3", "champion", 1)
    made.journal.size("sqlite", 1, 1)
    page = made.page().decode() + httpx2.get(f"http://127.0.0.1:{watched}/metrics").text
    told = {name for rule in alerts() for name in re.findall(r"ml_\w+", rule["expr"])}
    told |= {name for _, query in queries() for name in re.findall(r"ml_\w+", query)}
    assert {name for name in told if not re.search(rf"^{name}\b", page, re.MULTILINE)} == set()


@pytest.mark.slow
@needs_prometheus
def test_observe_scrapes_the_services_port_with_its_key_and_leaves_nobody(world: World) -> None:
    keys: list[str | None] = []

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            keys.append(self.headers["Authorization"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Silence."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        shutil.copytree(DEPLOY, world.folder / "deploy")
        params = world.folder / "params.yaml"
        params.write_text(params.read_text().replace("port: 8000", f"port: {server.server_port}"))
        more = {
            "ML_API_KEYS": "the-first-of-the-keys,the-second-of-the-keys",
            "PROMETHEUS_PORT": str(free_port()),
            "PYTHONPATH": str(DEPLOY.parent),
        }
        with (world.folder / "log").open("w") as log:
            observe = subprocess.Popen(
                ["deploy/prometheus/observe"],
                env=os.environ | more,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + 90
        while not keys and time.monotonic() < deadline:
            time.sleep(0.2)
        observe.send_signal(signal.SIGTERM)
        observe.wait(timeout=30)
        server.shutdown()
    assert set(keys) == {"Bearer the-first-of-the-keys"}, (world.folder / "log").read_text()
    assert (
        subprocess.run(["pgrep", "-g", str(observe.pid)], check=False, capture_output=True).stdout
        == b""
    )


def test_observe_keeps_the_key_to_its_owner_and_nobody_can_log_in_to_grafana(
    tmp_path: Path,
) -> None:
    programs = {
        "python": 'case "$*" in *first_key*) echo first;; -c*) echo 8000;; *) exec sleep 60;; esac',
        "prometheus": "exec sleep 60",
        "grafana": "env > grafana.env.new; mv grafana.env.new grafana.env; exec sleep 60",
    }
    for name, script in programs.items():
        (tmp_path / "bin" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    (tmp_path / "home/conf").mkdir(parents=True)
    shutil.copytree(DEPLOY, tmp_path / "deploy")
    key = tmp_path / "reports/monitoring/api_key"  # an earlier one, readable by everybody
    key.parent.mkdir(parents=True)
    key.write_text("old")
    key.chmod(0o644)
    path = f"{tmp_path}/bin{os.pathsep}{os.environ['PATH']}"
    env = {"PATH": path, "GRAFANA_HOME": str(tmp_path / "home")}
    observe = subprocess.Popen(
        ["deploy/prometheus/observe"], cwd=tmp_path, env=env, stdout=subprocess.DEVNULL
    )
    while not (told := tmp_path / "grafana.env").is_file() and observe.poll() is None:
        time.sleep(0.05)
    observe.terminate()
    observe.wait(timeout=60)
    assert (key.read_text(), key.stat().st_mode & 0o777) == ("first", 0o600)
    given = dict(
        line.split("=", 1) for line in told.read_text().splitlines() if line.startswith("GF_")
    )
    assert given["GF_SERVER_HTTP_ADDR"] == "127.0.0.1"
    assert given["GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION"] == "true"
    assert given["GF_AUTH_DISABLE_LOGIN_FORM"] == "true"
    assert given["GF_AUTH_BASIC_ENABLED"] == "false"
    assert given["GF_AUTH_ANONYMOUS_ORG_ROLE"] == "Viewer"
