"""deploy/stack: what `make up` writes and says, and what its files promise. No engine is needed."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.deploy.conftest import DEPLOY, needs_prometheus, queries

STACK = DEPLOY / "stack"
COMPOSE = YAML(typ="safe").load(STACK / "compose.yaml")
PARTS: dict[str, dict[str, Any]] = COMPOSE["services"]
SCRAPED = YAML(typ="safe").load(STACK / "prometheus.yml")["scrape_configs"]
ONE_SHOT = {"prepare", "move-in"}
# answers as the client does; `down` and all else succeed, and are written down
CLIENT = """#!/bin/sh
echo "$*" >> {log}
case "$*" in
  version*) {info} ;;
  info*) echo '["name=seccomp"{rootless}]' ;;
  "compose version --short") {version} ;;
  "compose ps --all --quiet") echo abc ;;
  inspect*) echo '[{{"Config": {{"Labels": {{"com.docker.compose.service": "mlflow"}}}},
    "State": {{"Status": "running", "Running": true, "Health": {{"Status": "healthy"}}}}}}]' ;;
esac
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project's deploy/, with a release and a client that answers well."""
    shutil.copytree(DEPLOY, tmp_path / "deploy")
    shutil.copy(DEPLOY.parent / "params.yaml", tmp_path)
    (tmp_path / "serving/champion").mkdir(parents=True)
    client(tmp_path)
    return tmp_path


def client(
    folder: Path, info: str = "echo '{}'", version: str = "echo 2.40.3", rootless: str = ""
) -> None:
    script = CLIENT.format(log=folder / "log", info=info, version=version, rootless=rootless)
    (folder / "docker").write_text(script)
    (folder / "docker").chmod(0o755)


def stack(folder: Path, word: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run the script with the folder's client; images are somebody else's to build."""
    given = {"DOCKER": str(folder / "docker"), "PYTHONPATH": str(DEPLOY.parent)} | env
    return subprocess.run(
        [folder / "deploy/stack/stack", word],
        env=os.environ | given,
        capture_output=True,
        text=True,
        check=False,
    )


def written(folder: Path) -> dict[str, str]:
    lines = (folder / "deploy/stack/.env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if not line.startswith("#"))


def refused(done: subprocess.CompletedProcess[str]) -> str:
    """One error and one next step."""
    assert (done.returncode, done.stderr.count("error:"), done.stderr.count("next:")) == (2, 1, 1)
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        ({"info": "echo 'Cannot connect' >&2; exit 1"}, "no engine answers: Cannot connect"),
        ({"version": "exit 1"}, "compose: not there; 2.20 or newer"),
        ({"version": "echo 2.12.0"}, "compose: version 2.12.0; 2.20 or newer"),
    ],
)
def test_what_is_missing_is_named(folder: Path, answers: dict[str, str], told: str) -> None:
    client(folder, **answers)
    for word in ("up", "down"):
        assert told in refused(stack(folder, word))
    assert not (folder / "deploy/stack/.env").exists()


def test_a_client_or_a_release_that_is_not_there_is_named(folder: Path) -> None:
    assert "docs.docker.com" in refused(stack(folder, "up", DOCKER="/nowhere/docker"))
    (folder / "serving/champion").rmdir()
    assert "make release" in refused(stack(folder, "up"))
    assert "make up" in refused(stack(folder, "down"))


def test_up_writes_secrets_once_for_their_owner_alone(folder: Path) -> None:
    (folder / "deploy/stack/.env").write_text("SERVICE_PORT=8123\nSERVICE_IMAGE=a:1")
    said = stack(folder, "up", METRICS_KEY="of-the-shell", COMPOSE_FILE="elsewhere.yaml")
    assert said.returncode == 0, said.stderr
    assert "http://127.0.0.1:8123" in said.stdout
    first, text = written(folder), (folder / "deploy/stack/.env").read_text()
    assert (first["SERVICE_PORT"], first["SERVICE_IMAGE"]) == ("8123", "a:1")
    assert first["STACK_USER"] == f"{folder.stat().st_uid}:{folder.stat().st_gid}"
    drawn = [value for name, value in first.items() if re.search("PASSWORD|_KEY", name)]
    assert len(set(drawn)) == len(drawn) == 8
    assert [value for value in drawn if not re.fullmatch("[0-9a-f]{48}", value)] == []
    assert not any(value in said.stdout + said.stderr for value in drawn)
    assert (folder / "deploy/stack/.env").stat().st_mode & 0o777 == 0o600
    key = folder / "deploy/stack/secrets/metrics_key"
    assert key.read_text() == first["METRICS_KEY"]
    assert key.parent.stat().st_mode & 0o777 == 0o700
    assert stack(folder, "up").returncode == 0
    assert (folder / "deploy/stack/.env").read_text() == text
    calls = (folder / "log").read_text()
    assert calls.count("compose up --detach") == 2
    assert "build --file deploy/worker.Dockerfile" in calls  # .env names an own service's image


def test_without_roots_rights_the_worker_is_the_engines_root(folder: Path) -> None:
    client(folder, rootless=', "name=rootless"')
    (folder / "deploy/stack/.env").write_text("SERVICE_IMAGE=a:1\n")
    assert stack(folder, "up").returncode == 0
    assert written(folder)["STACK_USER"] == "0:0"


def test_down_keeps_the_volumes_unless_the_word_is_said(folder: Path) -> None:
    (folder / "deploy/stack/.env").write_text("")
    assert "only `remove`" in refused(stack(folder, "down", STACK_VOLUMES="yes"))
    assert "are kept" in stack(folder, "down").stdout
    assert stack(folder, "down", STACK_VOLUMES="remove").returncode == 0
    calls = [line for line in (folder / "log").read_text().splitlines() if " down " in line]
    assert ["--volumes" in line for line in calls] == [False, True]


def test_no_part_listens_beyond_loopback_or_has_a_right() -> None:
    for name, part in PARTS.items():
        assert part["read_only"] is True, name
        assert part["cap_drop"] == ["ALL"], name
        assert part["security_opt"] == ["no-new-privileges:true"], name
        assert not {"privileged", "cap_add", "network_mode", "pid"} & set(part), name
        assert [p for p in part.get("ports", []) if not p.startswith("127.0.0.1:")] == [], name
        assert set(part["networks"]) <= {"front", "back"}, name
        assert "front" in part["networks"] or "ports" not in part, name
    assert COMPOSE["networks"]["back"] == {"internal": True}
    assert PARTS["postgres"]["networks"] == ["back"]


def test_every_part_has_a_check_a_version_and_comes_back() -> None:
    for name, part in PARTS.items():
        image = re.sub(r"^\$\{\w+:-(.*)\}$", r"\1", part["image"])
        assert re.search(r":v?\d+\.\d+|^\$\{(SERVICE|WORKER)_IMAGE\}$", image), image
        if name not in ONE_SHOT:
            # the service's image brings its own question
            assert part["healthcheck"].get("test", ["CMD"])[0] == "CMD", name
            assert "test" in part["healthcheck"] or name == "service"
            assert part["restart"] == "unless-stopped", name
        waits = part.get("depends_on", {}).items()
        for other, how in waits:
            done = "service_completed_successfully" if other in ONE_SHOT else "service_healthy"
            assert how["condition"] == done, (name, other)


def test_no_password_has_a_default() -> None:
    asked = re.findall(r"\$\{(\w+)(:?-?[^}]*)\}", (STACK / "compose.yaml").read_text())
    secret = [(name, rest) for name, rest in asked if re.search("PASSWORD|_KEY", name)]
    assert secret
    assert [name for name, rest in secret if rest] == []


def test_volumes_are_named_and_what_is_mounted_is_there() -> None:
    mounts = chain.from_iterable(part.get("volumes", []) for part in PARTS.values())
    for source, target, *mode in (mount.split(":") for mount in mounts):
        if not source.startswith("."):
            assert source in COMPOSE["volumes"]
        elif target != "/project":
            assert mode == ["ro"], source
            made = source in ("./secrets/metrics_key", "../../serving")
            assert made or (STACK / source).exists(), source


def test_prometheus_reaches_everything_that_it_asks() -> None:
    for job in SCRAPED:
        targets = [target for group in job["static_configs"] for target in group["targets"]]
        for target in targets:
            host = re.sub(r"^http://|:\d+.*$", "", target)
            asker = "blackbox" if job.get("metrics_path") == "/probe" else "prometheus"
            own = {"localhost": "prometheus"}.get(host, host)
            assert set(PARTS[own]["networks"]) & set(PARTS[asker]["networks"]), target
    rules = (DEPLOY / "prometheus/rules.yml").read_text() + (STACK / "rules.yml").read_text()
    named = {job for jobs in re.findall(r'job=~?"([\w|]+)"', rules) for job in jobs.split("|")}
    assert {"service", "loop", "monitor"} <= named <= {job["job_name"] for job in SCRAPED}


def test_grafana_finds_its_data_source_and_its_dashboards() -> None:
    environment, volumes = PARTS["grafana"]["environment"], PARTS["grafana"]["volumes"]
    provisioning = DEPLOY / "grafana/provisioning"
    (source,) = YAML(typ="safe").load(provisioning / "datasources/prometheus.yaml")["datasources"]
    (provider,) = YAML(typ="safe").load(provisioning / "dashboards/ml.yaml")["providers"]
    assert (source["url"], environment["PROMETHEUS_URL"]) == (
        "$PROMETHEUS_URL",
        "http://prometheus:9090",
    )
    assert provider["options"]["path"] == "$DASHBOARDS"
    assert f"../grafana/dashboards:{environment['DASHBOARDS']}:ro" in volumes
    assert "../grafana/provisioning:/etc/grafana/provisioning:ro" in volumes
    assert "GRAFANA_PASSWORD" in environment["GF_SECURITY_ADMIN_PASSWORD"]
    boards = [json.loads(p.read_text()) for p in (DEPLOY / "grafana/dashboards").glob("*.json")]
    used = {panel["datasource"]["uid"] for board in boards for panel in board["panels"]}
    assert used == {source["uid"]}
    assert queries()


def test_alerts_reach_a_receiver() -> None:
    config = YAML(typ="safe").load(STACK / "alertmanager.yml")
    there = {receiver["name"] for receiver in config["receivers"]}
    routes = [config["route"], *config["route"]["routes"]]
    assert {route["receiver"] for route in routes} == there
    rules = YAML(typ="safe").load(STACK / "rules.yml")["groups"][0]["rules"]
    cases = {case["name"] for case in YAML(typ="safe").load(STACK / "rules_test.yml")["tests"]}
    assert cases == {f"{r['alert']} {which}" for r in rules for which in ("fires", "stays quiet")}


@needs_prometheus
def test_promtool_accepts_the_stacks_rules_and_configuration(tmp_path: Path) -> None:
    rules = ["test", "rules", str(STACK / "rules_test.yml")]
    for words in (rules, ["check", "config", "--syntax-only", str(STACK / "prometheus.yml")]):
        done = subprocess.run(["promtool", *words], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    shutil.copy(STACK / "rules_test.yml", tmp_path)
    text = (STACK / "rules.yml").read_text()
    for broken in ("vector(0) > 1", "vector(1)"):
        (tmp_path / "rules.yml").write_text(re.sub(r"expr: .*", f"expr: {broken}", text))
        again = ["promtool", "test", "rules", str(tmp_path / "rules_test.yml")]
        assert subprocess.run(again, capture_output=True, check=False).returncode != 0
