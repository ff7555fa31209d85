"""Pages of other origins that a person opens: what they may read and write."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from ml.errors import RefusedError
from ml.serving.api.origin import check_origin
from ml.serving.settings import Settings
from tests.serving.api.test_bodies import ROUTES
from tests.serving.attacks.conftest import JSON, SERVICE, keyed, send, written
from tests.serving.conftest import Start
from tests.serving.protocols import INFER, INVOCATIONS, V1


@pytest.mark.parametrize("route", ["/predict", "/labels", INVOCATIONS])
def test_a_body_without_a_type_is_refused(
    loopback: TestClient, route: str, settings: Settings
) -> None:
    """A page of any origin could send it without asking first, and it was journaled; now 415."""
    assert send(loopback, route, {}) == 415
    assert send(loopback, route, {"content-type": ""}) == 415
    assert written(settings) == 0
    assert send(loopback, route, JSON) == 200


@pytest.mark.parametrize("route", [INFER, V1])
def test_an_inference_without_a_type_is_read_from_who_is_no_browser(
    loopback: TestClient, route: str
) -> None:
    """Tritonclient sends no type: 200. A browser sends Origin with each POST: 415."""
    assert send(loopback, route, {}) == 200
    assert send(loopback, route, {"origin": SERVICE}) == 415
    assert send(loopback, route, {"sec-fetch-site": "same-origin"}) == 415


@pytest.mark.parametrize(
    "kind", ["text/plain", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded"]
)
@pytest.mark.parametrize("route", ROUTES)
def test_types_that_a_page_sends_without_asking_first_are_refused(
    loopback: TestClient, route: str, kind: str, settings: Settings
) -> None:
    """The three that a browser sends to any origin without a preflight; CSV and bytes need one."""
    assert send(loopback, route, {"content-type": kind}) == 415
    assert written(settings) == 0


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
    """They are answered."""
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
