"""No library reports its use: what is set before it is imported, and the project's files."""

from __future__ import annotations

import configparser
import os
import re
import subprocess
import sys
from pathlib import Path

HOME = Path(__file__).parents[1]
SWITCHES = ("MLFLOW_DISABLE_TELEMETRY", "DO_NOT_TRACK", "ORT_DISABLE_TELEMETRY")


def test_dvc_sends_nothing_and_looks_for_no_update() -> None:
    config = configparser.ConfigParser()
    config.read(HOME / ".dvc" / "config")
    assert config["core"]["analytics"] == "false"
    assert config["core"]["check_update"] == "false"


def test_make_switches_it_off_for_every_word() -> None:
    """`make ui` starts MLflow's server without a line of ours in between."""
    exported = re.findall(r"^export (\w+ := \w+)$", (HOME / "Makefile").read_text(), re.MULTILINE)
    assert {"DO_NOT_TRACK := 1", "MLFLOW_DISABLE_TELEMETRY := true"} <= set(exported)


def test_mlflow_and_onnx_runtime_are_told_before_they_are_imported() -> None:
    """Without make, in an environment that says nothing."""
    code = (
        "import os, sys; from ml.release import registry; assert 'mlflow' not in sys.modules; "
        "registry.import_library(); from mlflow import environment_variables as mlflow_env; "
        "print(mlflow_env.MLFLOW_DISABLE_TELEMETRY.get(), os.environ['ORT_DISABLE_TELEMETRY'])"
    )
    env = {key: value for key, value in os.environ.items() if key not in SWITCHES}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=HOME, env=env, capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["True", "1"], done.stderr
