"""The image's packages: those of the lock that its Python on Linux installs."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ml.release.bom.environment import base_image, environment_bom, locked_packages
from ml.release.bom.licences import licence
from tests.conftest import HERE

LOCK = """\
numpy==2.4.6 ; python_full_version < '3.12' \\
    --hash=sha256:{a}
numpy==2.5.5 ; python_full_version >= '3.12' \\
    --hash=sha256:{b} \\
    --hash=sha256:{c}
# a comment
colorama==0.4.6 ; sys_platform == 'win32' \\
    --hash=sha256:{a}
Ruamel.Yaml==0.19.1 \\
    --hash=sha256:{c}
""".format(a="a" * 64, b="b" * 64, c="c" * 64)


def test_markers_choose_as_the_image_does() -> None:
    assert [(p.name, p.version) for p in locked_packages(LOCK, "3.13")] == [
        ("numpy", "2.5.5"),
        ("Ruamel.Yaml", "0.19.1"),
    ]
    numpy, yaml = locked_packages(LOCK, "3.13")
    assert numpy.hashes == ("b" * 64, "c" * 64)
    assert yaml.purl == "pkg:pypi/ruamel-yaml@0.19.1"
    assert [p.version for p in locked_packages(LOCK, "3.11")] == ["2.4.6", "0.19.1"]


def test_the_last_stage_names_the_base() -> None:
    dockerfile = (HERE / "Dockerfile").read_text(encoding="utf-8")
    assert base_image(dockerfile) == ("3.13-slim", "3.13")
    assert base_image("FROM python:3.12-slim AS model\nFROM python:3.11\n") == ("3.11", "3.11")
    assert base_image("FROM debian:12\n") is None


def test_the_projects_own_lock_with_versions_hashes_and_licences(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert environment_bom() is None
    shutil.copytree(HERE / "requirements", "requirements")
    assert environment_bom() is None
    shutil.copyfile(HERE / "Dockerfile", "Dockerfile")
    bom = environment_bom()
    assert bom is not None
    base, *packages = bom["components"]
    assert base["purl"] == "pkg:docker/python@3.13-slim"
    names = [package["name"] for package in packages]
    assert len(set(names)) == len(names)
    assert {"onnxruntime", "numpy", "uvloop", "cryptography"} < set(names)
    assert not {"colorama", "pandas"} & set(names)
    for package in packages:
        (files,) = package["externalReferences"]
        assert files["hashes"]
        assert package["licenses"][0]["expression"]  # each is installed here and says its licence
    assert bom["dependencies"][0]["dependsOn"] == [c["bom-ref"] for c in bom["components"]]


def test_a_licence_is_that_of_the_installed_package() -> None:
    assert licence("cryptography") == "Apache-2.0 OR BSD-3-Clause"
    assert licence("no-such-package") is None
