"""`make demo`: the whole loop once, from an empty folder to a monitored prediction.

Renders the template, installs the project's environment, runs the pipeline on the demo data,
releases the first champion, serves it, asks it for a prediction over HTTP and why it is that one,
and lets the monitor judge the window.

Reads the template around it. Writes build/ only, all of which may be deleted: build/venv (the
environment, shared by every render) and build/churn-early-warning (the project). What is there
already is not made again.
Command: `make demo`, or `python demo.py --only install` for the project and its environment alone.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.json import JSON

TEMPLATE = Path(__file__).parent
BUILD = TEMPLATE / "build"
VENV = BUILD / "venv"
PROJECT = BUILD / "churn-early-warning"
SOURCES = ("cookiecutter.json", "hooks", "{{cookiecutter.project_slug}}")
CONFIG = "replay_dir: {build}/cache/replay\ncookiecutters_dir: {build}/cache/cookiecutters\n"
COOKIECUTTER = [sys.executable, "-m", "cookiecutter", str(TEMPLATE), "--no-input"]
NOBODY = {
    f"GIT_{who}_{what}": "demo@localhost"
    for who in ("AUTHOR", "COMMITTER")
    for what in ("NAME", "EMAIL")
}

console = Console(highlight=False, soft_wrap=True)


class StepFailedError(Exception):
    """A command of the demo did not do its work; its own words stand above."""


def run(*command: str | Path, cwd: Path = PROJECT, env: Mapping[str, str] | None = None) -> None:
    """Run a command with its output on the terminal."""
    if subprocess.run(command, cwd=cwd, env=env, check=False).returncode:
        raise StepFailedError(" ".join(map(str, command)))


def environment() -> dict[str, str]:
    """The person's own, and a stand-in for who commits where git knows nobody."""
    known = (
        subprocess.run(["git", "config", "user.email"], capture_output=True, check=False).returncode
        == 0
    )
    return dict(os.environ) if known else NOBODY | os.environ


def fingerprint() -> str:
    """A hash over everything that a render depends on."""
    paths = sorted(
        p
        for source in SOURCES
        for p in [TEMPLATE / source, *(TEMPLATE / source).rglob("*")]
        if p.is_file()
    )
    digest = hashlib.sha256()
    for path in paths:
        digest.update(
            f"{path.relative_to(TEMPLATE)} {path.stat().st_size} ".encode() + path.read_bytes()
        )
    return digest.hexdigest()


def refuse_strays() -> None:
    """Name the caches in the template's folder: they would be rendered too."""
    listed = [
        "git",
        "ls-files",
        "--others",
        "--ignored",
        "--exclude-standard",
        "--directory",
        "--",
        SOURCES[-1],
    ]
    strays = subprocess.run(
        listed, cwd=TEMPLATE, capture_output=True, text=True, check=False
    ).stdout.split("\n")[:-1]
    if strays:
        raise StepFailedError(
            f"not part of the template: {', '.join(strays)}\n"
            f"next: git clean -fdX -- '{SOURCES[-1]}'"
        )


def render() -> None:
    """Render the default project, unless the one that is there came from this very template."""
    refuse_strays()
    stamp = BUILD / "rendered.txt"
    if PROJECT.is_dir() and stamp.is_file() and stamp.read_text() == fingerprint():
        console.print(f"{PROJECT.relative_to(TEMPLATE)} is there and up to date")
        return
    shutil.rmtree(PROJECT, ignore_errors=True)
    BUILD.mkdir(exist_ok=True)
    config = BUILD / "cookiecutter.yaml"
    config.write_text(CONFIG.format(build=json.dumps(str(BUILD))[1:-1]))
    run(
        *COOKIECUTTER,
        "--config-file",
        config,
        "--output-dir",
        BUILD,
        cwd=TEMPLATE,
        env=environment(),
    )
    stamp.write_text(fingerprint())


def install(project: Path = PROJECT) -> None:
    """Install the environment into build/venv, once for all renders, and link it."""
    run(
        "make",
        "--no-print-directory",
        "setup",
        f"PYTHON={sys.executable}",
        f"VENV={VENV}",
        cwd=project,
    )
    link = project / ".venv"
    if not link.is_symlink():
        link.symlink_to(os.path.relpath(VENV, project), target_is_directory=True)


def train() -> None:
    """Run the pipeline on the demo data that `make setup` made, commit what it wrote."""
    run("make", "--no-print-directory", "flow")
    run("git", "add", "--all")
    if subprocess.run(["git", "diff", "--cached", "--quiet"], cwd=PROJECT, check=False).returncode:
        run("git", "commit", "--quiet", "--message", "The first model", env=environment())


def release() -> None:
    """Log the run, register the version, pass the gate, become champion."""
    run("make", "--no-print-directory", "release")


@contextmanager
def service(project: Path = PROJECT, env: Mapping[str, str] | None = None) -> Iterator[str]:
    """The running service's address; it is stopped afterwards."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = (project / "serving" / "server.log").open("wb")
    command = [str(project / ".venv/bin/python"), "-m", "ml", "serve", "--port", str(port)]
    server = subprocess.Popen(command, cwd=project, env=env, stdout=log, stderr=subprocess.STDOUT)
    try:
        wait_until_ready(f"http://127.0.0.1:{port}", server, Path(log.name))
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(timeout=30)
        log.close()


def wait_until_ready(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    """Return once the service has verified its bundle."""
    for _ in range(600):
        if server.poll() is not None:
            raise StepFailedError(f"ml serve:\n{log.read_text()}")
        try:
            ask(f"{url}/health/ready")
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.1)
        else:
            return
    raise StepFailedError(f"the service did not get ready; it wrote:\n{log.read_text()}")


def ask(url: str, body: object = None) -> Any:
    """GET, or POST of a JSON body; the JSON answer."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"content-type": "application/json"})  # noqa: S310
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
        return json.loads(answer.read() or b"null")


def predict() -> None:
    """Serve the champion, ask for one prediction, show the answer and where the model came from."""
    row = json.loads((PROJECT / "serving/champion/golden.json").read_text())["rows"][0]
    with service() as url:
        console.print(f"POST {url}/predict", JSON(json.dumps(row), indent=None))
        console.print("[bold]answer[/]", JSON.from_data(ask(f"{url}/predict", row)))
        explain(url, row)
        lineage = ask(f"{url}/model")["lineage"]
        shown = {key: value for key, value in lineage.items() if key != "params"}
        console.print(
            f"[bold]GET /model[/] lineage ({len(lineage['params'])} params left out)",
            JSON.from_data(shown),
        )


def explain(url: str, row: dict[str, Any]) -> None:
    """Print the three strongest reasons of the answer."""
    found = ask(f"{url}/explain", row)
    console.print("[bold]why[/]", found["sentence"], markup=True)
    for reason in found["contributions"][:3]:
        points = f"{100 * reason['contribution']:+.1f} points"
        console.print(f"  {points:>12}  {reason['column']} = {reason['value']}", markup=False)


def monitor() -> None:
    """Judge the window: a few predictions are too few, and the monitor says so."""
    run("make", "--no-print-directory", "monitor", "WAIT=1")
    report = max(
        (PROJECT / "reports/monitoring").glob("*/report.html"),
        key=lambda path: path.stat().st_mtime,
    )
    console.print("[bold]report[/]", report.relative_to(TEMPLATE))


STEPS = {
    "render the default project into build/": render,
    "install its environment into build/venv": install,
    "run the pipeline on the demo data": train,
    "release the first champion": release,
    "serve it and ask for a prediction over HTTP": predict,
    "let the monitor judge the window": monitor,
}


def main() -> None:
    """Run the steps, each under its heading with the seconds so far."""
    parser = argparse.ArgumentParser(description="The whole loop once.")
    parser.add_argument("--only", choices=["install"], help="stop after the project's environment")
    steps = list(STEPS.items())[: 2 if parser.parse_args().only else None]
    began = time.monotonic()
    for number, (title, step) in enumerate(steps, 1):
        console.rule(
            f"[bold]{number}/{len(steps)}[/] {title} [dim]({time.monotonic() - began:.0f} s)[/]",
            align="left",
        )
        try:
            step()
        except StepFailedError as failure:
            console.print(f"[bold red]error:[/] this did not work: {failure}", markup=True)
            sys.exit(1)
    if len(steps) == len(STEPS):
        console.rule(f"[bold green]done[/] in {time.monotonic() - began:.0f} s", align="left")
        console.print("next: cd build/churn-early-warning, then make serve (or make ui, make help)")


if __name__ == "__main__":
    main()
