"""docs/platforms.md: what its commands say is what the code reads.

Each check is seen firing on a planted mistake.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
from ruamel.yaml import YAML

from ml.serving.api.app import ROUTERS
from ml.serving.process.probe import port_of
from ml.serving.settings import PLATFORM_ROUTES
from tests.deploy.conftest import DEPLOY

DOCS = DEPLOY.parent / "docs/platforms.md"
TEXT = DOCS.read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (.+)\n((?:(?!^## ).*\n)*)", TEXT, re.MULTILINE))
# a plain ASGI route, which no router lists
OTHER_ROUTES = {"/predict"}
COMMANDS = {"docker", "curl", "gcloud", "aws", "az", "make", "tar"}


def variables() -> set[str]:
    """Every environment variable whose name stands in the code of the service."""
    files = [*(DEPLOY.parent / "ml/serving").rglob("*.py"), DEPLOY.parent / "ml/journal/store.py"]
    text = "\n".join(path.read_text(encoding="utf-8") for path in files)
    return set(re.findall(r'"([A-Z][A-Z_]{3,})"', text))


def routes() -> list[str]:
    """Every path that the service answers, as a pattern."""
    paths = {route.path for router in ROUTERS for route in router.routes if hasattr(route, "path")}
    return [re.sub(r"{\w+}", "[^/]+", path) for path in paths | OTHER_ROUTES]


def mistakes(section: str) -> list[str]:
    """What is wrong in a section of the page."""
    found: list[str] = []
    for kind, code in re.findall(r"```(\w+)[^\n]*\n(.*?)```", section, re.DOTALL):
        if kind == "yaml":
            found += of_yaml(YAML(typ="safe").load(code))
        else:
            found += of_commands([shlex.split(x) for x in code.replace("\\\n", " ").splitlines()])
    return found


def of_commands(commands: list[list[str]]) -> Iterator[str]:
    """Mistakes in the commands of one block; `curl` asks what `docker run` has started."""
    ports: set[str] = set()
    own_routes: list[str] = []
    for words in commands:
        if words[0] not in COMMANDS:
            yield f"{words[0]}: no command of this page"
        env = environment_of(words)
        yield from unknown(env)
        own_routes += [env[name] for name in PLATFORM_ROUTES if name in env]
        if words[:2] == ["docker", "run"]:
            published = words[words.index("-p") + 1].split(":")
            ports.add(published[-2])
            yield from of_docker_run(words[words.index("$IMAGE") + 1 :], env, published)
        for port, path in re.findall(r"localhost:(\d+)(\S*)", " ".join(words)):
            if port not in ports:
                yield f"localhost:{port}: nothing is published there"
            if not is_route(path, own_routes):
                yield f"{path}: no route"


def of_docker_run(behind: list[str], env: dict[str, str], published: list[str]) -> Iterator[str]:
    """Mistakes in one `docker run`.

    Args:
        behind: the words behind the image's name.
        env: variables that it gives.
        published: the parts of `-p`.
    """
    if behind not in ([], ["serve"]):
        yield f"{behind}: the image takes `serve`"
    if (port := str(port_of(env, "serve" in behind))) != published[-1]:
        yield f"-p {':'.join(published)}: the container listens on {port}"
    if "ML_AUTH" in env and published[0] != "127.0.0.1":
        yield "without keys the port is published on loopback alone"


def environment_of(words: list[str]) -> dict[str, str]:
    """The environment variables that a command gives to the image."""
    pairs = [words[i + 1] for i, word in enumerate(words) if word == "-e"]
    for word in words:
        if match := re.search(r"(?:env-vars=|set-secrets=|Environment={)([^}]*)", word):
            pairs += match[1].split(",")
    return dict(pair.split("=", 1) for pair in pairs)


def unknown(names: Any) -> Iterator[str]:
    for name in names:
        if name.removesuffix("_FILE") not in variables():
            yield f"{name}: no variable that the service reads"


def is_route(path: str, own: list[str]) -> bool:
    return path in own or any(re.fullmatch(pattern, path) for pattern in routes())


def of_yaml(document: Any) -> Iterator[str]:
    """Mistakes in a manifest: variables, ports and paths at any depth."""
    for value in blocks(document):
        yield from unknown(item["name"] for item in value.get("env", ()))
        yield from unknown(value.get("environment_variables", ()))
        for key in ("port", "containerPort"):
            if value.get(key, 8000) != 8000:
                yield f"{key}: {value[key]}: the container listens on 8000"
        if "path" in value and not is_route(value["path"], []):
            yield f"{value['path']}: no route"


def blocks(value: Any) -> Iterator[dict[str, Any]]:
    """Every mapping in a document."""
    if isinstance(value, dict):
        yield value
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for item in items:
        yield from blocks(item)


def test_every_platform_has_its_section() -> None:
    named = ("Docker", "SageMaker", "Vertex", "Azure", "KServe", "Cloud Run", "Knative")
    for name in named:
        assert [title for title in SECTIONS if name in title], name


@pytest.mark.parametrize("title", SECTIONS)
def test_the_commands_are_what_the_code_reads(title: str) -> None:
    assert mistakes(SECTIONS[title]) == []


@pytest.mark.parametrize("variable", [*PLATFORM_ROUTES, "AIP_HTTP_PORT", "PORT", "ML_AUTH"])
def test_every_variable_is_on_the_page(variable: str) -> None:
    assert f"`{variable}" in TEXT


PLANTED = {
    "8080:8080": "8080:8000",
    "/ping": "/pong",
    "ML_AUTH=platform": "ML_AUT=platform",
    "-p 127.0.0.1:": "-p ",
    '"$IMAGE" serve': '"$IMAGE" train',
    "AIP_HTTP_PORT=8080": "AIP_HTTP_PORT=9090",
    "scoring_route: {port: 8000, path: /predict}": "scoring_route: {port: 5001, path: /score}",
    "environment_variables: {ML_AUTH:": "environment_variables: {MODEL_AUTH:",
    "name: ML_API_KEYS": "name: ML_KEYS",
    "containerPort: 8000": "containerPort: 8080",
    "path: /v2/health/ready": "path: /v2/ready",
    "localhost:8000/predict": "localhost:8001/predict",
    "--set-env-vars=ML_AUTH": "--set-env-vars=AUTH",
}


@pytest.mark.parametrize("right", PLANTED)
def test_a_planted_mistake_is_found(right: str) -> None:
    assert right in TEXT
    assert mistakes(TEXT.replace(right, PLANTED[right]))
