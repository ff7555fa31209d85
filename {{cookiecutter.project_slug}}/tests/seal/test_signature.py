"""Keys in PEM, and what `openssl` makes of the same keys and signatures."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from ml.errors import UserError
from ml.seal import signature
from tests.seal.keys import private_pem, public_pem

KEY, OTHER = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
RSA = generate_private_key(65537, 2048)
MANIFEST = b'{"files": {}}'


@pytest.fixture(autouse=True)
def keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """KEY as the one that signs; no public keys. The folder of key files."""
    (tmp_path / "release.pem").write_bytes(private_pem(KEY))
    monkeypatch.setenv("ML_SIGNING_KEY_FILE", str(tmp_path / "release.pem"))
    for name in ("ML_VERIFY_KEYS", "ML_VERIFY_KEYS_FILE"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def signed() -> bytes:
    """The signature of MANIFEST by KEY."""
    made = signature.signature_of(MANIFEST)
    assert made is not None
    return made


def test_without_keys_nothing_is_signed_and_nothing_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ML_SIGNING_KEY_FILE", "")  # how compose passes what is not set
    monkeypatch.setenv("ML_VERIFY_KEYS", "")
    signature.check_keys()
    assert signature.signature_of(MANIFEST) is None
    assert not signature.is_required()
    assert signature.problem(MANIFEST, None) is None


def test_a_signature_holds_for_its_bytes_and_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ML_VERIFY_KEYS", public_pem(KEY))
    signature.check_keys()
    assert signature.problem(MANIFEST, signed()) is None
    assert "is missing" in str(signature.problem(MANIFEST, None))
    changed = bytes([signed()[0] ^ 1]) + signed()[1:]
    for manifest, made in (
        (MANIFEST + b" ", signed()),
        (MANIFEST, changed),
        (MANIFEST, b""),
        (MANIFEST, signed() + b"\n"),
        (MANIFEST, OTHER.sign(MANIFEST)),
    ):
        assert "is not a signature" in str(signature.problem(manifest, made))


def test_during_a_rotation_both_keys_hold(keys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = keys / "release.pub"
    file.write_text(f"before\n{public_pem(OTHER)}\nnow\n{public_pem(KEY)}")
    monkeypatch.setenv("ML_VERIFY_KEYS_FILE", str(file))
    for made in (signed(), OTHER.sign(MANIFEST)):
        assert signature.problem(MANIFEST, made) is None
    changed = signature.keys_changed()
    while signature.keys_changed() == changed:  # the clock of a file system has coarse steps
        file.write_text(public_pem(KEY))  # read anew: no restart
    assert signature.problem(MANIFEST, OTHER.sign(MANIFEST)) is not None
    monkeypatch.setenv("ML_VERIFY_KEYS", public_pem(OTHER))  # both settings count
    assert signature.problem(MANIFEST, OTHER.sign(MANIFEST)) is None
    assert signature.problem(MANIFEST, signed()) is None


def rsa_public() -> str:
    pem = RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return pem.decode()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("no key", "not public keys in PEM"),
        ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", "a key in it is not PEM"),
        (public_pem(KEY) + "-----BEGIN PUBLIC KEY-----\nAA", "not public keys in PEM"),
        (private_pem(KEY).decode(), "holds a private key"),
        (rsa_public(), "not of the kind Ed25519"),
    ],
)
def test_public_keys_that_cannot_be_read_let_nothing_pass(
    text: str, says: str, keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = signed()
    (keys / "release.pub").write_text(text)
    monkeypatch.setenv("ML_VERIFY_KEYS_FILE", str(keys / "release.pub"))
    with pytest.raises(UserError, match=says):
        signature.problem(MANIFEST, made)
    monkeypatch.setenv("ML_VERIFY_KEYS_FILE", str(keys / "gone.pub"))
    assert signature.keys_changed() == 0
    with pytest.raises(UserError, match=r"gone\.pub: No such file"):
        signature.problem(MANIFEST, made)


def unusable(kind: str) -> bytes:
    """A private key's file that nothing can be signed with."""
    if kind == "password":
        how = BestAvailableEncryption(b"secret")
        return KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, how)
    if kind == "kind":
        return RSA.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return b"no key"


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("password", "has a password"),
        ("kind", "not a key of the kind Ed25519"),
        ("text", "not a private key in PEM"),
    ],
)
def test_a_private_key_that_cannot_be_used_is_an_error_before_the_release(
    kind: str, says: str, keys: Path
) -> None:
    (keys / "release.pem").write_bytes(unusable(kind))
    with pytest.raises(UserError, match=says):
        signature.check_keys()


def test_what_nobody_could_serve_is_not_released(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ML_VERIFY_KEYS", public_pem(OTHER))
    with pytest.raises(UserError, match="its public key is none of ML_VERIFY_KEYS"):
        signature.check_keys()
    monkeypatch.delenv("ML_SIGNING_KEY_FILE")
    with pytest.raises(UserError, match="ML_SIGNING_KEY_FILE names no key"):
        signature.check_keys()


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed")
def test_openssl_makes_the_keys_and_signs_and_checks_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lines of docs/release.md."""

    def openssl(line: str) -> str:
        words = ["openssl", *line.split()]
        done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=True)
        return done.stdout

    openssl("genpkey -algorithm ed25519 -out own.pem")
    openssl("pkey -in own.pem -pubout -out own.pub")
    (tmp_path / "manifest.json").write_bytes(MANIFEST)
    openssl("pkeyutl -sign -inkey own.pem -rawin -in manifest.json -out manifest.sig")
    made = (tmp_path / "manifest.sig").read_bytes()
    monkeypatch.setenv("ML_VERIFY_KEYS_FILE", str(tmp_path / "own.pub"))
    assert signature.problem(MANIFEST, made) is None
    monkeypatch.setenv("ML_SIGNING_KEY_FILE", str(tmp_path / "own.pem"))
    (tmp_path / "manifest.sig").write_bytes(signed())
    checked = "pkeyutl -verify -pubin -inkey own.pub -rawin -in manifest.json"
    assert "Success" in openssl(f"{checked} -sigfile manifest.sig")
