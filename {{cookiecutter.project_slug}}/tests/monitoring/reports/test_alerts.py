"""Alerts with a real receiver on loopback: sent once, retried, sent again on growth and end."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, Literal

import pytest

from ml.monitoring.reports.alerts import send
from ml.monitoring.verdict import Finding, Verdict
from tests.monitoring.conftest import verdict_of


class Receiver(HTTPServer):
    """Keeps what it was told; refuses the first `refusals` requests."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.told: list[dict[str, Any]] = []
        self.asked = 0
        self.refusals = 0


class Handler(BaseHTTPRequestHandler):
    """Answers 500 while it refuses, then 200."""

    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked += 1
        refused = self.server.asked <= self.server.refusals
        if not refused:
            self.server.told.append(json.loads(body))
        self.send_response(500 if refused else 200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Silence."""


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    server = Receiver()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("ALERT_WEBHOOK", f"http://127.0.0.1:{server.server_port}/hook")
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def shown(tier: Literal["ticket", "page"] | None, *columns: str) -> Verdict:
    findings = [
        Finding(check="drift", what="location", column=name, words="", value=1.0, limit=0.0)
        for name in columns
    ]
    return verdict_of(
        tier=tier,
        verdict="drift" if tier else "ok",
        action="investigate" if tier else "nothing",
        evidence=tuple(f"`{name}` rose" for name in columns),
        findings=tuple(findings),
    )


def test_an_alarm_is_told_once_and_its_end_once(receiver: Receiver, tmp_path: Path) -> None:
    state = tmp_path / "alerts.json"
    for verdict in (
        shown(None),
        shown("ticket", "charge"),
        shown("ticket", "charge"),
        shown("page", "charge"),
    ):
        send(verdict, state, pause=0.01)
    send(shown(None), state, pause=0.01)
    send(shown(None), state, pause=0.01)
    heads = [message["text"].split("*")[1] for message in receiver.told]
    assert heads == ["TICKET", "PAGE", "OK"]
    assert "`charge` rose" in receiver.told[0]["text"]
    assert set(receiver.told[0]) == {"text"}  # what Slack takes


def test_another_column_is_another_alarm(receiver: Receiver, tmp_path: Path) -> None:
    send(shown("ticket", "charge"), tmp_path / "a", pause=0.01)
    send(shown("ticket", "charge", "plan"), tmp_path / "a", pause=0.01)
    assert len(receiver.told) == 2


def test_a_receiver_that_stumbles_is_asked_again(receiver: Receiver, tmp_path: Path) -> None:
    receiver.refusals = 2
    assert send(shown("ticket", "charge"), tmp_path / "a", pause=0.01)
    assert (receiver.asked, len(receiver.told)) == (3, 1)


def test_a_receiver_that_stays_away_is_told_by_the_next_run(
    receiver: Receiver, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    receiver.refusals = 4
    assert not send(shown("ticket", "charge"), tmp_path / "a", pause=0.01)
    assert "HTTP 500" in capsys.readouterr().err
    assert send(shown("ticket", "charge"), tmp_path / "a", pause=0.01)


def test_without_an_address_nobody_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("ALERT_WEBHOOK", raising=False)
    assert not send(shown("page", "charge"), tmp_path / "a")
    assert not (tmp_path / "a").exists()
