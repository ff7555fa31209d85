"""Signatures of releases: Ed25519 over manifest.json, which holds the hash of every other file.

Reads: the private key in the file that ML_SIGNING_KEY_FILE names (a release is signed with it); the
public keys in ML_VERIFY_KEYS and in the file that ML_VERIFY_KEYS_FILE names, several for the time
of a rotation. All are PEM, as `openssl genpkey -algorithm ed25519` and `openssl pkey -pubout` write
them (docs/release.md, "Signed releases"). The files are read anew at each use.
Without a private key nothing is signed, without public keys no signature is asked for.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from ml.errors import UserError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (
        Ed25519PrivateKey,
        Ed25519PublicKey,
    )

SIGNATURE_FILE = "manifest.sig"  # 64 bytes

SIGNING_KEY_FILE = "ML_SIGNING_KEY_FILE"
VERIFY_KEYS, VERIFY_KEYS_FILE = "ML_VERIFY_KEYS", "ML_VERIFY_KEYS_FILE"
PUBLIC_KEY = re.compile("-----BEGIN PUBLIC KEY-----.*?-----END PUBLIC KEY-----", re.DOTALL)
HOW = 'see docs/release.md, "Signed releases"'


def is_required() -> bool:
    """Whether a release has to be signed: there are public keys."""
    return any(os.environ.get(name) for name in (VERIFY_KEYS, VERIFY_KEYS_FILE))


def keys_changed() -> int:
    """When the file of the public keys changed, in nanoseconds; 0: there is none."""
    name = os.environ.get(VERIFY_KEYS_FILE)
    try:
        return Path(name).stat().st_ctime_ns if name else 0
    except OSError:
        return 0


def problem(manifest: bytes, signature: bytes | None) -> str | None:
    """What is wrong with a release's signature; None: it is right, or none is asked for.

    Args:
        manifest: the file's content.
        signature: the other file's content; None: there is no such file.

    Raises:
        UserError: the public keys cannot be read.
    """
    if not is_required():
        return None
    keys = _public_keys()
    if signature is None:
        return f"{SIGNATURE_FILE} is missing: the release is not signed"
    if not any(_is_by(key, manifest, signature) for key in keys):
        return f"{SIGNATURE_FILE} is not a signature of this manifest by one of {_named()}"
    return None


def _is_by(key: Ed25519PublicKey, manifest: bytes, signature: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature

    try:
        key.verify(signature, manifest)
    except InvalidSignature:
        return False
    return True


def signature_of(manifest: bytes) -> bytes | None:
    """A manifest's signature by the private key; None: there is none."""
    key = _private_key()
    return key.sign(manifest) if key else None


def check_keys() -> None:
    """Check that what is signed here can be served here, before a release is made.

    Raises:
        UserError: a key cannot be read, or the public keys do not belong to the private one.
    """
    key = _private_key()
    if not is_required():
        return
    if key is None:
        raise UserError(
            f"{_named()} asks for a signed release, and {SIGNING_KEY_FILE} names no key", HOW
        )
    if key.public_key() not in _public_keys():
        raise UserError(
            f"{SIGNING_KEY_FILE}={os.environ[SIGNING_KEY_FILE]}: its public key is none of "
            f"{_named()}, so the release would be refused",
            HOW,
        )


def _named() -> str:
    """The settings that hold public keys."""
    return " and ".join(n for n in (VERIFY_KEYS, VERIFY_KEYS_FILE) if os.environ.get(n))


def _public_keys() -> list[Ed25519PublicKey]:
    keys = []
    if text := os.environ.get(VERIFY_KEYS):
        keys += _parsed(text, VERIFY_KEYS)
    if name := os.environ.get(VERIFY_KEYS_FILE):
        keys += _parsed(_read(VERIFY_KEYS_FILE, name).decode(errors="replace"), name)
    return keys


def _parsed(text: str, where: str) -> list[Ed25519PublicKey]:
    """Every key of a PEM text; a setting without one asks for what nobody can sign."""
    if "PRIVATE KEY-----" in text:
        raise UserError(f"{where}: holds a private key, where public keys belong", HOW)
    found = PUBLIC_KEY.findall(text)
    if not found or text.count("-----BEGIN") != len(found):
        raise UserError(f"{where}: not public keys in PEM", HOW)
    return [_public_key(pem, where) for pem in found]


def _public_key(pem: str, where: str) -> Ed25519PublicKey:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise UserError(f"{where}: a key in it is not PEM", HOW) from None
    if not isinstance(key, Ed25519PublicKey):
        raise UserError(f"{where}: a key in it is not of the kind Ed25519", HOW)
    return key


def _private_key() -> Ed25519PrivateKey | None:
    name = os.environ.get(SIGNING_KEY_FILE)
    return _loaded(name) if name else None


def _loaded(name: str) -> Ed25519PrivateKey:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(_read(SIGNING_KEY_FILE, name), password=None)
    except TypeError:  # what the library raises where a password is needed
        raise UserError(f"{name}: the private key has a password", HOW) from None
    except (ValueError, UnsupportedAlgorithm):
        raise UserError(f"{name}: not a private key in PEM", HOW) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise UserError(f"{name}: not a key of the kind Ed25519", HOW)
    return key


def _read(setting: str, name: str) -> bytes:
    try:
        return Path(name).read_bytes()
    except OSError as error:
        raise UserError(f"{setting}={name}: {error.strerror}", HOW) from None
