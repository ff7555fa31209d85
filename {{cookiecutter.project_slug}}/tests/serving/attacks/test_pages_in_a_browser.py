"""A page of another origin, and a name that points to this machine, in a real browser."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from selenium.webdriver import Chrome

from ml.serving.settings import Settings
from tests.serving.api.test_bodies import BODIES
from tests.serving.api.test_browser import needs_chromium, start_chromium, visit, wait
from tests.serving.attacks.conftest import KEY, written
from tests.serving.conftest import Start

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
