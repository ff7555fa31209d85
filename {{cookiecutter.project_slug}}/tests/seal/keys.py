"""Keys of the tests, made anew for each run."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from ml.seal.manifest import MANIFEST_FILE
from ml.seal.signature import SIGNATURE_FILE


def private_pem(key: Ed25519PrivateKey) -> bytes:
    """As `openssl genpkey -algorithm ed25519` writes it."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def public_pem(key: Ed25519PrivateKey) -> str:
    """As `openssl pkey -pubout` writes it."""
    public = key.public_key()
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def sign_release(folder: Path, key: Ed25519PrivateKey) -> None:
    """Sign a sealed release as `ml release` does."""
    (folder / SIGNATURE_FILE).write_bytes(key.sign((folder / MANIFEST_FILE).read_bytes()))
