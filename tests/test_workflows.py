"""The workflows as files: valid, safe, pinned, and each step a make target.

Tools: zizmor (pedantic), actionlint with shellcheck, check-jsonschema, all in the template's own
environment. For each kind of finding a workflow that has it is planted, and the tool must name it.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from test_repository import targets

import demo

PROJECT = demo.TEMPLATE / "{{cookiecutter.project_slug}}"
FOLDERS = (demo.TEMPLATE / ".github", PROJECT / ".github")
WORKFLOWS = [path for folder in FOLDERS for path in sorted(folder.glob("workflows/*.yml"))]
DEPENDABOTS = [folder / "dependabot.yml" for folder in FOLDERS]
GITLAB = PROJECT / ".gitlab-ci.yml"
TOOLS = Path(sys.executable).parent
# words of GitHub's that GitLab has a way of its own for (docs/ci.md)
GITHUB_ALONE = {"comment", "rehearse"}


def load(path: Path) -> Any:
    return YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))


def jobs(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = load(path)["jobs"]
    return found


def steps(path: Path) -> list[dict[str, Any]]:
    return [step for job in jobs(path).values() for step in job["steps"]]


def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"PATH": f"{TOOLS}:{os.environ['PATH']}"}  # actionlint looks for shellcheck
    command = [str(word) for word in words]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


def zizmor(*paths: Path) -> subprocess.CompletedProcess[str]:
    return run(TOOLS / "zizmor", "--offline", "--pedantic", "--no-progress", *paths)


def actionlint(*paths: Path) -> subprocess.CompletedProcess[str]:
    return run(TOOLS / "actionlint", "-no-color", *paths)


def schema(name: str, *paths: Path) -> subprocess.CompletedProcess[str]:
    return run(TOOLS / "check-jsonschema", "--builtin-schema", f"vendor.{name}", *paths)


def faults(path: Path) -> list[str]:
    """What the tools do not look for: time limits, tokens left behind, secrets that forks lack."""
    found = []
    for name, job in jobs(path).items():
        said = f"{path.name}: {name}"
        if "timeout-minutes" not in job:
            found.append(f"{said}: no timeout-minutes")
        if "permissions" not in job:
            found.append(f"{said}: no permissions")
        if "secrets." in str(job) and "environment" not in job:
            found.append(f"{said}: a secret without an environment")
    commands = [step["run"] for step in steps(path) if "run" in step]
    typed = [command for command in commands if not re.fullmatch(r"make [a-z-]+", command)]
    return found + [f"{path.name}: {command}: no make target" for command in typed]


def test_no_tool_finds_anything() -> None:
    for done in (
        zizmor(*WORKFLOWS, *DEPENDABOTS),
        actionlint(*WORKFLOWS),
        schema("github-workflows", *WORKFLOWS),
        schema("dependabot", *DEPENDABOTS),
        schema("gitlab-ci", GITLAB),
    ):
        assert done.returncode == 0, done.stdout + done.stderr
    assert [fault for path in WORKFLOWS for fault in faults(path)] == []


def test_the_four_workflows_of_a_project_are_there() -> None:
    names = {path.stem for path in WORKFLOWS if path.is_relative_to(PROJECT)}
    assert names == {"ci", "train", "deploy", "monitor"}


def test_each_step_is_a_target_of_the_makefile_beside_it() -> None:
    for path in WORKFLOWS:
        words = {step["run"].removeprefix("make ") for step in steps(path) if "run" in step}
        assert words
        assert words <= targets(path.parents[2] / "Makefile"), path


def test_gitlab_has_the_same_words() -> None:
    github = {
        step["run"]
        for path in WORKFLOWS
        if path.is_relative_to(PROJECT)
        for step in steps(path)
        if "run" in step
    }
    gitlab = set(re.findall(r"make [a-z-]+", GITLAB.read_text(encoding="utf-8")))
    assert gitlab == github - {f"make {word}" for word in GITHUB_ALONE}


def test_actions_are_pinned_by_commit_and_alike_everywhere() -> None:
    """Dependabot moves a pin in one place at a time; two versions of one action are a mistake."""
    pins: dict[str, set[str]] = {}
    for path in WORKFLOWS:
        used = re.findall(r"uses: (\S+)@(.*)", path.read_text(encoding="utf-8"))
        for action, pin in used:
            assert re.fullmatch(r"[0-9a-f]{40} # v\d+\.\d+\.\d+", pin), f"{path}: {action}"
            pins.setdefault(action, set()).add(pin)
    assert {action: found for action, found in pins.items() if len(found) > 1} == {}


def test_a_run_on_main_is_never_cancelled() -> None:
    for path in WORKFLOWS:
        cancelled = load(path)["concurrency"]["cancel-in-progress"]
        assert cancelled in (False, "${{ github.ref != 'refs/heads/main' }}"), path


def test_a_token_that_may_write_never_meets_the_projects_packages() -> None:
    """Jobs that install packages or run the pipeline read only, but for the image's push."""
    for path in WORKFLOWS:
        for name, job in jobs(path).items():
            writes = {k for k, v in job["permissions"].items() if v == "write"} - {"id-token"}
            installs = any(step.get("run") == "make setup" for step in job["steps"])
            assert not (installs and writes) or writes == {"packages"}, f"{path.name}: {name}"


def test_dependabot_waits_a_week_and_names_folders_that_are_there() -> None:
    for file in DEPENDABOTS:
        updates = load(file)["updates"]
        kinds = {update["package-ecosystem"] for update in updates}
        assert kinds == {"github-actions", "pip", "docker"}
        for update in updates:
            assert update["cooldown"]["default-days"] >= 7
            assert (file.parents[1] / update["directory"].strip("/")).is_dir(), update


GOOD = """\
name: planted
on:
  push:
    branches: [main]
permissions: {}
concurrency:
  group: planted
  cancel-in-progress: false
jobs:
  first:
    name: first
    runs-on: ubuntu-24.04
    timeout-minutes: 5
    permissions:
      contents: read
    outputs:
      out: ${{ steps.made.outputs.out }}
    steps:
      - uses: actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1
        with:
          persist-credentials: false
      - run: make check
        id: made
  second:
    name: second
    needs: first
    runs-on: ubuntu-24.04
    timeout-minutes: 5
    permissions:
      contents: read
    steps:
      - run: make test
        env:
          OUT: ${{ needs.first.outputs.out }}
"""
CHECKOUT = "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1"
# kind of finding → (what is replaced, by what)
ZIZMOR = {
    "unpinned-uses": (CHECKOUT, "actions/checkout@main"),
    "ref-version-mismatch|unpinned-uses": (CHECKOUT, "actions/checkout@v7"),
    "artipacked": ("persist-credentials: false", "fetch-depth: 0"),
    "excessive-permissions": ("permissions: {}", "permissions: write-all"),
    "dangerous-triggers": ("  push:\n    branches: [main]", "  pull_request_target:"),
    "template-injection": ("make check", "make check ${{ github.event.head_commit.message }}"),
    "undocumented-permissions": ("      contents: read\n", "      packages: write\n"),
    "overprovisioned-secrets": ("${{ needs.first.outputs.out }}", "${{ toJSON(secrets) }}"),
    "concurrency-limits": ("concurrency:\n  group: planted\n  cancel-in-progress: false\n", ""),
    "insecure-commands": ("OUT: $", "ACTIONS_ALLOW_UNSECURE_COMMANDS: true\n          OUT: $"),
    "unsound-contains": (
        "    needs: first\n",
        "    needs: first\n    if: contains('refs/heads/main refs/heads/next', github.ref)\n",
    ),
    "hardcoded-container-credentials": (
        "    needs: first\n",
        "    needs: first\n    container: {image: 'a@sha256:" + "0" * 64 + "', "
        "credentials: {username: a, password: b}}\n",
    ),
}
ACTIONLINT = {
    "property .* is not defined": ("needs.first.outputs.out", "needs.first.outputs.uot"),
    "SC2086": ("make test", 'x="a b"; make $x'),
    "unexpected key": ("    timeout-minutes: 5\n", "    timeout-minuets: 5\n"),
    "unknown Webhook event": ("  push:\n    branches: [main]", "  pushed:"),
}
OWN = {
    "no timeout-minutes": ("    timeout-minutes: 5\n", ""),
    "no permissions": ("    permissions:\n      contents: read\n", ""),
    "no make target": ("make test", "python -m pytest"),
    "a secret without an environment": ("${{ needs.first.outputs.out }}", "${{ secrets.KEY }}"),
}


def planted(folder: Path, change: tuple[str, str]) -> Path:
    """A workflow with one mistake; actionlint takes a file for what its folder says it is."""
    old, new = change
    assert old in GOOD
    path = folder / ".github/workflows/planted.yml"
    path.parent.mkdir(parents=True)
    path.write_text(GOOD.replace(old, new))
    return path


def test_the_workflow_without_a_mistake_has_no_finding(tmp_path: Path) -> None:
    path = planted(tmp_path, ("", ""))
    for done in (zizmor(path), actionlint(path), schema("github-workflows", path)):
        assert done.returncode == 0, done.stdout
    assert faults(path) == []


@pytest.mark.parametrize("kind", ZIZMOR)
def test_zizmor_sees(kind: str, tmp_path: Path) -> None:
    done = zizmor(planted(tmp_path, ZIZMOR[kind]))
    assert done.returncode != 0
    assert re.search(rf"\[({kind})\]", done.stdout), done.stdout


@pytest.mark.parametrize("kind", ACTIONLINT)
def test_actionlint_sees(kind: str, tmp_path: Path) -> None:
    done = actionlint(planted(tmp_path, ACTIONLINT[kind]))
    assert done.returncode != 0
    assert re.search(kind, done.stdout), done.stdout


@pytest.mark.parametrize("kind", OWN)
def test_own_rules_see(kind: str, tmp_path: Path) -> None:
    assert any(kind in fault for fault in faults(planted(tmp_path, OWN[kind])))


def test_the_schemas_see(tmp_path: Path) -> None:
    path = planted(
        tmp_path, ("    steps:\n      - run: make test", "    stages:\n      - run: make")
    )
    assert schema("github-workflows", path).returncode != 0
    gitlab = tmp_path / ".gitlab-ci.yml"
    gitlab.write_text(GITLAB.read_text(encoding="utf-8").replace("  script:", "  scripts:"))
    assert schema("gitlab-ci", gitlab).returncode != 0


def test_zizmor_sees_a_dependabot_that_does_not_wait(tmp_path: Path) -> None:
    text = DEPENDABOTS[-1].read_text(encoding="utf-8")
    hasty = tmp_path / ".github/dependabot.yml"
    hasty.parent.mkdir()
    hasty.write_text(re.sub(r"    cooldown: .*\n", "", text))
    done = zizmor(hasty)
    assert "dependabot-cooldown" in done.stdout, done.stdout


@pytest.fixture
def template_clone(tmp_path: Path) -> Path:
    """The root Makefile and a lock in a clone, whose remote is a bare repository."""
    (tmp_path / "gh").write_text(f'#!/bin/sh\necho "$@" >> "{tmp_path}/asked"\n')
    (tmp_path / "gh").chmod(0o755)
    clone = tmp_path / "clone"
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-C", str(clone)]
    subprocess.run(["git", "init", "--quiet", "--bare", str(tmp_path / "bare.git")], check=True)
    subprocess.run(["git", "clone", "--quiet", f"{tmp_path}/bare.git", str(clone)], check=True)
    (clone / "requirements").mkdir()
    (clone / "build").mkdir()
    (clone / "requirements/template.txt").write_text("a==1\n")
    (clone / "Makefile").write_bytes((demo.TEMPLATE / "Makefile").read_bytes())
    for words in ("add Makefile requirements", "commit --quiet --message=first"):
        subprocess.run([*git, *words.split()], check=True)
    return clone


def proposed(clone: Path, name: str, text: str) -> tuple[int, str, str]:
    """Status of `make propose` for a patch of one file; the remote's branches; gh's arguments."""
    (clone / name).write_text(text)
    patch = subprocess.run(
        ["git", "-C", str(clone), "diff"], capture_output=True, text=True, check=True
    )
    subprocess.run(["git", "-C", str(clone), "checkout", "--quiet", "."], check=True)
    (clone / "build/locks.patch").write_text(patch.stdout)
    env = os.environ | {"PATH": f"{clone.parent}:{os.environ['PATH']}"}
    done = subprocess.run(["make", "propose"], cwd=clone, env=env, capture_output=True, text=True)
    show = ["git", "-C", f"{clone.parent}/bare.git", "branch", "--list"]
    told = subprocess.run(show, capture_output=True, text=True, check=True).stdout
    asked = clone.parent / "asked"
    return done.returncode, told.strip(), asked.read_text() if asked.exists() else ""


def test_locks_that_moved_are_proposed_once(template_clone: Path) -> None:
    for _ in range(2):
        status, branches, asked = proposed(template_clone, "requirements/template.txt", "a==2\n")
        assert status == 0
        assert re.fullmatch(r"locks/[0-9a-f]{12}", branches)
        assert [line.split()[:2] for line in asked.splitlines()] == [
            ["pr", "create"],
            ["workflow", "run"],
        ]


def test_locks_that_did_not_move_propose_nothing(template_clone: Path) -> None:
    assert proposed(template_clone, "requirements/template.txt", "a==1\n") == (0, "", "")


def test_a_patch_of_more_than_locks_is_refused(template_clone: Path) -> None:
    assert proposed(template_clone, "Makefile", "all:\n\ttouch evil\n") == (2, "", "")
