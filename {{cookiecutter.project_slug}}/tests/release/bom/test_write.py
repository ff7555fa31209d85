"""A real release, signed: what lists it is sealed with it, valid, and in the registry."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ml.bundle import load_bundle
from ml.errors import UserError
from ml.release import publish, registry
from ml.release.bom import write as bom
from ml.release.commands import release
from ml.release.lineage import file_hash
from ml.seal.manifest import check_beside
from tests.conftest import HERE, live_in
from tests.release.bom.schema import valid
from tests.seal.keys import private_pem, public_pem, sign_release

pytestmark = pytest.mark.slow
KEY = Ed25519PrivateKey.generate()


@pytest.fixture
def retrained(retrained_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with what its image is built from, a key to sign with, and a new model."""
    project = live_in(retrained_project, tmp_path / "project", monkeypatch)
    shutil.copytree(HERE / "requirements", "requirements")
    shutil.copyfile(HERE / "Dockerfile", "Dockerfile")
    (tmp_path / "release.pem").write_bytes(private_pem(KEY))
    monkeypatch.setenv("ML_SIGNING_KEY_FILE", str(tmp_path / "release.pem"))
    monkeypatch.setenv("ML_VERIFY_KEYS", public_pem(KEY))
    return project


def test_a_signed_release_and_its_bills_of_materials(retrained: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"manifest\.sig is missing"):
        release()  # the champion is from before there was a key
    sign_release(publish.release_folder("1"), KEY)  # as docs/release.md says, with openssl
    assert release().passed
    folder = publish.release_folder("2")
    check_beside(folder)
    model, image = valid(folder / bom.MODEL_FILE), valid(folder / bom.ENVIRONMENT_FILE)
    assert image["metadata"]["component"]["version"] == "2"
    reference = model["metadata"]["component"]["externalReferences"][-1]
    tags = registry.connect().get_model_version("life", "2").tags
    assert (tags["ml_bom"], tags["sbom"]) == ("bundle/ml-bom.cdx.json", "bundle/sbom.cdx.json")
    assert reference["hashes"][0]["content"] == file_hash(folder / bom.ENVIRONMENT_FILE)
    fetched = registry.download(registry.connect(), "life", "2", tmp_path)
    assert load_bundle(fetched).version == "2"
    check_beside(fetched)
    before = (folder / bom.MODEL_FILE).read_bytes()
    bom.write(folder, publish.lineage_of("2"))
    assert (folder / bom.MODEL_FILE).read_bytes() == before  # the same release, the same bytes
    draft = publish.seal_again("2", lambda _: None)
    check_beside(draft)


def test_a_release_that_the_service_would_refuse_is_not_made(
    retrained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ML_VERIFY_KEYS", public_pem(Ed25519PrivateKey.generate()))
    with pytest.raises(UserError, match="its public key is none of ML_VERIFY_KEYS"):
        release()
    assert not publish.release_folder("2").exists()
