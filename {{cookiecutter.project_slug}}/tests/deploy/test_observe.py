"""`deploy/prometheus/observe`: it reads what the service shows, and keeps its key."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.deploy.conftest import DEPLOY, needs_prometheus
from tests.serving.conftest import free_port


@pytest.mark.slow
@needs_prometheus
def test_observe_scrapes_the_services_port_with_its_key_and_leaves_nobody(
    tmp_path: Path,
) -> None:
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
        shutil.copytree(DEPLOY, tmp_path / "deploy")
        params = (DEPLOY.parent / "params.yaml").read_text()
        (tmp_path / "params.yaml").write_text(
            params.replace("port: 8000", f"port: {server.server_port}")
        )
        more = {
            "ML_API_KEYS": "the-first-of-the-keys,the-second-of-the-keys",
            "PROMETHEUS_PORT": str(free_port()),
            "PYTHONPATH": str(DEPLOY.parent),
        }
        with (tmp_path / "log").open("w") as log:
            observe = subprocess.Popen(
                ["deploy/prometheus/observe"],
                cwd=tmp_path,
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
    assert set(keys) == {"Bearer the-first-of-the-keys"}, (tmp_path / "log").read_text()
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
    while not (environment := tmp_path / "grafana.env").is_file() and observe.poll() is None:
        time.sleep(0.05)
    observe.terminate()
    observe.wait(timeout=60)
    assert (key.read_text(), key.stat().st_mode & 0o777) == ("first", 0o600)
    grafana = dict(
        line.split("=", 1)
        for line in environment.read_text().splitlines()
        if line.startswith("GF_")
    )
    assert grafana["GF_SERVER_HTTP_ADDR"] == "127.0.0.1"
    assert grafana["GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION"] == "true"
    assert grafana["GF_AUTH_DISABLE_LOGIN_FORM"] == "true"
    assert grafana["GF_AUTH_BASIC_ENABLED"] == "false"
    assert grafana["GF_AUTH_ANONYMOUS_ORG_ROLE"] == "Viewer"
