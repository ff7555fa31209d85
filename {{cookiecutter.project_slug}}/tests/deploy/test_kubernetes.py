"""deploy/kubernetes: renders, fits the schemas of three minors and of the CRDs, keeps the policies.

No cluster was asked: what admission controllers and operators would say is not known here.
"""

from __future__ import annotations

import json
import lzma
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator
from ruamel.yaml import YAML

from tests.conftest import environment
from tests.deploy.conftest import DEPLOY, RULES
from tests.deploy.policies import POLICIES, Manifest, kinds, pod_specs
from tests.deploy.test_platforms import blocks, is_route, unknown

KUBERNETES = DEPLOY / "kubernetes"
VARIANTS = ("overlays/baked", "overlays/pulled", "flow", "score", "kserve")
MINORS = ("1.35", "1.36", "1.37")
# variables of other programs that the containers run
OTHER_VARIABLES = {"HOME", "DO_NOT_TRACK", "MLFLOW_TRACKING_URI", "SCORE_SOURCE", "SCORE_TARGET"}
# CRDs' schemas, which are not part of this project: a folder of <kind>.json.xz, each a list of
# {"group", "version", "kind", "schema"}
SCHEMAS = Path(os.environ.get("CRD_SCHEMAS", "schemas"))
CRDS = ("ServiceMonitor", "PrometheusRule", "InferenceService")
# trivy's findings that are meant so
ACCEPTED = {
    "KSV-0011": "no limit of the processor: a throttled pod answers late",
    "KSV-0048": "the deployer patches the one Deployment that its Role names",
    "KSV-0125": "registry.example stands for a registry of yours",
}


@pytest.fixture(scope="session")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the programs of requirements/delivery.txt."""
    return environment(tmp_path_factory, "delivery").parent


@pytest.fixture(scope="session")
def rendered(tools: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Each variant as `kubectl kustomize` renders it."""
    folder, files = tmp_path_factory.mktemp("rendered"), {}
    for variant in VARIANTS:
        files[variant] = folder / f"{variant.replace('/', '-')}.yaml"
        words: list[str | Path] = [tools / "kubectl", "kustomize", KUBERNETES / variant]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        files[variant].write_text(done.stdout)
    return files


def manifests_of(file: Path) -> list[Manifest]:
    return list(YAML(typ="safe").load_all(file))


def validate(tools: Path, minor: str, files: list[Path]) -> list[str]:
    """What kubernetes-validate says; it only warns of a kind or a version that it does not know."""
    words: list[str | Path] = [
        tools / "kubernetes-validate",
        "--strict",
        "-k",
        f"{minor}.0",
        *files,
    ]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    lines = (done.stdout + done.stderr).splitlines()
    return [line for line in lines if not line.startswith("INFO") and not _is_crd(line)]


def _is_crd(line: str) -> bool:
    return any(kind.lower() in line.lower() for kind in CRDS)


@pytest.mark.slow
def test_the_schemas_of_three_minors_are_kept_and_would_speak(
    rendered: dict[str, Path], tools: Path, tmp_path: Path
) -> None:
    for minor in MINORS:
        assert validate(tools, minor, list(rendered.values())) == []
    good = rendered["overlays/baked"].read_text()
    for number, (right, wrong) in enumerate(
        [
            ("minReadySeconds: 5", "minReadySeconds: soon"),
            ("minReadySeconds: 5", "minimumReadySeconds: 5"),
            ("apiVersion: policy/v1\n", "apiVersion: policy/v1beta1\n"),
            ("kind: NetworkPolicy", "kind: NetworkPolice"),
        ]
    ):
        assert right in good
        planted = tmp_path / f"{number}.yaml"
        planted.write_text(good.replace(right, wrong))
        assert validate(tools, MINORS[-1], [planted]), wrong


def crd_schema(kind: str) -> dict[str, Any]:
    """A CRD's schema, which refuses unknown fields."""
    file = SCHEMAS / f"{kind.lower()}.json.xz"
    if not file.is_file():
        pytest.skip(f"CRD_SCHEMAS={SCHEMAS}: {file.name} is not there: {kind} is not checked")
    schema: dict[str, Any] = json.loads(lzma.decompress(file.read_bytes()))[-1]["schema"]
    schema["properties"]["metadata"]["additionalProperties"] = True
    for part in blocks(schema):
        keeps = part.get("x-kubernetes-preserve-unknown-fields")
        if "properties" in part and isinstance(part.get("type"), str) and not keeps:
            part.setdefault("additionalProperties", False)
    return schema


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "variant", "spoil"),
    [
        ("ServiceMonitor", "overlays/baked", lambda m: m["spec"].update(jobLable="x")),
        ("PrometheusRule", "overlays/baked", lambda m: m["spec"]["groups"][0].pop("name")),
        ("InferenceService", "kserve", lambda m: m["spec"]["predictor"].update(min=1)),
    ],
)
def test_the_crds_schemas_are_kept_and_would_speak(
    rendered: dict[str, Path], kind: str, variant: str, spoil: Callable[[Manifest], Any]
) -> None:
    validator = Draft7Validator(crd_schema(kind))
    (manifest,) = kinds(manifests_of(rendered[variant]), kind)
    assert [error.message for error in validator.iter_errors(manifest)] == []
    spoil(manifest)
    assert list(validator.iter_errors(manifest))


@pytest.mark.slow
@pytest.mark.parametrize("variant", VARIANTS)
def test_the_policies_find_nothing(rendered: dict[str, Path], variant: str) -> None:
    manifests = manifests_of(rendered[variant])
    assert [finding for policy in POLICIES for finding in policy(manifests)] == []
    names = [
        variable["name"]
        for block in blocks(manifests)
        for variable in block.get("env", ())
        if variable["name"] not in OTHER_VARIABLES
    ]
    assert list(unknown(names)) == []
    paths = [b["httpGet"]["path"] for b in blocks(manifests) if "httpGet" in b]
    assert [path for path in paths if not is_route(path, [])] == []


PLANTED: dict[str, tuple[str, str]] = {
    "pods_have_no_rights": ("runAsUser: 10001", "runAsUser: 0"),
    "containers_have_no_rights": ("readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false"),
    "containers_have_bounds": ("memory: 512Mi", "nvidia.com/gpu: 1"),
    "images_are_named": ("registry.example/model:1", "registry.example/model:latest"),
    "services_are_probed": ("terminationGracePeriodSeconds: 45", "priority: 0"),
    "deployments_stay_available": ("kind: PodDisruptionBudget", "kind: Budget"),
    "services_reach_pods": ("jobLabel: app.kubernetes.io/component", "jobLabel: job"),
    "the_network_is_closed": ("name: nothing", "name: everything"),
    "secrets_are_references": ("name: ML_API_KEYS_FILE", "name: ML_API_KEYS"),
    "roles_are_narrow": ("resourceNames", "names"),
    "jobs_end": ("action: FailJob", "action: Count"),
}


def test_every_policy_has_a_planted_defect() -> None:
    assert list(PLANTED) == [policy.__name__ for policy in POLICIES]


@pytest.mark.slow
@pytest.mark.parametrize("policy", POLICIES, ids=list(PLANTED))
def test_each_policy_finds_its_planted_defect(
    rendered: dict[str, Path], policy: Callable[[list[Manifest]], Any]
) -> None:
    right, wrong = PLANTED[policy.__name__]
    text = rendered["overlays/baked"].read_text()
    assert right in text
    manifests = list(YAML(typ="safe").load_all(text.replace(right, wrong)))
    if policy.__name__ == "the_network_is_closed":
        manifests = [m for m in manifests if m["metadata"]["name"] != "everything"]
    assert list(policy(manifests))


@pytest.mark.slow
def test_trivy_finds_what_is_accepted_and_no_more(
    rendered: dict[str, Path], tools: Path, tmp_path: Path
) -> None:
    def found(folder: Path) -> set[str]:
        words = ["config", "--quiet", "--format", "json", "--skip-check-update", str(folder)]
        cache = ["--skip-version-check", "--cache-dir", str(tmp_path / "cache")]
        command: list[str | Path] = [tools / "trivy", *words, *cache]
        said = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
        results = said.get("Results", ())
        return {m["ID"] for result in results for m in result.get("Misconfigurations", ())}

    assert found(rendered["flow"].parent) == set(ACCEPTED)
    planted = tmp_path / "planted"
    planted.mkdir()
    text = rendered["overlays/baked"].read_text()
    (planted / "a.yaml").write_text(text.replace("runAsUser: 10001", "privileged: true"))
    assert found(planted) - set(ACCEPTED)


def test_the_alerts_are_those_of_prometheus() -> None:
    yaml = YAML(typ="safe")
    rule = yaml.load(KUBERNETES / "base/prometheus-rule.yaml")
    assert rule["spec"]["groups"] == yaml.load(RULES)["groups"], "run deploy/kubernetes/rules"


@pytest.mark.parametrize("job", ["monitor", "loop"])
@pytest.mark.parametrize(("status", "ends"), [(0, 0), (4, 0), (3, 3), (2, 2), (137, 137)])
def test_a_jobs_exit_status_is_the_verdicts(
    tmp_path: Path, job: str, status: int, ends: int
) -> None:
    """The command as it stands there, with a `python` that ends so; 3 alone fails at once."""
    crons = {m["metadata"]["name"]: m for m in manifests_of(KUBERNETES / "base/jobs.yaml")}
    spec = crons[job]["spec"]["jobTemplate"]["spec"]
    (container,) = spec["template"]["spec"]["containers"]
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/said\nexit {status}\n')
    python.chmod(0o755)
    path = {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(container["command"], env=path, check=False)
    assert done.returncode == ends
    assert (tmp_path / "said").read_text().startswith(f"-m ml {job}")
    (rule,) = [r for r in spec["podFailurePolicy"]["rules"] if r["action"] == "FailJob"]
    assert rule["onExitCodes"] == {"containerName": "ml", "operator": "In", "values": [3]}


@pytest.mark.slow
def test_the_model_is_pulled_where_the_server_looks(rendered: dict[str, Path]) -> None:
    manifests = manifests_of(rendered["overlays/pulled"])
    (spec,) = [spec for name, _, spec in pod_specs(manifests) if name.startswith("Deployment")]
    mounts = {
        container["name"]: {m["name"]: m["mountPath"] for m in container["volumeMounts"]}
        for container in [*spec["initContainers"], *spec["containers"]]
    }
    assert mounts["pull"]["serving"] == "/project/serving"
    assert mounts["service"]["serving"] == "/app/serving"
    assert spec["initContainers"][0]["command"] == ["python", "-m", "ml", "pull"]
