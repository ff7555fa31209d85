"""API keys: replaced without a restart, limited in rate, read from a file."""

from __future__ import annotations

import dataclasses
import os
import random
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.testclient import TestClient

from ml.errors import UserError
from ml.serving import api_keys
from ml.serving.api.app import create_app
from ml.serving.api_keys import Keys, load_keys
from ml.serving.settings import Settings

Row = dict[str, Any]


def test_keys_are_replaced_without_a_restart(settings: Settings, tmp_path: Path, row: Row) -> None:
    old, other, new = ("an-old-key-of-16", "another-key-of-it", "a-new-key-of-16-")
    file = tmp_path / "keys"
    file.write_text(f"{old}\n{other}\n")
    keyed = dataclasses.replace(settings, keys=Keys(("fixed",), file, 0))
    with TestClient(create_app(keyed)) as client:

        def status(key: str) -> int:
            return client.post("/predict", json=row, headers={"X-API-Key": key}).status_code

        assert [status(k) for k in (old, other, "fixed", new, "")] == [200, 200, 200, 401, 401]
        file.write_text(f"{new}\n")
        os.utime(file, (1, 1))
        until = time.monotonic() + 60
        while status(new) != 200 and time.monotonic() < until:
            time.sleep(0.1)
        assert [status(k) for k in (old, other, "fixed", new)] == [401, 401, 200, 200]
        file.unlink()
        time.sleep(1.1)
        assert status(new) == 200  # a file that is being replaced locks nobody out


def test_a_key_that_asks_too_often_waits_and_others_do_not(
    settings: Settings, row: Row, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr(api_keys, "time", SimpleNamespace(monotonic=lambda: now[0]))
    limited = dataclasses.replace(settings, keys=Keys(("a", "b"), None, 5))
    with TestClient(create_app(limited)) as client:
        statuses = [
            client.post("/predict", json=row, headers={"X-API-Key": "a"}).status_code
            for _ in range(12)
        ]
        assert statuses == [200] * 5 + [429] * 7
        refused = client.post("/predict", json=row, headers={"X-API-Key": "a"})
        assert refused.headers["retry-after"] == "1"
        assert client.post("/predict", json=row, headers={"X-API-Key": "b"}).status_code == 200
        now[0] += 1
        assert client.post("/predict", json=row, headers={"X-API-Key": "a"}).status_code == 200


def test_a_keys_file_without_a_key_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ML_API_KEYS_FILE", str(tmp_path / "none"))
    with pytest.raises(UserError, match="no file with a key"):
        load_keys(0)
    (tmp_path / "none").write_text("\n")
    with pytest.raises(UserError, match="no file with a key"):
        load_keys(0)


@pytest.mark.parametrize(
    "key",
    [
        "changeme-changeme",
        "REPLACE_ME_please",
        "a-key-of-your-own",
        "your-api-key-here",
        "<the key goes here>".replace(" ", "-"),
        "${ML_API_KEYS_SET}",
        "{{ml_api_keys_set}}",
        "my-very-good-password",
        "xxxxxxxxxxxxxxxx",
        "1234567812345678",
        "placeholder-value",
    ],
)
def test_a_placeholder_is_no_key(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ML_API_KEYS", key)
    with pytest.raises(UserError, match="a placeholder") as raised:
        load_keys(0)
    assert key not in str(raised.value)
    assert "openssl rand" in raised.value.then


def test_a_key_drawn_at_random_is_no_placeholder(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(5)
    signs = [chr(code) for code in range(ord("!"), ord("~") + 1) if chr(code) != ","]
    drawn = [rng.randbytes(24).hex() for _ in range(2000)]
    drawn += ["".join(rng.choices(signs, k=24)) for _ in range(2000)]
    monkeypatch.setenv("ML_API_KEYS", ",".join(drawn))
    assert load_keys(0).needed
