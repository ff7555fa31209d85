"""The four workflows of a project, lived in order: each step is its own make word, run for real.

The remote is a bare repository; the bucket is moto's S3; the registry and the journal are
databases outside of every clone, as a server's would be. `gh`, `docker`, `kubectl` and `aws` are
stand-ins (`workflow_runner`). The image itself is built and asked in `test_container.py`.
"""

from __future__ import annotations

import random
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import rendered_project
from rendered_project import Project
from workflow_runner import Runner

import demo

pytestmark = pytest.mark.slow

# test_life.py lives check and test, test_container.py rehearse; audit needs the network
ELSEWHERE = frozenset({"check", "test", "rehearse", "audit"})
DIGEST = "sha256:" + "1" * 64
IMAGE = f"ghcr.io/someone/churn@{DIGEST}"
S3 = {
    "AWS_ACCESS_KEY_ID": "stand-in",
    "AWS_SECRET_ACCESS_KEY": "stand-in",
    "AWS_DEFAULT_REGION": "us-east-1",
}


def people(path: Path, rows: int, seed: int) -> None:
    """A small table whose target follows the age."""
    draw = random.Random(seed)  # noqa: S311 - a table, not a secret
    ages = [draw.randint(18, 80) for _ in range(rows)]
    lines = [f"{age},{'yes' if age + draw.randint(-9, 9) > 50 else 'no'}" for age in ages]
    path.write_text("\n".join(["age,left", *lines]) + "\n")


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an S3 service with an empty bucket `data`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = (tmp_path_factory.mktemp("s3") / "log").open("wb")
    command = [str(demo.VENV / "bin/moto_server"), "--host", "127.0.0.1", "--port", str(port)]
    server = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            with socket.socket() as asked:
                if asked.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(timeout=30)
        log.close()


@dataclass(frozen=True)
class Place:
    """A released project whose repository, data, registry and journal are elsewhere."""

    origin: Path
    tracking: str
    journal: str
    project: Project


@pytest.fixture(scope="module")
def place(newborn: Project, bucket: str, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Trained on a small table, released, answered, labelled; pushed."""
    folder = tmp_path_factory.mktemp("place")
    shutil.copytree(newborn.path, folder / "churn", symlinks=True)
    tracking = f"sqlite:///{folder}/registry.db"
    journal = f"sqlite:///{folder}/journal.db"
    server = {"MLFLOW_TRACKING_URI": tracking, "JOURNAL_URL": journal}
    project = Project(folder / "churn", newborn.env | S3 | server)
    bare = folder / "churn.git"
    project.git("init --quiet --bare --initial-branch=main", str(bare))
    project.git("remote add origin", str(bare))
    project.python(
        "-c",
        f"import boto3; boto3.client('s3', endpoint_url='{bucket}').create_bucket(Bucket='data')",
    )
    for words in (
        "remote add --force --default storage s3://data/churn",
        f"remote modify storage endpointurl {bucket}",
    ):
        project.python("-m", "dvc", *words.split())
    people(project.path / "people.csv", 500, 1)
    project.make("adopt", "DATA=people.csv", "TARGET=left")
    (project.path / "people.csv").unlink()
    project.make("flow")
    project.commit("The first model")
    project.make("release")
    project.make("push")
    project.commit("Released")
    project.git("push --quiet origin HEAD:main")
    lived(project)
    return Place(bare, tracking, journal, project)


def lived(project: Project) -> None:
    """Requests and outcomes of people who leave for the opposite reason: a decay."""
    draw = random.Random(2)  # noqa: S311 - a table, not a secret
    rows = [{"age": draw.randint(18, 80)} for _ in range(600)]
    with project.served() as url:
        status, answers = rendered_project.ask(f"{url}/predict", rows)
        assert status == 200, answers
    lines = [
        f"{answer['prediction_id']},{'yes' if row['age'] < 50 else 'no'}"
        for row, answer in zip(rows, answers, strict=True)
    ]
    labels = project.path / "labels.csv"
    labels.write_text("\n".join(["prediction_id,outcome", *lines]) + "\n")
    project.make("label", "FILE=labels.csv")
    labels.unlink()


@pytest.fixture
def runner(place: Place, tmp_path: Path) -> Runner:
    """With everything set, as docs/ci.md says."""
    env = {
        k: v
        for k, v in place.project.env.items()
        if k not in ("JOURNAL_URL", "MLFLOW_TRACKING_URI")
    }
    digests = "docker inspect --format {{range"
    return Runner(
        place.origin,
        tmp_path,
        env | {"PROBE_SECONDS": "1"},
        variables={
            "MLFLOW_TRACKING_URI": place.tracking,
            "AWS_ROLE": "arn:aws:iam::1:role/ml",
            "AWS_REGION": "us-east-1",
            "TRAIN": "on",
            "MONITOR": "on",
            "SERVICE": "churn",
        },
        secrets={"JOURNAL_URL": place.journal, "ML_API_KEY": "k" * 16},
        elsewhere=ELSEWHERE | {"smoke"},
        answers={digests: (0, IMAGE), "gh issue list": (0, "[]")},
    )


def test_monitor_tells_of_a_decay_and_starts_train(runner: Runner) -> None:
    assert runner.run("monitor", "schedule") == {"judge": "success", "tell": "success"}, (
        runner.failing
    )
    gh = [asked for asked in runner.asked if asked[0] == "gh"]
    assert [asked[1:3] for asked in gh] == [
        ["issue", "list"],
        ["issue", "create"],
        ["workflow", "run"],
    ]
    assert gh[2][3] == "train.yml"
    summary = (runner.folder / "summary.md").read_text()
    assert "### decay: retrain" in summary


def test_train_proposes_a_model_that_waits_for_a_person(runner: Runner, place: Place) -> None:
    done = runner.run("train", "workflow_dispatch")
    assert done == {"train": "success", "propose": "success"}, runner.failing
    words = [word for word in runner.ran if "/" not in word]
    expected = ["setup", "pull", "train", "push", "metrics-diff", "candidate", "propose"]
    assert words == expected
    gh = [asked[1:3] for asked in runner.asked if asked[0] == "gh"]
    assert gh == [["pr", "create"], ["workflow", "run"]]
    body = (runner.folder / "artifacts/candidate/candidate.md").read_text()
    assert "Gate: **wait**" in body
    assert "metrics/model.json" in body
    card = runner.folder / "jobs/train-train/churn/serving/releases/2/card.md"
    assert card.read_text() in body
    (branch,) = [
        line.split("refs/heads/")[1]
        for line in place.project.git("ls-remote --heads origin").splitlines()
        if "refs/heads/train/" in line
    ]
    changed = place.project.sh(
        f"git --git-dir={place.origin} diff --name-only main {branch}"
    ).split()
    assert {"data/raw.dvc", "dvc.lock", "ledger.jsonl", "metrics/model.json"} <= set(changed)
    registry = place.project.python(
        "-c",
        "from mlflow import MlflowClient; "
        f"found = MlflowClient('{place.tracking}').search_registered_models(); "
        "print([sorted(model.aliases.items()) for model in found])",
    )
    assert "('champion', 1)" in registry.replace("'1'", "1")  # the new one waits


def test_deploy_rolls_out_and_goes_back_where_the_canary_does_not_answer(runner: Runner) -> None:
    done = runner.run("deploy", "push")
    assert done == {"image": "success", "attest": "success", "rollout": "success"}, runner.failing
    pushed = [a[-1] for a in runner.asked if a[:2] == ["docker", "push"]]
    assert len(pushed) == 1
    assert pushed[0].startswith("ghcr.io/someone/churn:sha-")
    kubectl = [" ".join(a[1:4]) for a in runner.asked if a[0] == "kubectl"]
    assert kubectl == [
        f"set image deployment/churn{which}"
        if verb == "set"
        else f"rollout status deployment/churn{which}"
        for which in ("-canary", "")
        for verb in ("set", "wait")
    ]
    runner.answers["kubectl get deployment/churn-canary"] = (0, IMAGE)
    runner.answers["kubectl get deployment/churn "] = (0, "the-one-before")
    runner.variables["CANARY_URL"] = "http://127.0.0.1:9"  # nobody answers there
    assert runner.run("deploy", "push", {"rollout"})["rollout"] == "failure"
    assert "next: make undo" in runner.failing
    undone = [a[3] for a in runner.asked if a[:3] == ["kubectl", "rollout", "undo"]]
    assert undone == ["deployment/churn-canary"]


def test_a_fork_without_secrets_checks_builds_and_leaves_the_rest(
    runner: Runner, place: Place, tmp_path: Path
) -> None:
    """No variable, no secret, no bucket: a directory beside the clone is the data's remote."""
    remote = tmp_path / "public"
    fork = tmp_path / "fork.git"
    mine = Project(tmp_path / "mine", place.project.env)
    subprocess.run(["git", "clone", "--quiet", place.project.path, mine.path], check=True)
    (mine.path / ".venv").symlink_to(demo.VENV)
    mine.python("-m", "dvc", "pull", "--quiet")
    mine.python("-m", "dvc", "remote", "remove", "storage")
    mine.python("-m", "dvc", "remote", "add", "--force", "--default", "storage", str(remote))
    mine.make("push")
    mine.commit("A public remote")
    mine.git(f"init --quiet --bare --initial-branch=main {fork}")
    mine.git(f"push --quiet {fork} HEAD:main")
    runner.origin, runner.variables, runner.secrets = fork, {}, {}
    for name in ("train", "monitor"):
        assert set(runner.run(name, "schedule").values()) == {"skipped"}
    done = runner.run("deploy", "push")
    assert done == {"image": "success", "attest": "success", "rollout": "skipped"}, runner.failing
    pull = {"number": 12, "base": {"sha": mine.git("rev-parse HEAD~1")}}
    here = {"pull_request": pull | {"head": {"repo": {"full_name": "Someone/Churn"}}}}
    done = runner.run("ci", "pull_request", event=here)
    assert set(done.values()) == {"success"}, runner.failing
    assert runner.asked[-1][:5] == ["gh", "pr", "comment", "12", "--edit-last"]
    there = {"pull_request": pull | {"head": {"repo": {"full_name": "Someone/Fork"}}}}
    assert runner.run("ci", "pull_request", {"comment"}, event=there)["comment"] == "skipped"


def test_a_new_project_has_nothing_to_pull_and_says_so(newborn: Project) -> None:
    assert "../dvc-storage: no such folder" in newborn.make("pull")
