"""`deploy/remote` and `deploy/rollout`: what they ask of gh, git and kubectl, and what they refuse.

The clients are stand-ins that write down their arguments; git and its remote are real.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from tests.deploy.conftest import DEPLOY

STAND_IN = """#!{python}
import json, pathlib, sys
with open({log!r}, "a") as log:
    log.write(json.dumps([{name!r}, *sys.argv[1:]]) + "\\n")
answers = json.loads(pathlib.Path({answers!r}).read_text())
words = " ".join([{name!r}, *sys.argv[1:]])
print(next((said for start, said in answers.items() if words.startswith(start)), ""))
"""


@dataclass
class Repository:
    """A clone with one commit, its bare remote, and the stand-ins."""

    folder: Path
    env: dict[str, str]
    answers: dict[str, str] = field(default_factory=dict)

    @property
    def clone(self) -> Path:
        return self.folder / "clone"

    def git(self, *words: str) -> str:
        command = ["git", *words]
        done = subprocess.run(
            command, cwd=self.clone, env=self.env, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def word(self, script: str, word: str, **more: str) -> subprocess.CompletedProcess[str]:
        (self.folder / "answers.json").write_text(json.dumps(self.answers))
        command = [sys.executable, str(DEPLOY / script), word]
        env = self.env | more
        return subprocess.run(
            command, cwd=self.clone, env=env, capture_output=True, text=True, check=False
        )

    def asked(self) -> list[list[str]]:
        log = self.folder / "log"
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []

    def write(self, name: str, text: str) -> None:
        path = self.clone / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("CI", "GIT", "GH_"))}
    who = {f"GIT_{w}_{v}": "someone" for w in ("AUTHOR", "COMMITTER") for v in ("NAME", "EMAIL")}
    tools = tmp_path / "tools"
    tools.mkdir()
    log, answers = str(tmp_path / "log"), str(tmp_path / "answers.json")
    for name in ("gh", "kubectl"):
        script = STAND_IN.format(python=sys.executable, log=log, name=name, answers=answers)
        (tools / name).write_text(script)
        (tools / name).chmod(0o755)
    found = Repository(tmp_path, kept | who | {"PATH": f"{tools}:{os.environ['PATH']}"})
    bare = tmp_path / "group/churn.git"
    for words in (["init", "--quiet", "--bare", "--initial-branch=main", str(bare)],):
        subprocess.run(["git", *words], check=True)
    subprocess.run(["git", "clone", "--quiet", bare, found.clone], check=True, capture_output=True)
    found.write("dvc.lock", "old\n")
    found.write("ml/model.py", "")
    found.write(".gitignore", "/reports/ci/\n")
    found.git("add", "--all")
    found.git("commit", "--quiet", "-m", "first")
    found.git("push", "--quiet", "origin", "HEAD:main")
    return found


def branches(repository: Repository) -> list[str]:
    listed = repository.git("ls-remote", "--heads", "origin").splitlines()
    return [line.split("refs/heads/")[1] for line in listed]


def test_a_candidate_is_proposed_once_and_nothing_here_changes(repository: Repository) -> None:
    repository.write("dvc.lock", "new\n")
    repository.write("ml/model.py", "edited = True\n")
    assert repository.word("remote", "candidate").returncode == 0
    before = repository.git("status", "--porcelain")
    assert repository.word("remote", "propose").stdout.strip().endswith(": proposed")
    (branch, _) = sorted(branches(repository), reverse=True)
    assert branch.startswith("train/")
    assert repository.git("diff", "--name-only", "main", f"origin/{branch}") == "dvc.lock"
    assert repository.git("status", "--porcelain") == before
    calls = [call[1:3] for call in repository.asked()]
    assert calls == [["pr", "create"], ["workflow", "run"]]
    assert repository.asked()[1][3] == "ci.yml"
    assert "proposed already" in repository.word("remote", "propose").stdout
    assert len(repository.asked()) == 2


def test_with_merge_it_is_merged_and_deployed(repository: Repository) -> None:
    repository.write("dvc.lock", "new\n")
    repository.word("remote", "candidate")
    assert repository.word("remote", "propose", MERGE="1").returncode == 0
    calls = [call[1:4] for call in repository.asked()]
    assert [call[:2] for call in calls] == [["pr", "create"], ["pr", "merge"], ["workflow", "run"]]
    assert calls[2][2] == "deploy.yml"


def test_nothing_new_proposes_nothing(repository: Repository) -> None:
    output = repository.folder / "output"
    assert repository.word("remote", "candidate", GITHUB_OUTPUT=str(output)).returncode == 0
    assert output.read_text() == "changed=false\n"
    assert "nothing to propose" in repository.word("remote", "propose").stdout
    assert branches(repository) == ["main"]


@pytest.mark.parametrize("name", [".github/workflows/ci.yml", "ml/model.py", "metrics_of_ours"])
def test_a_patch_of_anything_else_is_refused(repository: Repository, name: str) -> None:
    """It was made by the job that runs everybody's packages."""
    repository.write(name, "evil: true\n")
    repository.git("add", "--all")
    patch = repository.git("diff", "--cached", "--binary") + "\n"
    repository.git("reset", "--quiet", "--hard")
    repository.write("reports/ci/candidate.patch", patch)
    done = repository.word("remote", "propose")
    assert done.returncode == 2
    assert f"{name} is nothing that training writes" in done.stderr
    assert "next:" in done.stderr
    assert branches(repository) == ["main"]
    assert repository.asked() == []


def test_gitlab_is_asked_for_a_merge_request_by_the_push_itself(repository: Repository) -> None:
    bare = repository.folder / "group/churn.git"
    subprocess.run(
        ["git", "-C", bare, "config", "receive.advertisePushOptions", "true"], check=True
    )
    hook = bare / "hooks/pre-receive"
    options = repository.folder / "options"
    hook.write_text(f'#!/bin/sh\nenv | grep ^GIT_PUSH_OPTION_ > "{options}"\n')
    hook.chmod(0o755)
    address = "https://gitlab-ci-token:token@git.example/group/churn.git"
    place = {
        "GITLAB_CI": "true",
        "CI_SERVER_HOST": "git.example",
        "CI_PROJECT_PATH": "group/churn",
        "CI_JOB_TOKEN": "token",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{bare}.insteadOf",
        "GIT_CONFIG_VALUE_0": address,
    }
    repository.write("dvc.lock", "new\n")
    repository.word("remote", "candidate")
    done = repository.word("remote", "propose", **place)
    assert done.returncode == 0, done.stderr
    assert "merge_request.create" in options.read_text()
    assert len(branches(repository)) == 2
    assert repository.asked() == []


def verdict(repository: Repository, word: str, action: str) -> None:
    ticket = {"severity": "ticket", "words": "`@everyone` plan moved"}
    told = {"verdict": word, "action": action, "window": "w1", "rows": 300, "findings": [ticket]}
    repository.write("reports/monitoring/w1/verdict.json", json.dumps(told))
    done = repository.word("remote", "verdict", GITHUB_STEP_SUMMARY=str(repository.folder / "sum"))
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("word", "action", "open_issue", "calls"),
    [
        ("ok", "nothing", False, []),
        ("ok", "nothing", True, ["issue comment 7", "issue close 7"]),
        ("insufficient", "wait", True, []),
        ("drift", "investigate", False, ["issue create --title"]),
        ("drift", "investigate", True, ["issue comment 7"]),
        ("decay", "retrain", False, ["issue create --title", "workflow run train.yml"]),
    ],
)
def test_the_verdict_opens_continues_and_closes_the_issue(
    repository: Repository, word: str, action: str, open_issue: bool, calls: list[str]
) -> None:
    issue = [{"number": 7, "title": "The monitor asks for something"}] if open_issue else []
    repository.answers["gh issue list"] = json.dumps([{"number": 3, "title": "else"}, *issue])
    verdict(repository, word, action)
    assert repository.word("remote", "tell").returncode == 0
    made = [" ".join(call[1:4]) for call in repository.asked() if call[1:3] != ["issue", "list"]]
    assert made == calls
    # a text of the data is shown as it is, and notifies nobody
    assert "```text\n'@everyone' plan moved\n```" in (repository.folder / "sum").read_text()


def test_a_comment_needs_its_table_and_its_number(repository: Repository) -> None:
    assert "next: make metrics-diff" in repository.word("remote", "comment").stderr
    repository.write("reports/ci/metrics.md", "| a |\n")
    assert "PULL_REQUEST: no number" in repository.word("remote", "comment").stderr
    assert repository.word("remote", "comment", PULL_REQUEST="12").returncode == 0
    assert repository.asked() == [
        [
            *("gh", "pr", "comment", "12", "--edit-last", "--create-if-none"),
            *("--body-file", "reports/ci/metrics.md"),
        ]
    ]


@dataclass
class Service:
    """A service that answers `answer`, or 503 when it is None; GitLab's trigger, too."""

    url: str
    answer: float | None = 0.25
    bodies: list[bytes] = field(default_factory=list)


@pytest.fixture
def service() -> Iterator[Service]:
    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.reply({"status": "ready"})

        def do_POST(self) -> None:
            found.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.reply({"prediction": "no", "probabilities": {"yes": found.answer}})

        def reply(self, told: object) -> None:
            self.send_response(503 if found.answer is None else 200)
            self.end_headers()
            self.wfile.write(json.dumps(told).encode())

        def log_message(self, *_: object) -> None:
            """Silence."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        found = Service(f"http://127.0.0.1:{server.server_port}")
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield found
        server.shutdown()


def test_a_decay_on_gitlab_starts_a_pipeline(repository: Repository, service: Service) -> None:
    verdict(repository, "decay", "retrain")
    place = {"CI_API_V4_URL": service.url, "CI_PROJECT_ID": "5", "CI_JOB_TOKEN": "token"}
    assert repository.word("remote", "tell", GITLAB_CI="true", **place).returncode == 0
    (body,) = service.bodies
    assert parse_qs(body.decode()) == {
        "token": ["token"],
        "ref": ["main"],
        "variables[RUN]": ["train"],
    }


@pytest.mark.parametrize(("answer", "passes"), [(0.25, True), (0.26, False), (None, False)])
def test_a_canary_has_to_answer_right(
    repository: Repository, service: Service, answer: float | None, passes: bool
) -> None:
    service.answer = answer
    repository.write("reports/ci/golden.json", '{"rows": [{"age": 1}], "answers": [[0.25]]}')
    rollout = {
        "IMAGE": "here/churn@sha256:1",
        "SERVICE": "churn",
        "CANARY_URL": service.url,
        "PROBE_SECONDS": "0.1",
    }
    done = repository.word("rollout", "canary", **rollout)
    assert (done.returncode == 0) == passes, done.stderr
    assert passes or "next: make undo" in done.stderr
    assert repository.asked() == [
        *[["kubectl", "set", "image", "deployment/churn-canary", "ml=here/churn@sha256:1"]],
        *[["kubectl", "rollout", "status", "deployment/churn-canary", "--timeout=180s"]],
    ]


def test_undo_touches_only_what_has_the_image(repository: Repository) -> None:
    rollout = {"IMAGE": "new", "SERVICE": "churn"}
    repository.answers = {"kubectl get deployment/churn-canary": "new", "kubectl get": "old"}
    assert repository.word("rollout", "undo", **rollout).returncode == 0
    undone = [call[3] for call in repository.asked() if call[1:3] == ["rollout", "undo"]]
    assert undone == ["deployment/churn-canary"]


def test_without_an_image_nothing_is_rolled_out(repository: Repository) -> None:
    done = repository.word("rollout", "promote", SERVICE="churn")
    assert done.returncode == 2
    assert done.stderr.startswith("error: IMAGE: not given\nnext: ")
    assert repository.asked() == []
