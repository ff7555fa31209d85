"""What the running stack is put through: the loop once, `kill -9` of each part, its end."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.error
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from image_checks import Image
from stack_parts import PORTS, Stack, make_project, read_env, wait


def bring_up_and_kill(image: Image, folder: Path, figure: Callable[[str], None]) -> None:
    """The whole of it: up, moved in, one turn of the loop, each part killed, down."""
    stack = make_project(image, folder)
    try:
        begun = time.monotonic()
        stack.project.make("up", "BUILD_ARGS=--network=host")
        figure(f"stack: up in {time.monotonic() - begun:.0f} s, the worker's image with it")
        read_env(stack)
        check_it_is_closed(stack)
        stack.start_clients()
        live_the_loop(stack)
        seconds = kill_each_part(stack)
        figures = ", ".join(f"{part} {s:.0f} s" for part, s in seconds.items())
        figure(f"stack: well again after kill -9: {figures}")
        check_nothing_was_lost(stack)
        figure(f"stack: {len(stack.acknowledged)} answers acknowledged, all in the journal")
        take_down(stack)
    finally:
        stack.stopped.set()
        stack.project.run("make", "down", "VOLUMES=remove")


def live_the_loop(stack: Stack) -> None:
    """Move in, answer, learn outcomes of another world; the loop's model takes over, unaided."""
    said = stack.project.make("move-in")
    assert "mlflow.db: 1 versions" in said, said
    assert stack.champion() == "1"
    assert stack.predict() == "1"
    rows = [{"age": 18 + i % 62} for i in range(420)]
    answers = stack.ask("SERVICE_PORT", "/predict", rows)
    stack.acknowledged |= {answer["prediction_id"] for answer in answers}
    labels = [
        {"prediction_id": a["prediction_id"], "outcome": "yes" if row["age"] > 35 else "no"}
        for a, row in zip(answers, rows, strict=True)
    ]
    assert stack.ask("SERVICE_PORT", "/labels", labels)["recorded"] == len(rows)
    stack.compose("restart", "monitor", "loop")  # both begin with a pass
    stack.told("ModelDecayed")
    wait("promoted", lambda: stack.predict() == "2")
    wait("champion", lambda: stack.champion() == "2")
    # what the worker has released went through MLflow to S3, and comes back from there
    release = stack.project.path / "serving/releases/2"
    run = json.loads((release / "lineage.json").read_text())["mlflow_run"]
    path = f"/get-artifact?path=bundle/manifest.json&run_uuid={run}"
    assert stack.ask("MLFLOW_PORT", path) == json.loads((release / "manifest.json").read_text())
    in_loop = ("exec", "-T", "loop", "python", "-m")
    stack.compose(*in_loop, "dvc", "remote", "add", "--force", "--default", "storage", "s3://dvc")
    assert "pushed" in stack.compose(*in_loop, "dvc", "push")
    assert "in sync" in stack.compose(*in_loop, "dvc", "status", "--cloud")


def kill_each_part(stack: Stack) -> dict[str, float]:
    """`kill -9` each part in turn; seconds until each was well again, by itself."""
    seconds = {}
    known = int(stack.query("count_over_time(up{job='service'}[1h])")[0]["value"][1])
    for part in (*TOLD, *SOON_BACK, "alertmanager", "prometheus"):
        refused, seconds[part] = len(stack.refused), stack.kill(part)
        if part in TOLD:
            stack.told(*TOLD[part])
        wait(f"answers after {part}", lambda: stack.predict() == "2")
        if part not in NEEDED:
            assert stack.refused[refused:] == [], part
    for part in SOON_BACK:
        stack.lose(part, partial(told_of, stack, part))
    # nobody can be told while it is away: Prometheus knows, and tells it afterwards
    firing = "ALERTS{alertname='PartDown', part='alertmanager', alertstate='firing'}"
    stack.lose("alertmanager", lambda: wait("firing", lambda: stack.query(firing)))
    stack.told("PartDown", "alertmanager")
    figures = stack.query("count_over_time(up{job='service'}[1h])")
    assert int(figures[0]["value"][1]) > known  # what Prometheus had before it was killed
    assert stack.champion() == "2"
    return seconds


def told_of(stack: Stack, part: str) -> None:
    """Alertmanager has had what a part's lasting loss raises."""
    stack.told("PartDown", part)
    if part == "postgres":  # after the time for which the service waits for it
        stack.told("JournalFailures")


NEEDED = ("service", "postgres")  # for an answer
# the alert that Alertmanager has had after `kill -9`, although the part came back by itself
TOLD = {
    "service": ("ServiceDown", ""),
    "mlflow": ("PartDown", "mlflow"),
    "monitor": ("PartDown", "monitor"),
    "loop": ("LoopStopped", ""),
}
SOON_BACK = ("postgres", "s3", "blackbox")  # before anybody looks: told of where they stay away


def check_nothing_was_lost(stack: Stack) -> None:
    """Each prediction that a client has got is in the journal."""
    stack.stopped.set()
    time.sleep(0.5)
    found = stack.journal("SELECT prediction_id, rows FROM predictions")
    kept: set[str] = set()
    for line in found:
        prediction, rows = line.split("|")
        kept |= {prediction} if rows == "1" else {f"{prediction}-{i}" for i in range(int(rows))}
    assert stack.acknowledged - kept == set()


def check_it_is_closed(stack: Stack) -> None:
    """Nothing listens beyond loopback; no container may write to its files or has a right."""
    assert (stack.project.path / "deploy/stack/.env").stat().st_mode & 0o777 == 0o600
    assert stack.project.git("status", "--porcelain", "deploy") == ""
    listed = json.loads(f"[{','.join(stack.compose('ps', '--format', 'json').splitlines())}]")
    published = [
        p["URL"] for part in listed for p in part["Publishers"] or [] if p["PublishedPort"]
    ]
    assert len(published) == len(PORTS)
    assert set(published) == {"127.0.0.1"}
    for part in [part["Service"] for part in listed]:
        host = stack.inspect(part)["HostConfig"]
        assert (host["ReadonlyRootfs"], host["CapDrop"], host["CapAdd"]) == (True, ["ALL"], None)
        assert host["SecurityOpt"] == ["no-new-privileges:true"]
    with pytest.raises(urllib.error.HTTPError, match="403"):
        stack.ask("MLFLOW_PORT", "/api/2.0/mlflow/experiments/search", Host="evil.example")


def take_down(stack: Stack) -> None:
    """`make down` keeps the volumes, and with the word they go."""

    def volumes() -> int:
        words = ["volume", "ls", "--quiet", "--filter", f"name={stack.env['STACK_NAME']}_"]
        done = subprocess.run([stack.docker, *words], capture_output=True, text=True, check=True)
        return len(done.stdout.split())

    stack.project.make("down")
    assert volumes() == 4
    stack.project.make("down", "VOLUMES=remove")
    assert volumes() == 0
