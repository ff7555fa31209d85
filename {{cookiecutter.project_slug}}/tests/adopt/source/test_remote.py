"""Addresses: a secret is never recorded, and the bytes come from the host that a person named."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from http.client import HTTPMessage
from io import BytesIO
from pathlib import Path
from urllib.request import Request

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.adopt.commands import adopt
from ml.adopt.source.remote import _SameHost, check_address, split
from ml.errors import UserError


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "address",
    [
        "https://user:hunter2@host.invalid/t.csv",
        "https://hunter2@host.invalid/t.csv",
        "s3://AKIA:hunter2@bucket/t.csv",
        "https://host.invalid/t.csv?X-Amz-Algorithm=AWS4&X-Amz-Signature=hunter2",
        "https://host.invalid/t.csv?X-Goog-Signature=hunter2",
        "https://host.invalid/t.csv?sv=2026&sig=hunter2",
        "https://host.invalid/t.csv?token=hunter2",
        "https://host.invalid/t.csv?private_token=hunter2",
        "https://host.invalid/t.csv?access-key=hunter2",
        "https://host.invalid/t.csv?apikey=hunter2",
        "https://host.invalid/t.csv?a=1&Password=hunter2",
        "https://host.invalid/t.csv?%74oken=hunter2",
        "https://host.invalid/t.csv#access_token=hunter2",
        "HTTPS://host.invalid/t.csv?TOKEN=hunter2",
    ],
)
def test_a_secret_is_refused_before_anything_is_written(address: str, folder: Path) -> None:
    """DVC wrote it into data/source/t.csv.dvc, which the README says to commit."""
    with pytest.raises(UserError, match="which git keeps") as caught:
        adopt(address, target="y", drop=[])
    assert "hunter2" not in str(caught.value)
    assert "download the file" in caught.value.then
    assert not list(folder.iterdir())


@given(
    st.sampled_from(["token", "sig", "X-Amz-Signature", "api_key"]),
    st.text("abc123%=&?#/@:", min_size=1),
)
def test_no_message_shows_what_stands_behind_the_path(name: str, value: str) -> None:
    with pytest.raises(UserError) as caught:
        check_address(f"https://host.invalid/t.csv?{name}=5eCret{value}")
    assert "5eCret" not in str(caught.value)


@pytest.mark.parametrize(
    "address",
    [
        "s3://bucket/folder/t.csv",
        "s3://bucket/prefix/",
        "s3://bucket/t.csv?versionId=3",
        "s3://b/t.csv?keyword=a&design=b",
    ],
)
def test_other_parameters_are_fine(address: str) -> None:
    check_address(address)


@pytest.mark.parametrize(
    "address", ["https://host.invalid", "s3://", "https:///t.csv", "https://[/t.csv"]
)
def test_an_address_that_names_no_file(address: str) -> None:
    with pytest.raises(UserError):
        check_address(address)


class _Redirecting(http.server.BaseHTTPRequestHandler):
    """Send /go/<address> to the address; anything else is a file."""

    def do_GET(self) -> None:
        goes = self.path.startswith("/go/")
        self.send_response(302 if goes else 200)
        if goes:
            self.send_header("Location", self.path.removeprefix("/go/"))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """Of a server that redirects."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Redirecting) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def test_a_redirect_to_another_host_is_refused_with_its_name(port: int, folder: Path) -> None:
    with pytest.raises(UserError, match="redirects to http://localhost") as caught:
        adopt(f"http://127.0.0.1:{port}/go/http://localhost:{port}/t.csv", target="y", drop=[])
    assert "curl --location" in caught.value.then
    assert not list(folder.iterdir())


def test_a_redirect_on_the_same_host_is_followed(port: int) -> None:
    check_address(f"http://127.0.0.1:{port}/go//t.csv")
    check_address(f"http://127.0.0.1:{port}/go/http://127.0.0.1:{port}/t.csv")


@pytest.mark.parametrize(
    "target",
    ["http://host.invalid/t.csv", "ftp://host.invalid/t.csv", "https://other.invalid/t.csv"],
)
def test_https_stays_https_and_with_its_host(target: str) -> None:
    request = Request("https://host.invalid/t.csv")
    with pytest.raises(UserError, match="redirects to"):
        _SameHost().redirect_request(request, BytesIO(), 302, "", HTTPMessage(), target)


def test_http_may_become_https() -> None:
    request = Request("http://host.invalid/t.csv")
    made = _SameHost().redirect_request(
        request, BytesIO(), 302, "", HTTPMessage(), "https://host.invalid/t.csv"
    )
    assert made
    assert split(made.full_url).scheme == "https"
