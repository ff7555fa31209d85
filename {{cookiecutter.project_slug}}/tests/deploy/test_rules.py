"""Prometheus' rules: each alert fires and stays quiet, and their tests notice broken rules."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.deploy.conftest import RULES, RULES_TEST, alerts, needs_prometheus


def promtool(*args: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["promtool", *map(str, args)], capture_output=True, text=True, cwd=cwd, check=False
    )


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
    run = promtool("test", "rules", RULES_TEST)
    assert run.returncode == 0, run.stdout + run.stderr


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
    run = promtool("test", "rules", tmp_path / "rules_test.yml")
    noticed = set(re.findall(r'alertname=\\*"(\w+)', run.stdout + run.stderr))
    assert run.returncode != 0
    assert noticed == {rule["alert"] for rule in alerts()}, f"a case of {case} was not noticed"
