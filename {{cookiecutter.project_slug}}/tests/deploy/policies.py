"""What manifests must hold beyond their schema; each policy yields findings in words."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ml.serving.process.drain import BEGUN_SECONDS, DRAIN_SECONDS
from ml.serving.process.probe import PORT
from ml.serving.process.worker import LAST_ANSWERS_SECONDS, OPEN_SECONDS

Manifest = dict[str, Any]
USER = 10001  # the Dockerfiles'
SECRET_WORDS = ("KEYS", "KEY", "PASSWORD", "TOKEN", "SECRET", "JOURNAL_URL", "TRACKING_URI")


def kinds(manifests: list[Manifest], kind: str) -> list[Manifest]:
    """The manifests of a kind."""
    return [manifest for manifest in manifests if manifest["kind"] == kind]


def pod_specs(manifests: list[Manifest]) -> Iterator[tuple[str, Manifest, Manifest]]:
    """Name, labels and specification of each pod that the manifests make."""
    for manifest in manifests:
        spec = manifest.get("spec", {})
        name = f"{manifest['kind']} {manifest['metadata']['name']}"
        if manifest["kind"] == "InferenceService":
            yield name, {}, spec["predictor"]
        if manifest["kind"] == "CronJob":
            spec = spec["jobTemplate"]["spec"]
        if "template" in spec:
            yield name, spec["template"]["metadata"]["labels"], spec["template"]["spec"]


def containers(manifests: list[Manifest]) -> Iterator[tuple[str, Manifest]]:
    """Name and specification of each container."""
    for name, _, spec in pod_specs(manifests):
        for container in [*spec.get("initContainers", ()), *spec["containers"]]:
            yield f"{name}: {container['name']}", container


def pods_have_no_rights(manifests: list[Manifest]) -> Iterator[str]:
    """A user that is not root, the runtime's system calls, no token, no part of the node."""
    for name, _, spec in pod_specs(manifests):
        context = spec.get("securityContext", {})
        if not context.get("runAsNonRoot") or context.get("runAsUser") != USER:
            yield f"{name}: does not run as {USER}"
        if context.get("seccompProfile") != {"type": "RuntimeDefault"}:
            yield f"{name}: no seccomp profile"
        if spec.get("automountServiceAccountToken") is not False:
            yield f"{name}: gets a token"
        yield from _parts_of_the_node(name, spec)


def _parts_of_the_node(name: str, spec: Manifest) -> Iterator[str]:
    for key in ("hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace"):
        if key in spec:
            yield f"{name}: {key}"
    for volume in spec.get("volumes", ()):
        if "hostPath" in volume:
            yield f"{name}: a folder of the node"
        if "sizeLimit" not in volume.get("emptyDir", {"sizeLimit": ""}):
            yield f"{name}: {volume['name']} may fill the node's disk"


def containers_have_no_rights(manifests: list[Manifest]) -> Iterator[str]:
    """No way to more rights, nothing to write to but volumes."""
    wanted = {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    for name, container in containers(manifests):
        if container.get("securityContext") != wanted:
            yield f"{name}: its securityContext is not {wanted}"


def containers_have_bounds(manifests: list[Manifest]) -> Iterator[str]:
    """Memory and disk are limited, processor and memory are asked for."""
    for name, container in containers(manifests):
        resources = container.get("resources", {})
        for kind, names in {
            "requests": ("cpu", "memory", "ephemeral-storage"),
            "limits": ("memory", "ephemeral-storage"),
        }.items():
            for missing in set(names) - set(resources.get(kind, ())):
                yield f"{name}: no {kind} of {missing}"


def images_are_named(manifests: list[Manifest]) -> Iterator[str]:
    """A registry's name and a version; `latest` is another one tomorrow."""
    for name, container in containers(manifests):
        address, _, tag = container["image"].rpartition(":")
        if "/" not in address or tag == "latest":
            yield f"{name}: {container['image']}"


def services_are_probed(manifests: list[Manifest]) -> Iterator[str]:
    """Three probes, an orderly end, and the container's own port."""
    for name, _, spec in pod_specs(manifests):
        if not name.startswith(("Deployment", "InferenceService")):
            continue
        (container,) = spec["containers"]
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            if probe not in container:
                yield f"{name}: no {probe}"
        if container.get("livenessProbe", {}).get("httpGet", {}).get("path", "").endswith("ready"):
            yield f"{name}: a database that is away would restart it"
        if [port["containerPort"] for port in container["ports"]] != [PORT]:
            yield f"{name}: the image listens on {PORT}"
        yield from _orderly_end(name, spec, container)


def _orderly_end(name: str, spec: Manifest, container: Manifest) -> Iterator[str]:
    hook = container.get("lifecycle", {}).get("preStop", {})
    if set(hook) != {"sleep"}:
        yield f"{name}: no preStop that waits for the proxies without a shell"
    needed = hook.get("sleep", {}).get("seconds", 0)
    needed += DRAIN_SECONDS + BEGUN_SECONDS + OPEN_SECONDS + LAST_ANSWERS_SECONDS
    if spec.get("terminationGracePeriodSeconds", 30) < needed:
        yield f"{name}: killed before its last answers, {needed:g} s after the end begins"


def deployments_stay_available(manifests: list[Manifest]) -> Iterator[str]:
    """Spread over nodes, replaced one by one, guarded by a budget, scaled."""
    for deployment in kinds(manifests, "Deployment"):
        spec, name = deployment["spec"], deployment["metadata"]["name"]
        labels = spec["template"]["metadata"]["labels"]
        if len(spec["template"]["spec"].get("topologySpreadConstraints", ())) < 2:
            yield f"{name}: all its pods may be on one node or in one zone"
        if spec.get("strategy", {}).get("rollingUpdate", {}).get("maxUnavailable") != 0:
            yield f"{name}: a pod goes before another answers"
        budgets = [b["spec"]["selector"] for b in kinds(manifests, "PodDisruptionBudget")]
        if not any(selects(selector, labels) for selector in budgets):
            yield f"{name}: no PodDisruptionBudget"
        scaled = [a["spec"] for a in kinds(manifests, "HorizontalPodAutoscaler")]
        if [s["minReplicas"] for s in scaled if s["scaleTargetRef"]["name"] == name] != [2]:
            yield f"{name}: no autoscaler that keeps two"
        if "replicas" in spec:
            yield f"{name}: each apply would undo what the autoscaler has chosen"


def selects(selector: Manifest, labels: Manifest) -> bool:
    """Whether a label selector takes these labels."""
    matches = selector.get("matchLabels", {}).items() <= labels.items()
    among = selector.get("matchExpressions", ())
    return matches and all(labels.get(part["key"]) in part["values"] for part in among)


def services_reach_pods(manifests: list[Manifest]) -> Iterator[str]:
    """Selectors of services and of Prometheus take what they are for."""
    labelled = [labels for _, labels, _ in pod_specs(manifests)]
    for service in kinds(manifests, "Service"):
        if not any(selects({"matchLabels": service["spec"]["selector"]}, x) for x in labelled):
            yield f"Service {service['metadata']['name']}: no pod"
    for monitor in kinds(manifests, "ServiceMonitor"):
        found = [
            service["metadata"]["labels"]
            for service in kinds(manifests, "Service")
            if selects(monitor["spec"]["selector"], service["metadata"]["labels"])
        ]
        if [labels.get(monitor["spec"]["jobLabel"]) for labels in found] != ["service"]:
            yield "ServiceMonitor: the alerts' job is `service`"


def the_network_is_closed(manifests: list[Manifest]) -> Iterator[str]:
    """A policy for all pods that allows nothing, and no other that allows everything."""
    policies = [policy["spec"] for policy in kinds(manifests, "NetworkPolicy")]
    closed = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    if policies and closed not in policies:
        yield "no NetworkPolicy closes the namespace"
    for policy in policies:
        for rule in [*policy.get("ingress", ()), *policy.get("egress", ())]:
            if not rule.get("ports"):
                yield f"a NetworkPolicy for {policy['podSelector']} allows every port"


def secrets_are_references(manifests: list[Manifest]) -> Iterator[str]:
    """No manifest holds a secret's value."""
    for manifest in manifests:
        if manifest["kind"] == "Secret":
            yield f"Secret {manifest['metadata']['name']}: its value would be in git"
    for name, container in containers(manifests):
        for variable in container.get("env", ()):
            if variable["name"].endswith(SECRET_WORDS) and "value" in variable:
                yield f"{name}: {variable['name']} is written out"


def roles_are_narrow(manifests: list[Manifest]) -> Iterator[str]:
    """Named objects, no wildcard, nothing for the whole cluster, nothing for a pod's account."""
    for manifest in manifests:
        if manifest["kind"].startswith("ClusterRole"):
            yield f"{manifest['kind']}: for the whole cluster"
    for rule in [rule for role in kinds(manifests, "Role") for rule in role["rules"]]:
        if not rule.get("resourceNames") or "*" in [*rule["verbs"], *rule["resources"]]:
            yield f"a Role for {rule['verbs']} of {rule['resources']}"
    used = {spec.get("serviceAccountName") for _, _, spec in pod_specs(manifests)}
    for binding in kinds(manifests, "RoleBinding"):
        if used & {subject["name"] for subject in binding["subjects"]}:
            yield f"RoleBinding {binding['metadata']['name']}: a pod gets the right"


def jobs_end(manifests: list[Manifest]) -> Iterator[str]:
    """One at a time, with a time limit, tried again only where that helps, and removed."""
    jobs = {f"Job {job['metadata']['name']}": job["spec"] for job in kinds(manifests, "Job")}
    for cron in kinds(manifests, "CronJob"):
        name, spec = f"CronJob {cron['metadata']['name']}", cron["spec"]
        jobs[name] = spec["jobTemplate"]["spec"]
        if spec.get("concurrencyPolicy") != "Forbid" or "startingDeadlineSeconds" not in spec:
            yield f"{name}: two may run at once, or one starts hours late"
    for name, spec in jobs.items():
        for key in ("backoffLimit", "activeDeadlineSeconds", "ttlSecondsAfterFinished"):
            if key not in spec:
                yield f"{name}: no {key}"
        rules = spec.get("podFailurePolicy", {}).get("rules", ())
        if not {"FailJob", "FailIndex"} & {rule["action"] for rule in rules}:
            yield f"{name}: a verdict would be repeated like an accident"
        if spec["template"]["spec"].get("restartPolicy") != "Never":
            yield f"{name}: its pod would be restarted in place"


POLICIES: tuple[Callable[[list[Manifest]], Iterator[str]], ...] = (
    pods_have_no_rights,
    containers_have_no_rights,
    containers_have_bounds,
    images_are_named,
    services_are_probed,
    deployments_stay_available,
    services_reach_pods,
    the_network_is_closed,
    secrets_are_references,
    roles_are_narrow,
    jobs_end,
)
