"""The packages of the serving image: names, versions, hashes, licences.

Reads: requirements/serving.txt, the Dockerfile (its last FROM). The packages are those that the
lock installs under the image's Python on Linux; their licences come from the environment that
releases. The Debian packages of the base image are not listed: a scanner of images finds them.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

from packaging.requirements import Requirement

from ml.release.bom.licences import NO_ASSERTION, licence

LOCK = Path("requirements/serving.txt")
DOCKERFILE = Path("Dockerfile")
BASE = re.compile(r"^FROM python:((\d+\.\d+)\S*)\s*$", re.MULTILINE)
HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
IMAGE = "image"  # the document's name for it


class Locked(NamedTuple):
    """A package of the lock."""

    name: str
    version: str
    hashes: tuple[str, ...]  # sha256 of each file that may be installed

    @property
    def purl(self) -> str:
        """Its package URL, which names no server."""
        return f"pkg:pypi/{re.sub('[-_.]+', '-', self.name).lower()}@{self.version}"


def base_image(dockerfile: str) -> tuple[str, str] | None:
    """Tag and Python version of the image that the last stage begins with; None: another one."""
    found = BASE.findall(dockerfile)
    return found[-1] if found else None


def locked_packages(lock: str, python: str) -> list[Locked]:
    """What a lock installs under a version of Python on Linux.

    Args:
        lock: content of a requirements file with hashes.
        python: such as 3.13.
    """
    lines = re.sub(r"\\\n", " ", lock).splitlines()
    entries = [line for line in lines if line.strip() and not line.startswith(("#", "-"))]
    return [found for line in entries if (found := _locked(line, python))]


def _locked(line: str, python: str) -> Locked | None:
    requirement = Requirement(line.split("--hash")[0])
    marker = requirement.marker
    if marker is not None and not marker.evaluate(_environment(python)):
        return None
    (version,) = (each.version for each in requirement.specifier)
    return Locked(requirement.name, version, tuple(HASH.findall(line)))


def _environment(python: str) -> dict[str, str]:
    return {
        "python_version": python,
        "python_full_version": f"{python}.0",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        "os_name": "posix",
        "sys_platform": "linux",
        "platform_system": "Linux",
    }


def environment_bom() -> dict[str, Any] | None:
    """Subject, components and dependencies of the image's packages; None: there is no image here.

    A project without its Dockerfile or its lock builds none.
    """
    if not (LOCK.is_file() and DOCKERFILE.is_file()):
        return None
    base = base_image(DOCKERFILE.read_text(encoding="utf-8"))
    if base is None:
        return None
    tag, python = base
    packages = locked_packages(LOCK.read_text(encoding="utf-8"), python)
    components = [_base(tag), *(_component(package) for package in packages)]
    return {
        "components": components,
        "dependencies": [{"ref": IMAGE, "dependsOn": [c["bom-ref"] for c in components]}],
        # the base image's own packages are missing
        "compositions": [{"aggregate": "incomplete", "assemblies": [IMAGE]}],
    }


def _base(tag: str) -> dict[str, Any]:
    purl = f"pkg:docker/python@{tag}"
    return {"type": "container", "bom-ref": purl, "name": "python", "version": tag, "purl": purl}


def _component(package: Locked) -> dict[str, Any]:
    said = licence(package.name)
    named = {} if said in (None, NO_ASSERTION) else {"licenses": [{"expression": said}]}
    hashes = [{"alg": "SHA-256", "content": value} for value in package.hashes]
    files = {
        "type": "distribution",
        "url": package.purl,
        "comment": "the image holds one of the files with these hashes",
        "hashes": hashes,
    }
    return {
        "type": "library",
        "bom-ref": package.purl,
        "name": package.name,
        "version": package.version,
        "purl": package.purl,
        "externalReferences": [files],
        **named,
    }
