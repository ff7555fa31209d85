"""The image, built once and run by a real Docker engine: hardened, loaded, stopped, starved.

What is looked for in it and found in none: secrets, findings of hadolint.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import rendered_project
from image_checks import (
    HARDENED,
    KEY,
    NO_TOOLS,
    Container,
    Image,
    Load,
    recorded,
    release_small_model,
    write_second_release,
)
from stack_scenario import bring_up_and_kill

from demo import SOURCES, TEMPLATE, VENV

pytestmark = pytest.mark.slow

PROJECT = TEMPLATE / SOURCES[-1]
Run = Callable[..., Container]


@pytest.fixture(scope="session")
def image(
    newborn: rendered_project.Project,
    docker: str,
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
) -> Image:
    """Built by `make image` without a cache, then again with one."""
    path = tmp_path_factory.mktemp("image") / newborn.path.name
    project = release_small_model(newborn, path, docker)
    write_second_release(path / "serving/releases")
    seconds = []
    for options in ("--network=host --no-cache", "--network=host"):
        start = time.monotonic()
        project.make("image", f"BUILD_ARGS={options}")
        seconds.append(time.monotonic() - start)
    size = project.sh(".venv/bin/python deploy/size").splitlines()
    request.config.stash.setdefault(FIGURES, []).append(
        f"image: built in {seconds[0]:.0f} s without a cache, {seconds[1]:.0f} s with one; "
        f"{size[0].split(': ')[1]}; {size[-1].strip()}"
    )
    row = project.json("serving/champion/golden.json")["rows"][0]
    return Image(project, docker, "image-under-test:1", row)


FIGURES = pytest.StashKey[list[str]]()


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """A folder for the journal that the image's user may write to."""
    folder = tmp_path / "journal"
    folder.mkdir()
    folder.chmod(0o777)
    return folder


@pytest.fixture
def run(image: Image) -> Iterator[Run]:
    """Start the image hardened; the containers are removed at the end."""
    running: list[str] = []

    def start(
        *options: str, words: tuple[str, ...] = (), port: int = 8000, ready: str = "/health/ready"
    ) -> Container:
        keys = () if "ML_AUTH=platform" in options else ("-e", f"ML_API_KEYS={KEY}")
        container = image("run", "--detach", *HARDENED, *keys, *options, image.name, *words)
        running.append(container)
        started = Container(image, container, port)
        started.wait_ready(ready)
        return started

    yield start
    if running:
        image("rm", "--force", "--volumes", *running)


def point(serving: Path, version: str) -> None:
    """Move the champion's link as a release does."""
    new = serving / "champion.new"
    new.symlink_to(Path("releases") / version)
    new.replace(serving / "champion")


def test_it_is_labelled_with_its_model_commit_and_data(
    image: Image, figure: Callable[[str], None], request: pytest.FixtureRequest
) -> None:
    labels = image.inspect(image.name)["Config"]["Labels"]
    lineage = image.project.json("serving/champion/lineage.json")
    oci = "org.opencontainers.image."
    assert labels[f"{oci}version"] == "1"
    assert labels[f"{oci}revision"] == lineage["git_commit"]
    assert labels["ml.data"] == lineage["data"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:]+\+00:00", labels[f"{oci}created"])
    assert "MIT AND" in labels[f"{oci}licenses"]
    assert "NOASSERTION" not in labels[f"{oci}licenses"]
    for line in request.config.stash[FIGURES]:
        figure(line)


def test_it_needs_no_shell_no_pip_and_no_right(image: Image) -> None:
    """The smoke test: an answer as released, 401 without a key, healthy, ends with status 0."""
    arguments = f"RUN_ARGS={' '.join([*HARDENED, *NO_TOOLS])}"
    said = image.project.run("env", arguments, ".venv/bin/python", "deploy/smoke")
    assert "smoke test passed" in said.stdout, said.stdout
    config = image.inspect(image.name)["Config"]
    assert config["User"] == "10001:10001"
    assert not [v for v in ("Entrypoint", "Cmd") if "sh" in config[v]]
    code = "import shutil; print([t for t in ('gcc', 'cc', 'make', 'git') if shutil.which(t)])"
    assert image("run", "--rm", "--entrypoint", "python", image.name, "-c", code) == "[]"


def test_each_platforms_start_is_answered(image: Image, run: Run) -> None:
    mounted = ("-v", f"{image.release('2')}:/opt/ml/model:ro", "-e", "ML_AUTH=platform")
    instances = {"instances": [image.row]}
    sagemaker = run(*mounted, words=("serve",), port=8080, ready="/ping")
    status, answer = sagemaker.ask("/invocations", instances)
    assert (status, answer["model_version"]) == (200, "2")
    vertex = {"AIP_HTTP_PORT": "7080", "AIP_HEALTH_ROUTE": "/up", "AIP_PREDICT_ROUTE": "/predict"}
    said = [word for k, v in vertex.items() for word in ("-e", f"{k}={v}")]
    status, answer = run("-e", "ML_AUTH=platform", *said, port=7080, ready="/up").ask(
        "/predict", instances
    )
    assert (status, answer["model_version"]) == (200, "1")
    cloud = run("-e", "ML_AUTH=platform", "-e", "PORT=9000", "-e", "K_SERVICE=a", port=9000)
    assert cloud.ask("/predict", image.row)[0] == 200
    kserve = run("-e", "ML_AUTH=platform", "-v", f"{image.release('2')}:/mnt/models:ro")
    name = image.name.split(":")[0]
    assert kserve.ask(f"/v1/models/{name}:predict", instances)[1]["model_version"] == "2"
    # the word `serve` is in no variable, and the health check finds the service all the same
    sagemaker.wait("healthy", lambda: sagemaker.health == "healthy")


def test_a_mounted_model_is_swapped_and_the_container_stopped_under_load(
    image: Image, run: Run, journal: Path, tmp_path: Path, figure: Callable[[str], None]
) -> None:
    serving = tmp_path / "serving"
    shutil.copytree(image.project.path / "serving/releases", serving / "releases")
    point(serving, "1")
    volumes = ("-v", f"{serving}:/app/serving:ro", "-v", f"{journal}:/var/lib/ml")
    container = run(*volumes)

    def swap_and_stop(load: Load) -> None:
        load.answered(200)
        point(serving, "2")
        container.wait("swapped", lambda: load.answers[-1]["model_version"] == "2")
        load.answered(200)
        image("stop", "--time", "30", container.id)

    load = Load(container).run(swap_and_stop)
    ids = {answer["prediction_id"] for answer in load.answers}
    assert load.lost == []
    assert container.state["ExitCode"] == 0
    assert ids == recorded(journal / "journal.db")
    figure(f"swap and docker stop under load: {len(ids)} answered, 0 lost, all in the journal")

    again = run(*volumes)  # the journal survives
    assert again.ask("/labels", {"prediction_id": min(ids), "outcome": "yes"})[0] == 200
    assert again.ask("/predict", image.row)[0] == 200
    assert len(recorded(journal / "journal.db")) == len(ids) + 1


def test_out_of_memory_and_a_killed_process_lose_no_answer(
    image: Image, run: Run, journal: Path
) -> None:
    container = run("--restart", "on-failure", "-v", f"{journal}:/var/lib/ml")
    ids = {container.ask("/predict", image.row)[1]["prediction_id"]}
    hog = [image.docker, "exec", container.id, "python", "-c", "bytearray(2**30)"]
    assert subprocess.run(hog, capture_output=True, check=False).returncode == 137
    container.wait_ready()  # whichever process the kernel has chosen
    ids.add(container.ask("/predict", image.row)[1]["prediction_id"])
    pid, restarts = container.state["Pid"], image.inspect(container.id)["RestartCount"]
    assert pid > 1
    os.kill(pid, signal.SIGKILL)
    container.wait("restarted", lambda: image.inspect(container.id)["RestartCount"] > restarts)
    container.wait_ready()
    ids.add(container.ask("/predict", image.row)[1]["prediction_id"])
    assert len(ids) == 3
    assert ids == recorded(journal / "journal.db")


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_full_volume_answers_503_turns_the_health_check_and_recovers(
    image: Image, run: Run, journal: Path
) -> None:
    small = ["-t", "tmpfs", "-o", "size=24m,mode=777", "tmpfs"]
    subprocess.run(["mount", *small, journal], check=True)
    try:
        quick = ("--health-interval", "1s", "--health-start-period", "0s", "--health-retries", "2")
        container = run("-v", f"{journal}:/var/lib/ml", *quick)
        container.wait("healthy", lambda: container.health == "healthy")
        filler = journal / "filler"
        with pytest.raises(OSError, match="No space"):
            filler.write_bytes(bytes(25 << 20))
        # many rows: the journal has room in files that it has made already
        rows = [image.row] * 5000
        container.wait("refusing", lambda: container.ask("/predict", rows)[0] == 503)
        assert container.ask("/health/live")[0] == 200
        container.wait("unhealthy", lambda: container.health == "unhealthy")
        filler.unlink()
        container.wait("answering", lambda: container.ask("/predict", image.row)[0] == 200)
        container.wait("healthy again", lambda: container.health == "healthy")
        image("rm", "--force", container.id)
    finally:
        subprocess.run(["umount", "-l", journal], check=True)


@pytest.fixture(scope="session")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the programs of requirements/delivery.txt."""
    folder, uv = tmp_path_factory.mktemp("delivery"), str(VENV / "bin/uv")
    locked = ["--require-hashes", "-r", str(PROJECT / "requirements/delivery.txt")]
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, folder], check=True)
    python = str(folder / "bin/python")
    subprocess.run([uv, "pip", "install", "--quiet", "--python", python, *locked], check=True)
    return folder / "bin"


def trivy(tools: Path, *words: str) -> dict[str, object]:
    """What trivy writes as JSON, offline."""
    offline = ["--offline-scan", "--skip-version-check", "--disable-telemetry", "--quiet"]
    command = [str(tools / "trivy"), *words, *offline, "--cache-dir", str(tools.parent / "cache")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    said: dict[str, object] = json.loads(done.stdout)
    return said


def secrets(said: dict[str, object]) -> list[str]:
    """The rules of all secrets that were found."""
    results = said.get("Results", [])
    assert isinstance(results, list)
    return [found["RuleID"] for result in results for found in result.get("Secrets", [])]


def test_the_layers_hold_no_secret_and_the_sbom_what_is_locked(
    image: Image, tools: Path, tmp_path: Path
) -> None:
    archive = tmp_path / "image.tar"
    image("save", "--output", str(archive), image.name)
    scan = ("image", "--input", str(archive))
    assert secrets(trivy(tools, *scan, "--scanners", "secret", "--format", "json")) == []
    planted = tmp_path / "planted"
    planted.mkdir()
    (planted / "settings.env").write_text("AWS_ACCESS_KEY_ID=AKIA" + "Z7QW3ERTY5UPLK2M\n")
    found = secrets(trivy(tools, "fs", str(planted), "--scanners", "secret", "--format", "json"))
    assert found == ["aws-access-key-id"]
    components = trivy(tools, *scan, "--format", "cyclonedx")["components"]
    assert isinstance(components, list)
    purls = [c["purl"] for c in components if c.get("purl", "").startswith("pkg:pypi/")]
    inside = {re.sub("[_.](?=.*@)", "-", purl.removeprefix("pkg:pypi/")) for purl in purls}
    text = (image.project.path / "requirements/serving.txt").read_text()
    locked = set(re.findall(r"^([\w.-]+)==([^\s;]+)", text, re.MULTILINE))
    assert inside <= {f"{name}@{version}" for name, version in locked}
    assert len(inside) > 20


def test_hadolint_finds_nothing_and_would(tools: Path, tmp_path: Path) -> None:
    def findings(dockerfile: Path) -> str:
        words = [str(tools / "hadolint"), str(dockerfile)]
        return subprocess.run(words, capture_output=True, text=True, check=False).stdout

    dockerfile = PROJECT / "Dockerfile"
    assert findings(dockerfile) == ""
    planted = tmp_path / "Dockerfile"
    text = dockerfile.read_text()
    planted.write_text(text.replace("python:3.13-slim\nRUN", "python\nRUN cd / &&"))
    assert {"DL3006", "DL3003"} <= set(re.findall(r"DL\d+", findings(planted)))


def test_the_stack_lives_the_loop_and_no_kill_costs_an_answer(
    image: Image, tmp_path: Path, figure: Callable[[str], None]
) -> None:
    """deploy/stack, with this image as its service: docs/stack.md says what is shown here."""
    if subprocess.run([image.docker, "compose", "version"], capture_output=True).returncode:
        pytest.skip("no docker compose: the stack was not brought up")
    bring_up_and_kill(image, tmp_path / "stack", figure)
