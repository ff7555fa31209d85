"""A signed release is refused on any change; monitor, gate and loop ask as the service does."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ml.bundle import load_bundle
from ml.errors import UserError
from ml.loop.train_challenger import trained_rows
from ml.monitoring.inputs.reference import load_champion
from ml.release.gate.comparison import contender
from ml.release.publish import make_draft
from ml.seal.manifest import BESIDE, check_beside, write_manifest
from tests.seal.keys import private_pem, public_pem, sign_release

KEY, OTHER = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()


@pytest.fixture
def unsigned(releases: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A release with files beside its bundle, sealed where there is no key."""
    folder = Path(shutil.copytree(releases / "1", tmp_path / "1"))
    for name in BESIDE:
        (folder / name).write_bytes(b"rows")
    for name in ("ML_SIGNING_KEY_FILE", "ML_VERIFY_KEYS", "ML_VERIFY_KEYS_FILE"):
        monkeypatch.delenv(name, raising=False)
    write_manifest(folder)
    return folder


@pytest.fixture
def signed(unsigned: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same, signed by KEY, which is asked for from now on."""
    (tmp_path / "release.pem").write_bytes(private_pem(KEY))
    monkeypatch.setenv("ML_SIGNING_KEY_FILE", str(tmp_path / "release.pem"))
    write_manifest(unsigned)
    monkeypatch.setenv("ML_VERIFY_KEYS", public_pem(KEY))
    return unsigned


def flip_a_bit(path: Path) -> None:
    """Change one byte in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_a_signed_release_loads(signed: Path) -> None:
    assert load_bundle(signed).version == "1"
    check_beside(signed)


def test_without_keys_an_unsigned_release_loads(unsigned: Path) -> None:
    assert load_bundle(unsigned).version == "1"
    flip_a_bit(unsigned / BESIDE[0])
    check_beside(unsigned)


def test_one_byte_of_any_file_is_noticed(signed: Path) -> None:
    """Of each file that there is: none is left out of the manifest."""
    names = sorted(path.name for path in signed.iterdir())
    assert {"model.onnx", "explain.npy", "manifest.json", "manifest.sig", *BESIDE} < set(names)
    for name in names:
        original = (signed / name).read_bytes()
        flip_a_bit(signed / name)
        with pytest.raises(UserError, match=name.removesuffix(".json").removesuffix(".sig")):
            check_beside(signed)
        if name not in BESIDE:
            with pytest.raises(UserError):
                load_bundle(signed)
        (signed / name).write_bytes(original)
    check_beside(signed)


def _without_signature(folder: Path) -> None:
    (folder / "manifest.sig").unlink()


def _by_another_key(folder: Path) -> None:
    sign_release(folder, OTHER)


def _sealed_again(folder: Path) -> None:
    """What somebody does who has the folder and not the key."""
    flip_a_bit(folder / "explain.npy")
    kept = (folder / "manifest.sig").read_bytes()
    write_manifest(folder)
    (folder / "manifest.sig").write_bytes(kept)


def _of_another_release(folder: Path) -> None:
    other = folder.with_name("other")
    shutil.copytree(folder, other)
    (other / "lineage.json").write_text(json.dumps({"version": "2"}))
    write_manifest(other)
    shutil.copyfile(other / "manifest.sig", folder / "manifest.sig")


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (_without_signature, "manifest.sig is missing"),
        (_by_another_key, "is not a signature of this manifest"),
        (_sealed_again, "is not a signature of this manifest"),
        (_of_another_release, "is not a signature of this manifest"),
    ],
)
def test_another_signature_or_none_is_refused(
    spoil: Callable[[Path], None], says: str, signed: Path
) -> None:
    spoil(signed)
    for refuse in (load_bundle, check_beside):
        with pytest.raises(UserError, match=says):
            refuse(signed)


def test_a_file_beside_that_the_manifest_does_not_list_is_refused(
    signed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (signed / BESIDE[1]).unlink()
    with pytest.raises(UserError, match=BESIDE[1]):  # it was signed with that file
        check_beside(signed)
    write_manifest(signed)
    check_beside(signed)
    (signed / BESIDE[1]).write_bytes(b"rows")
    with pytest.raises(UserError, match=f"does not list {BESIDE[1]}"):
        check_beside(signed)


def test_a_draft_is_loaded_by_who_made_it_and_never_signed(signed: Path, tmp_path: Path) -> None:
    lineage = json.loads((signed / "lineage.json").read_text())
    make_draft(signed, tmp_path / "rebuilt", lineage)
    assert not (tmp_path / "rebuilt/manifest.sig").exists()
    assert load_bundle(tmp_path / "rebuilt", is_draft=True).version == "1"
    with pytest.raises(UserError, match=r"manifest\.sig is missing"):
        load_bundle(tmp_path / "rebuilt")


def test_a_manifest_of_before_is_written_anew(
    signed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = json.loads((signed / "manifest.json").read_text())["files"]
    (signed / "manifest.json").write_text(json.dumps({"files": listed}))
    sign_release(signed, KEY)
    load_bundle(signed)
    with pytest.raises(UserError, match=f"does not list {BESIDE[0]}"):
        check_beside(signed)
    write_manifest(signed)
    check_beside(signed)


def test_a_key_that_is_retired_no_longer_holds(
    signed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ML_VERIFY_KEYS", public_pem(OTHER) + public_pem(KEY))
    load_bundle(signed)
    monkeypatch.setenv("ML_VERIFY_KEYS", public_pem(OTHER))
    with pytest.raises(UserError, match="is not a signature of this manifest"):
        load_bundle(signed)
    sign_release(signed, OTHER)
    load_bundle(signed)


@pytest.mark.parametrize("read", [load_champion, contender])
def test_monitor_and_gate_refuse_a_changed_file(
    read: Callable[[Path], object], signed: Path
) -> None:
    flip_a_bit(signed / "reference.parquet")
    with pytest.raises(UserError, match=r"reference\.parquet differs from its hash"):
        read(signed)


def test_the_loop_counts_no_rows_by_a_changed_file(signed: Path) -> None:
    np.save(signed / BESIDE[1], np.arange(7, dtype=np.uint64))
    assert trained_rows(signed) == 0
    write_manifest(signed)
    assert trained_rows(signed) == 7


def test_what_is_sealed_without_the_key_loses_the_old_signature(
    signed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ML_SIGNING_KEY_FILE")
    write_manifest(signed)
    assert not (signed / "manifest.sig").exists()
