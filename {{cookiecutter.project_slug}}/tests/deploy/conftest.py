"""Rules and dashboards of deploy/, and whether Prometheus is installed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

DEPLOY = Path(__file__).parents[2] / "deploy"
RULES, RULES_TEST = DEPLOY / "prometheus" / "rules.yml", DEPLOY / "prometheus" / "rules_test.yml"
needs_prometheus = pytest.mark.skipif(
    shutil.which("promtool") is None,
    reason="promtool is not installed (Debian: apt-get install prometheus)",
)


def alerts() -> list[dict[str, Any]]:
    """Every alerting rule."""
    groups = YAML(typ="safe").load(RULES)["groups"]
    return [rule for group in groups for rule in group["rules"]]


def queries() -> list[tuple[str, str]]:
    """Title and query of every panel of the dashboards."""
    boards = [
        json.loads(path.read_text())
        for path in sorted((DEPLOY / "grafana" / "dashboards").glob("*.json"))
    ]
    return [
        (p["title"], t["expr"]) for board in boards for p in board["panels"] for t in p["targets"]
    ]
