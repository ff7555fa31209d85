"""Who may ask and who may write: pages of other origins, names of loopback, keys that are none."""

from __future__ import annotations

import dataclasses
import json
import logging
import socket
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2
import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from selenium.webdriver import Chrome
from starlette.testclient import TestClient

from ml.errors import RefusedError, UserError
from ml.serving.api.app import create_app
from ml.serving.api.origin import check_origin
from ml.serving.api_keys import Keys, first_key, load_keys, parse_key_file
from ml.serving.settings import Settings, load_settings
from tests.serving.api.routes.test_open_inference import INFER
from tests.serving.api.test_bodies import BODIES, ROUTES
from tests.serving.api.test_browser import needs_chromium, start_chromium, visit, wait
from tests.serving.conftest import Start

KEY, OTHER, TEACHER = "a-key-of-this-test", "another-key-of-this-test", "the-key-of-a-teacher"
SERVICE = "http://127.0.0.1:8000"
JSON = {"content-type": "application/json"}


@pytest.fixture
def loopback(settings: Settings) -> Iterator[TestClient]:
    """The application without keys, asked as on loopback."""
    with TestClient(create_app(alone(settings)), SERVICE) as client:
        yield client


def alone(settings: Settings) -> Settings:
    """The settings without the name that TestClient has."""
    return dataclasses.replace(settings, allowed_hosts=frozenset())


def keyed(settings: Settings, **changes: Any) -> TestClient:
    """The application with KEY, asked as through a proxy that keeps its own name in Host."""
    closed = dataclasses.replace(alone(settings), **{"keys": Keys((KEY,), None, 0), **changes})
    return TestClient(create_app(closed), "http://upstream:9", headers={"X-API-Key": KEY})


def written(settings: Settings) -> int:
    """Rows in the journal's tables."""
    with closing(sqlite3.connect(settings.journal.removeprefix("sqlite:///"))) as journal:
        (predictions,) = journal.execute("SELECT count(*) FROM predictions").fetchone()
        (labels,) = journal.execute("SELECT count(*) FROM labels").fetchone()
        return int(predictions + labels)


def send(client: TestClient, route: str, headers: dict[str, str]) -> int:
    """Status of a POST with a valid body and these headers alone."""
    return client.post(
        route, content=json.dumps(BODIES[route]).encode(), headers=headers
    ).status_code


# A page that somebody opens


@pytest.mark.parametrize("route", ["/predict", "/labels"])
def test_a_body_without_a_type_is_refused(
    loopback: TestClient, route: str, settings: Settings
) -> None:
    """A page of any origin could send it without asking first, and it was journaled; now 415."""
    assert send(loopback, route, {}) == 415
    assert send(loopback, route, {"content-type": ""}) == 415
    assert written(settings) == 0
    assert send(loopback, route, JSON) == 200


def test_an_inference_without_a_type_is_read_from_who_is_no_browser(loopback: TestClient) -> None:
    """Tritonclient sends no type: 200. A browser sends Origin with each POST: 415."""
    assert send(loopback, INFER, {}) == 200
    assert send(loopback, INFER, {"origin": SERVICE}) == 415
    assert send(loopback, INFER, {"sec-fetch-site": "same-origin"}) == 415


FOREIGN = [
    {"origin": "http://127.0.0.1:3000"},
    {"origin": "https://127.0.0.1.example:8000"},
    {"origin": "null"},  # a sandboxed frame, a file
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},  # another port of this machine
    {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"},  # a form
    {"sec-fetch-site": "cross-site", "origin": SERVICE},
]


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("headers", FOREIGN, ids=str)
def test_a_page_of_another_origin_writes_nothing(
    loopback: TestClient, settings: Settings, route: str, headers: dict[str, str]
) -> None:
    """Each of them was answered with 200 before; now 403."""
    assert send(loopback, route, {**JSON, **headers}) == 403
    assert written(settings) == 0


@pytest.mark.parametrize("path", ["/model", "/metrics", "/openapi.json", "/v2"])
def test_a_page_of_another_origin_reads_nothing(loopback: TestClient, path: str) -> None:
    """Browsers hide the answer from the page, not how long it took; a link to here still works."""
    elsewhere = {"sec-fetch-site": "cross-site"}
    assert loopback.get(path, headers={**elsewhere, "sec-fetch-mode": "no-cors"}).status_code == 403
    assert (
        loopback.get(path, headers={**elsewhere, "sec-fetch-mode": "navigate"}).status_code == 200
    )


@pytest.mark.parametrize("route", ROUTES)
def test_the_services_own_page_and_programs_may_write(loopback: TestClient, route: str) -> None:
    """The gate stays quiet for them."""
    for headers in ({}, {"origin": SERVICE}, {"origin": SERVICE, "sec-fetch-site": "same-origin"}):
        assert send(loopback, route, {**JSON, **headers}) == 200


def test_no_answer_lets_a_page_of_another_origin_in(
    loopback: TestClient, settings: Settings
) -> None:
    """Before JSON or a key a browser sends OPTIONS: no answer has an Access-Control header."""
    asked = {
        "access-control-request-method": "POST",
        "access-control-request-headers": "x-api-key,content-type",
    }
    with keyed(settings) as with_keys:
        for client in (loopback, with_keys):
            for route in ROUTES:
                for headers in (
                    {"origin": "https://evil.example"},
                    {"sec-fetch-site": "cross-site"},
                ):
                    answer = client.options(route, headers={**asked, **headers})
                    assert answer.status_code in (401, 403, 404, 405)
                    assert not [
                        name for name in answer.headers if name.startswith("access-control")
                    ]


@pytest.mark.parametrize("route", ROUTES)
def test_with_keys_the_page_works_behind_a_proxy_and_other_pages_do_not(
    settings: Settings, route: str
) -> None:
    """A proxy that changes Host and adds a key for its users must not add it for other pages."""
    with keyed(settings) as client:
        own = {**JSON, "origin": "https://ml.example"}
        assert send(client, route, {**own, "sec-fetch-site": "same-origin"}) == 200
        assert send(client, route, own) == 200  # plain HTTP: the browser does not say more
        assert (
            send(
                client,
                route,
                {**JSON, "origin": "https://evil.example", "sec-fetch-site": "cross-site"},
            )
            == 403
        )
        assert send(client, route, {"origin": "https://evil.example"}) == 415


# A name that its owner lets point to 127.0.0.1

NAMES = [
    "127.0.0.1",
    "127.0.0.1:8000",
    "localhost",
    "LOCALHOST:80",
    "[::1]",
    "[::1]:8000",
    "127.0.0.2:1",
]
OTHER_NAMES = [
    "evil.example",
    "localhost.evil.example",
    "127.0.0.1.nip.io",
    "10.0.0.1",
    "[::2]:8000",
    "[::1]x",
    "",
    "a:b:c",
]


@pytest.mark.parametrize("host", OTHER_NAMES)
def test_another_name_is_not_answered(loopback: TestClient, settings: Settings, host: str) -> None:
    """DNS rebinding: a page whose name points to 127.0.0.1 wrote labels: training data."""
    same = {"host": host, "origin": f"http://{host}", "sec-fetch-site": "same-origin"}
    for route in ROUTES:
        assert send(loopback, route, {**JSON, **same}) == 403
    for path in ("/", "/model", "/metrics", "/health/ready"):
        assert loopback.get(path, headers=same).status_code == 403
    assert written(settings) == 0


@pytest.mark.parametrize("host", NAMES)
def test_each_name_of_loopback_is_answered(loopback: TestClient, host: str) -> None:
    """Whatever `--host` and `--port` a service without keys may have."""
    assert send(loopback, "/predict", {**JSON, "host": host, "origin": f"http://{host}"}) == 200
    assert loopback.get("/", headers={"host": host}).status_code == 200


def test_an_allowed_name_is_answered(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy on this machine that keeps its own name: ML_ALLOWED_HOSTS."""
    monkeypatch.setenv("ML_ALLOWED_HOSTS", "ml.example, Other.example")
    with TestClient(create_app(load_settings()), SERVICE) as client:
        statuses = [
            client.get("/model", headers={"host": h}).status_code
            for h in ("ml.example", "other.example:80")
        ]
        assert statuses == [200, 200]
        assert client.get("/model", headers={"host": "third.example"}).status_code == 403


@given(
    fields=st.fixed_dictionaries(
        {},
        optional={
            b"origin": st.sampled_from([b"http://h", b"https://h", b"http://other", b"null"]),
            b"sec-fetch-site": st.sampled_from(
                [b"none", b"same-origin", b"same-site", b"cross-site", b"x"]
            ),
            b"sec-fetch-mode": st.sampled_from([b"navigate", b"cors", b"no-cors"]),
        },
    ),
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD"]),
    has_key=st.booleans(),
)
def test_what_a_browser_says_is_foreign_never_writes(
    fields: dict[bytes, bytes], method: str, has_key: bool
) -> None:
    """Whatever else the request says: Sec-Fetch-Site decides if it is there, else Origin."""
    site, origin = fields.get(b"sec-fetch-site"), fields.get(b"origin")
    foreign = (
        site not in (b"none", b"same-origin")
        if site
        else origin in (b"http://other", b"null") and not has_key
    )
    try:
        check_origin({b"host": b"h", **fields}, method, has_key)
    except RefusedError:
        assert foreign
    else:
        assert not foreign or (method == "GET" and fields[b"sec-fetch-mode"] == b"navigate")


# Keys


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


# The server as it runs


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


def test_no_answer_is_taken_for_a_script_and_no_page_tells_where_it_was(
    start: Start, row: dict[str, Any]
) -> None:
    """No answer had X-Content-Type-Options, no page a Referrer-Policy."""
    url = start().url
    answers = [
        httpx2.get(f"{url}{path}")
        for path in ("/", "/docs", "/model", "/metrics", "/health/ready", "/nothing")
    ]
    answers += [httpx2.post(f"{url}/predict", json=body) for body in (row, {})]
    answers += [
        httpx2.post(f"{url}/labels", content=b"{}"),
        httpx2.get(f"{url}/model", headers={"host": "evil.example"}),
    ]
    assert [answer.status_code for answer in answers] == [
        200,
        200,
        200,
        200,
        200,
        404,
        200,
        422,
        415,
        403,
    ]
    assert {answer.headers.get("x-content-type-options") for answer in answers} == {"nosniff"}
    assert [answer.headers["referrer-policy"] for answer in answers[:2]] == [
        "same-origin",
        "same-origin",
    ]


# A real browser

PAGE = """<!doctype html><title>elsewhere</title><iframe name="frame"></iframe><script>
const [service, bodies] = %s;
const json = {"Content-Type": "application/json"}, plain = {"Content-Type": "text/plain"};
const attempts = Object.entries(bodies).flatMap(([path, body]) => [
  () => fetch(service + path, {method: "POST", body: new Blob([body]), mode: "no-cors"}),
  () => fetch(service + path, {method: "POST", body, mode: "no-cors", headers: plain}),
  () => fetch(service + path, {method: "POST", body: new Blob([body]), mode: "no-cors",
                               referrerPolicy: "no-referrer"}),
  () => fetch(service + path, {method: "POST", body, headers: json}),
  () => fetch(service + path, {method: "POST", body: new Blob([body]),
                               headers: {"X-API-Key": "KEY"}}),
  () => navigator.sendBeacon(service + path, new Blob([body])),
  () => {
    const form = document.createElement("form"), input = document.createElement("input");
    Object.assign(form, {action: service + path, method: "POST", enctype: "text/plain",
                         target: "frame"});
    [input.name, input.value] = [body.slice(0, -1) + ', "a', '": 1}'];
    form.append(input); document.body.append(form); form.submit();
  },
]);
attempts.push(() => fetch(service + "/model").then(answer => answer.text())
  .then(text => { document.title = text }));
Promise.allSettled(attempts.map(attempt => (async () => attempt())()))
  .then(() => setTimeout(() => document.title += " done", 500));  // forms and beacons are under way
</script>"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    """Chromium that takes evil.example for this machine."""
    chrome = start_chromium(tmp_path_factory.mktemp("chromium"), "MAP evil.example 127.0.0.1, ")
    yield chrome
    chrome.quit()


@pytest.fixture
def elsewhere() -> Iterator[ThreadingHTTPServer]:
    """A server on another port whose page is `page`."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(self.server.page)  # type: ignore[attr-defined]

        def log_message(self, *_: object) -> None:
            """Silence."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.mark.slow
@needs_chromium
@pytest.mark.parametrize("host", ["127.0.0.1", "evil.example"])
@pytest.mark.parametrize("env", [{}, {"ML_API_KEYS": KEY}], ids=["open", "keyed"])
def test_a_page_in_a_browser_writes_nothing(
    start: Start,
    browser: Chrome,
    elsewhere: ThreadingHTTPServer,
    settings: Settings,
    host: str,
    env: dict[str, str],
) -> None:
    """A page on another port: a row or label without a type went through each route; now none."""
    server = start(env=env)
    bodies = {path: json.dumps(body) for path, body in BODIES.items()}
    elsewhere.page = (PAGE % json.dumps([server.url, bodies])).replace("KEY", KEY).encode()  # type: ignore[attr-defined]
    browser.get(f"http://{host}:{elsewhere.server_port}/")
    wait(browser, lambda: browser.title.endswith("done"))
    assert browser.title == "elsewhere done"
    assert written(settings) == 0
    if not env:
        visit(browser, server.url)  # the service's own page, in the same browser
        assert written(settings) == 1


@pytest.mark.slow
@needs_chromium
def test_a_name_that_points_here_shows_nothing_in_a_browser(start: Start, browser: Chrome) -> None:
    """With evil.example resolved to 127.0.0.1 the page and its requests were answered; now 403."""
    port = start().url.rsplit(":", 1)[1]
    for path in ("", "model"):
        browser.get(f"http://evil.example:{port}/{path}")
        assert "localhost" in browser.page_source
        assert "churn" not in browser.page_source
