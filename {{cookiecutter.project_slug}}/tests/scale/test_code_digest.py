"""Another module or another library's version is another name."""

from __future__ import annotations

from pathlib import Path

import pytest

from ml.scale import code_digest as room
from ml.scale.code_digest import code_digest, digest_of


def test_code_and_versions_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "PACKAGE", tmp_path)
    versions = {"numpy": "1"}
    monkeypatch.setattr(room, "version", versions.__getitem__)
    module = tmp_path / "a.py"

    def now() -> str:
        code_digest.cache_clear()
        return code_digest(("a.py",), ("numpy",))

    module.write_text("x = 1\n")
    first = now()
    assert now() == first
    module.write_text("x = 2\n")
    second = now()
    versions["numpy"] = "2"
    assert len({first, second, now()}) == 3
    code_digest.cache_clear()


def test_texts_are_kept_apart() -> None:
    assert digest_of("ab", "c") != digest_of("a", "bc")
