"""The code and the libraries on which a part's output depends, as one short name."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path

LENGTH = 16  # hexadecimal digits of a digest in a name
PACKAGE = Path(__file__).parents[1]


@cache
def code_digest(modules: Sequence[str], libraries: Sequence[str]) -> str:
    """A digest of modules and versions.

    Args:
        modules: files of ml/, such as "encode.py".
        libraries: distributions that are installed.
    """
    digest = hashlib.sha256()
    for name in modules:
        digest.update(f"{name}\n".encode() + (PACKAGE / name).read_bytes())
    for name in libraries:
        digest.update(f"{name} {version(name)}\n".encode())
    return digest.hexdigest()[:LENGTH]


def digest_of(*texts: str) -> str:
    """A digest of some texts, in order."""
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:LENGTH]
