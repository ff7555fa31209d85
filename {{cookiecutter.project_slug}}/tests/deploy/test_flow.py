"""deploy/kubernetes/flow: the Job's own command, with an S3 API and MLflow's server.

No cluster is needed for what it does: one after the other on one volume, at once in two clones.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import boto3
import httpx2
import pytest
from mlflow.server import constants
from mlflow.tracking import MlflowClient
from ruamel.yaml import YAML

from ml.bundle import load_bundle
from ml.ledger import chain
from ml.pipeline.tracking import PARENT, SEARCHED
from ml.release import registry
from tests.conftest import command, commit, write_settings
from tests.deploy.conftest import DEPLOY
from tests.docs.test_words import FENCE
from tests.standalone.conftest import s3

__all__ = ["s3"]  # a fixture of another room
JOB = YAML(typ="safe").load(DEPLOY / "kubernetes/flow/job.yaml")
(CONTAINER,) = JOB["spec"]["template"]["spec"]["containers"]


# A `python` that writes down its calls and their ends; the file `fails` names one and its status.
PYTHON = """#!/bin/sh
echo "begin $PPID $*" >> log
sleep 0.05
echo "end $PPID $*" >> log
case "$*" in "$(cut -d: -f1 fails)") exit "$(cut -d: -f2 fails)";; esac
"""
WORDS = ["-m dvc pull --allow-missing", "-m dvc repro", "-m dvc push", "-m ml release"]


@pytest.mark.parametrize(
    ("fails", "status", "done"),
    [
        (":", 0, 4),
        ("-m dvc pull --allow-missing:255", 255, 1),  # the remote is away: tried again
        ("-m dvc repro:255", 3, 2),  # a stage: at once
        ("-m dvc push:255", 255, 3),
        ("-m ml release:2", 2, 4),
        ("-m ml release:3", 3, 4),  # the gate: at once
    ],
)
def test_jobs_on_one_volume_wait_for_each_other_and_end_as_their_rules_say(
    tmp_path: Path, fails: str, status: int, done: int
) -> None:
    (tmp_path / "fails").write_text(fails)
    (tmp_path / "python").write_text(PYTHON)
    (tmp_path / "python").chmod(0o755)
    (tmp_path / ".dvc/tmp").mkdir(parents=True)
    (tmp_path / ".dvc/tmp/rwlock").touch()  # of a pod that was killed
    env = {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    command, pipe = CONTAINER["command"], subprocess.PIPE
    jobs = [
        subprocess.Popen(command, cwd=tmp_path, env=env, stdout=pipe, text=True) for _ in range(3)
    ]
    said = [job.communicate()[0] for job in jobs]
    assert [job.returncode for job in jobs] == [status] * 3
    waited = "flow: another one works in this folder: waiting\n"
    assert sorted(said) == ["", waited, waited]
    assert not (tmp_path / ".dvc/tmp/rwlock").exists()
    steps = [line.split(maxsplit=2) for line in (tmp_path / "log").read_text().splitlines()]
    one = [(kind, words) for words in WORDS[:done] for kind in ("begin", "end")]
    assert [(kind, words) for kind, _, words in steps] == one * 3
    shells = [shell for _, shell, _ in steps]
    assert len({*shells[: 2 * done]}) == 1
    (rule,) = [r for r in JOB["spec"]["podFailurePolicy"]["rules"] if r["action"] == "FailJob"]
    assert rule["onExitCodes"] == {"containerName": "ml", "operator": "In", "values": [3]}


def test_argos_sketch_has_the_jobs_container() -> None:
    text = (DEPLOY.parent / "docs/kubernetes.md").read_text(encoding="utf-8")
    (sketch,) = [
        YAML(typ="safe").load(body) for kind, _, body in FENCE.findall(text) if kind == "yaml"
    ]
    spec, pod = sketch["spec"]["workflowSpec"], JOB["spec"]["template"]
    (template,) = spec["templates"]
    of_argo = {"name": "ml", "imagePullPolicy": "IfNotPresent", **template["container"]}
    assert of_argo == CONTAINER | {"image": of_argo["image"]}
    assert spec["volumes"] == pod["spec"]["volumes"]
    assert spec["podMetadata"]["labels"] == pod["metadata"]["labels"]
    assert template["retryStrategy"]["limit"] == JOB["spec"]["backoffLimit"]
    assert template["retryStrategy"]["expression"] == "asInt(lastRetry.exitCode) != 3"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """The address of MLflow's server with an empty store; it hands artifacts on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    settings = {  # what `mlflow server` sets before it starts uvicorn, seconds later
        constants.BACKEND_STORE_URI_ENV_VAR: f"sqlite:///{tmp_path}/server.db",
        constants.ARTIFACT_ROOT_ENV_VAR: "mlflow-artifacts:/",
        constants.ARTIFACTS_DESTINATION_ENV_VAR: str(tmp_path / "artifacts"),
        constants.SERVE_ARTIFACTS_ENV_VAR: "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    words = [sys.executable, "-m", "uvicorn", "--port", str(port), "--log-level", "warning"]
    with (tmp_path / "server.log").open("w") as log:
        process = subprocess.Popen(
            [*words, "mlflow.server.fastapi_app:app"],
            env=os.environ | settings,
            stdout=log,
            stderr=log,
        )
    address = f"http://127.0.0.1:{port}"
    try:
        wait_for(lambda: httpx2.get(f"{address}/health").is_success)
        # the first request makes the tables, in `mlflow server` before it listens: two first
        # requests at once would break the database
        experiments = f"{address}/api/2.0/mlflow/experiments/search?max_results=1"
        httpx2.get(experiments, timeout=120).raise_for_status()
        yield address
    finally:
        process.terminate()
        process.wait()


def wait_for(look: Callable[[], bool]) -> None:
    end = time.monotonic() + 120
    while time.monotonic() < end:
        with suppress(httpx2.TransportError):
            if look():
                return
        time.sleep(0.1)
    raise AssertionError("nothing was seen in time")


def start(folder: Path, pod: Path, secrets: dict[str, str]) -> subprocess.Popen[str]:
    """The Job's command as a pod would run it: on its volume, with its variables and its /tmp."""
    pod.mkdir()
    env = {v["name"]: v.get("value") or secrets[secret(v)] for v in CONTAINER["env"]}
    fonts = {"MPLCONFIGDIR": str(pod.parent / "fonts"), "DVC_SITE_CACHE_DIR": str(pod / "dvc")}
    path = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    return subprocess.Popen(
        CONTAINER["command"],
        cwd=folder,
        env=os.environ | path | env | fonts | {"HOME": str(pod), "TMPDIR": str(pod)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def secret(variable: dict[str, Any]) -> str:
    """Which key of the Secret `model` a variable takes."""
    reference: dict[str, str] = variable["valueFrom"]["secretKeyRef"]
    assert reference["name"] == "model"
    return reference["key"]


@pytest.fixture
def clones(released_project: Path, tmp_path: Path, s3: dict[str, str]) -> list[Path]:
    """Two clones of a project whose data are in S3, each with a change of its own."""
    origin = tmp_path / "origin"
    shutil.copytree(released_project, origin, symlinks=True)
    (origin / "ledger.jsonl").unlink()  # of a registry in the folder
    command(origin, "dvc", "remote", "modify", "storage", "url", "s3://tables/dvc")
    commit(origin, "adopted")
    cache = origin / ".dvc/cache"
    for path in [path for path in cache.rglob("*") if path.is_file()]:  # as `dvc push` names them
        boto3.client("s3").upload_file(path, "tables", f"dvc/{path.relative_to(cache)}")
    changes: dict[str, dict[str, Any]] = {
        "a": {"train__model": "linear", "train__search__trials": 2},
        "b": {"export__golden_rows": 5},
    }
    for name, change in changes.items():
        command(tmp_path, "git", "clone", "--quiet", str(origin), name)
        write_settings(tmp_path / name / "params.yaml", **change)
        commit(tmp_path / name, "a change")
    return [tmp_path / name for name in changes]


@pytest.mark.slow
def test_flows_at_once_in_two_clones_corrupt_nothing(
    clones: list[Path], server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = {"tracking-uri": server}
    jobs = [start(folder, tmp_path / f"pod-{i}", secrets) for i, folder in enumerate(clones)]
    said = [job.communicate()[0] for job in jobs]
    refused = [3 if "refused:" in one else 0 for one in said]  # the gate's word
    assert [job.returncode for job in jobs] == refused, said
    client = MlflowClient(server)
    two_whole_versions(clones, client, monkeypatch)
    trials_were_there_before_the_release(client)
    objects_are_what_they_are_called()
    commit(clones[0], "flow")
    command(tmp_path, "git", "clone", "--quiet", str(clones[0]), "fresh")
    told = command(tmp_path / "fresh", sys.executable, "-c", PULLED).stdout
    assert "Data and pipelines are up to date." in told
    assert "Cache and remote 'storage' are in sync." in told


PULLED = """
from dvc.cli import main
raise SystemExit(main(["pull"]) or main(["repro"]) or main(["status", "--cloud"]))
"""


def two_whole_versions(
    clones: list[Path], client: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each clone's bundle is a sealed version, one is champion, and each ledger is whole."""
    versions = client.search_model_versions("name = 'life'")
    assert sorted(str(v.version) for v in versions) == ["1", "2"]
    assert {v.tags[registry.SEALED] for v in versions} == {"true"}
    assert len({v.tags[registry.HASH] for v in versions}) == 2
    lines = [decision_of(clone, monkeypatch) for clone in clones]
    (_, before, first), (action, beside, second) = sorted(lines, key=lambda line: line[1] or "")
    assert (before, beside) == (None, first)  # whoever came second was judged beside the first
    champion = second if action == chain.PROMOTE else first
    assert registry.alias(client, "life", "champion") == champion


def decision_of(clone: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str | None, str | None]:
    """The last line of a clone's ledger; releases there are sound.

    That all stages were up to date the release has asked DVC.
    """
    monkeypatch.chdir(clone)
    for release in Path("serving/releases").iterdir():
        load_bundle(release)
    line = chain.check(chain.read())[-1]  # before it may be the other's, which was finished here
    return line.action, line.from_version, line.to_version


def trials_were_there_before_the_release(client: MlflowClient) -> None:
    """One run of the search, begun by the stage and adopted by the release, with its two trials."""
    (found,) = client.search_experiments(filter_string="name = 'life'")
    runs = client.search_runs([found.experiment_id])
    (search,) = [run for run in runs if SEARCHED in run.data.tags]
    trials = [run for run in runs if run.data.tags.get(PARENT) == search.info.run_id]
    assert [run.info.status for run in trials] == ["FINISHED"] * 2
    bundle = client.get_run(search.data.tags[PARENT])
    assert bundle.data.tags["search"] == search.info.run_id
    assert search.info.start_time < bundle.info.start_time


def objects_are_what_they_are_called() -> None:
    """DVC's name of an object is the MD5 of its content."""
    bucket = boto3.client("s3")
    found = bucket.list_objects_v2(Bucket="tables", Prefix="dvc/files/md5/")["Contents"]
    assert len(found) > 10
    for key in [one["Key"] for one in found]:
        name = "".join(Path(key).parts[-2:]).removesuffix(".dir")
        content = bucket.get_object(Bucket="tables", Key=key)["Body"].read()
        assert hashlib.md5(content, usedforsecurity=False).hexdigest() == name
