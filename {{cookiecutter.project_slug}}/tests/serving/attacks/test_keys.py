"""API keys: what is one, how it is withdrawn, and what it allows."""

from __future__ import annotations

import dataclasses
import logging
import socket
from pathlib import Path
from typing import Any

import httpx2
import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from ml.errors import UserError
from ml.serving.api.app import create_app
from ml.serving.api_keys import Keys, first_key, load_keys, parse_key_file
from ml.serving.settings import Settings, load_settings
from tests.serving.api.test_bodies import BODIES
from tests.serving.attacks.conftest import JSON, KEY, OTHER, SERVICE, TEACHER, alone, keyed, send
from tests.serving.conftest import Start


def test_a_comment_is_no_key(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each word of the file was a key: `#` and `production-service` of a comment were let in."""
    file = tmp_path / "keys"
    comment = "\ufeff# keys of the production-service-1"
    file.write_bytes(f"{comment}\r\n\r\n  {KEY} \r\n\t# {TEACHER}\n{OTHER}".encode())
    monkeypatch.setenv("ML_API_KEYS_FILE", str(file))
    assert first_key() == KEY
    with TestClient(create_app(dataclasses.replace(settings, keys=load_keys(0)))) as client:

        def status(key: str) -> int:
            return client.get("/model", headers={"X-API-Key": key}).status_code

        assert [status(key) for key in (KEY, OTHER)] == [200, 200]
        assert {
            status(key)
            for key in ("#", "keys", "production-service-1", TEACHER, f"\ufeff{KEY}"[1:] + "x")
        } == {401}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (f"# ours\n{KEY}\n{OTHER} of Ann\n", "line 3: white space"),
        (f"{KEY}\n{OTHER}\u00a0x\n", "line 2: white space"),
        (f"{KEY}\nshort-secret-15\n", "line 2: a key of 15 characters"),
        (f"{KEY}é\n", "line 1: white space or a character that is not ASCII"),
        ("# none yet\n", "no file with a key on each line"),
    ],
)
def test_a_file_with_a_doubtful_line_does_not_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, says: str
) -> None:
    """The line's number is told, not its text."""
    file = tmp_path / "keys"
    file.write_text(content, encoding="utf-8")
    monkeypatch.setenv("ML_API_KEYS_FILE", str(file))
    with pytest.raises(UserError) as raised:
        load_keys(0)
    assert f"ML_API_KEYS_FILE={file}: {says}" in str(raised.value)
    assert not [
        word
        for line in content.splitlines()
        for word in line.split()
        if len(word) > 9 and word in str(raised.value)
    ]


def test_other_encodings_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shell that writes UTF-16: a traceback before."""
    (tmp_path / "keys").write_text(KEY, encoding="utf-16")
    monkeypatch.setenv("ML_LABEL_KEYS_FILE", str(tmp_path / "keys"))
    with pytest.raises(UserError, match=r"ML_LABEL_KEYS_FILE=.*: not UTF-8 text"):
        load_settings()


@pytest.mark.parametrize("variable", ["ML_API_KEYS", "ML_LABEL_KEYS"])
@pytest.mark.parametrize(
    ("second", "says"), [("fifteen-letters", "of 15 characters"), ("with a space in it", "space")]
)
def test_a_short_key_does_not_start(
    project: Path, monkeypatch: pytest.MonkeyPatch, variable: str, second: str, says: str
) -> None:
    """`ML_API_KEYS=a` was a service with keys."""
    monkeypatch.setenv(variable, f"{KEY}, {second}")
    with pytest.raises(UserError, match=rf"{variable}: key 2 of 2: .*{says}") as raised:
        load_settings()
    assert second not in str(raised.value)


@given(st.lists(st.text("a#1 \t\r\u00a0é\ufeff", max_size=20), max_size=5))
@example([f"{KEY}\r", "# b", ""])
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_key_is_a_whole_line(tmp_path: Path, lines: list[str]) -> None:
    """A key is one whole line of a file: no comment, no white space, not fewer than 16 signs."""
    file = tmp_path / "keys"
    file.write_text("\n".join(lines), encoding="utf-8", newline="")
    keys, faults = parse_key_file(file)
    whole = (
        "\n".join(lines)
        .removeprefix("\ufeff")
        .replace("\r\n", "\n")
        .replace("\r", "\n")
        .split("\n")
    )
    assert all(
        len(key) >= 16 and key.isascii() and not key.startswith("#") and key.split() == [key]
        for key in keys
    )
    assert set(keys) <= {line.strip() for line in whole}
    assert len(keys) + len(faults) == sum(
        bool(line.strip()) and not line.strip().startswith("#") for line in whole
    )


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The file of keys is looked at with each request."""
    monkeypatch.setattr("ml.serving.api_keys.LOOK_SECONDS", -1.0)


@pytest.mark.usefixtures("impatient")
def test_a_file_that_cannot_be_read_keeps_the_last_keys_and_says_so(
    settings: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Bytes that are no text were a 500 for everybody; a file that is gone was silence."""
    file = tmp_path / "keys"
    file.write_text(KEY)
    caplog.set_level(logging.ERROR, "ml.serving.api_keys")
    with keyed(settings, keys=Keys((), file, 0)) as client:
        assert client.get("/model").status_code == 200
        file.write_bytes(b"\xff\xfe\x00")
        assert [client.get("/model").status_code for _ in range(3)] == [200, 200, 200]
        file.unlink()
        assert client.get("/model").status_code == 200
        assert "ml_key_file_failures_total 5.0" in client.get("/metrics").text
        assert [KEY in text for text in caplog.messages] == [False, False]
        assert "UnicodeDecodeError" in caplog.messages[0]
        assert "FileNotFoundError" in caplog.messages[1]
        file.write_text(f"{OTHER}\n")
        assert client.get("/model").status_code == 401
        assert client.get("/model", headers={"X-API-Key": OTHER}).status_code == 200


@pytest.mark.usefixtures("impatient")
def test_a_key_is_withdrawn_whatever_else_the_file_holds(
    settings: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A mistake in a new line must not keep a key alive that was taken out because it leaked."""
    file = tmp_path / "keys"
    file.write_text(f"{KEY}\n{OTHER}")
    with keyed(settings, keys=Keys((), file, 0)) as client:
        assert client.get("/model").status_code == 200
        file.write_text(f"{OTHER}\ntoo-short")
        assert client.get("/model").status_code == 401
        assert client.get("/model", headers={"X-API-Key": OTHER}).status_code == 200
        assert "line 2: a key of 9 characters" in caplog.text
        file.write_text("")
        assert client.get("/model", headers={"X-API-Key": OTHER}).status_code == 401


def test_who_is_not_let_in_is_counted(settings: Settings) -> None:
    """401 stood in no metric: nobody saw somebody trying keys."""
    limited = Keys((KEY,), None, 1)
    with keyed(settings, keys=limited) as client:
        for key in ("", "x", KEY + "x"):
            assert client.get("/model", headers={"X-API-Key": key}).status_code == 401
        assert 429 in [client.get("/model").status_code for _ in range(2)]
        page = client.app.service.metrics.page().decode()  # type: ignore[attr-defined]
    assert 'ml_callers_refused_total{reason="api_key"} 3.0' in page
    assert 'ml_callers_refused_total{reason="rate"} 1.0' in page
    assert 'ml_callers_refused_total{reason="origin"} 0.0' in page


def test_label_keys_teach_and_api_keys_ask(settings: Settings) -> None:
    """Who might ask could also write training data; where label keys are set a key does one."""
    with keyed(settings, label_keys=Keys((TEACHER,), None, 0)) as client:
        teacher = {"X-API-Key": TEACHER, **JSON}
        assert send(client, "/labels", JSON) == 401
        assert send(client, "/labels", teacher) == 200
        assert send(client, "/predict", teacher) == 401
        assert send(client, "/predict", JSON) == 200
        assert (
            client.post("/labels/", json=BODIES["/labels"], follow_redirects=True).status_code
            == 401
        )
        assert client.post("/label%73", json=BODIES["/labels"]).status_code == 401


def test_without_label_keys_api_keys_teach_and_label_keys_close_labels_alone(
    settings: Settings,
) -> None:
    """As before where none are set; on loopback label keys alone are enough to close `/labels`."""
    with keyed(settings) as client:
        assert send(client, "/labels", JSON) == 200
    alone_closed = dataclasses.replace(alone(settings), label_keys=Keys((TEACHER,), None, 0))
    with TestClient(create_app(alone_closed), SERVICE) as client:
        assert send(client, "/labels", JSON) == 401
        assert send(client, "/labels", {**JSON, "authorization": f"bearer {TEACHER}"}) == 200
        assert send(client, "/predict", JSON) == 200
        assert send(client, "/predict", {**JSON, "host": "evil.example"}) == 403


def ask(url: str, *lines: str) -> bytes:
    """The answer to a GET of /model with these header lines, as they are."""
    with socket.create_connection(("127.0.0.1", int(url.rsplit(":", 1)[1]))) as connection:
        connection.sendall(
            "\r\n".join(
                ["GET /model HTTP/1.1", "host: 127.0.0.1", "connection: close", *lines, "", ""]
            ).encode()
        )
        return b"".join(iter(lambda: connection.recv(65536), b""))


def test_the_server_reads_its_keys_from_the_environment(
    start: Start, row: dict[str, Any], tmp_path: Path
) -> None:
    """White space behind a key was part of it in one header and not in the other."""
    (tmp_path / "teachers").write_text(f"# teachers\n{TEACHER}\n")
    url = start(env={"ML_API_KEYS": KEY, "ML_LABEL_KEYS_FILE": str(tmp_path / "teachers")}).url
    for line in (
        f"x-api-key: {KEY}",
        f"authorization: Bearer {KEY}",
        f"AUTHORIZATION: bearer   {KEY}",
    ):
        for space in ("", " ", "\t "):
            assert ask(url, line + space).startswith(b"HTTP/1.1 200"), line
    assert ask(url, f"x-api-key: {KEY} x").startswith(b"HTTP/1.1 401")
    assert (
        httpx2.post(f"{url}/labels", json=BODIES["/labels"], headers={"X-API-Key": KEY}).status_code
        == 401
    )
    assert (
        httpx2.post(
            f"{url}/labels", json=BODIES["/labels"], headers={"X-API-Key": TEACHER}
        ).status_code
        == 200
    )
    assert (
        httpx2.post(
            f"{url}/predict", json=row, headers={"X-API-Key": KEY, "host": "any.example"}
        ).status_code
        == 200
    )
