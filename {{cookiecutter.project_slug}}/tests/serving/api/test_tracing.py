"""Traces: sent to a receiver if the environment asks for them; else the SDK is not imported."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx2
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from ml.errors import UserError
from ml.serving.api.app import create_app
from ml.serving.api.tracing import ENDPOINTS
from ml.serving.settings import Settings
from tests.serving.conftest import HOME, Start, free_port

Row = dict[str, Any]
VARIABLES = (*ENDPOINTS, "OTEL_TRACES_EXPORTER", "OTEL_SDK_DISABLED", "OTEL_SERVICE_NAME")


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """A person's own collector is not for tests to write to."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


class Receiver:
    """A collector on loopback."""

    def __init__(self) -> None:
        self.received: list[ExportTraceServiceRequest] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:  # the base class's name
                assert self.path == "/v1/traces"
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.received.append(ExportTraceServiceRequest.FromString(body))
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_args: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def spans(self) -> list[Span]:
        """All spans, in the order of their beginning."""
        resources = [resource for request in self.received for resource in request.resource_spans]
        spans = [
            span for resource in resources for scope in resource.scope_spans for span in scope.spans
        ]
        return sorted(spans, key=lambda span: span.start_time_unix_nano)

    def services(self) -> set[str]:
        """The names of the services that sent them."""
        resources = [
            resource.resource for request in self.received for resource in request.resource_spans
        ]
        return {
            a.value.string_value for r in resources for a in r.attributes if a.key == "service.name"
        }


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A collector that listens."""
    receiver = Receiver()
    thread = threading.Thread(target=receiver.server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield receiver
    receiver.server.shutdown()
    thread.join()
    receiver.server.server_close()


def attributes(span: Span) -> dict[str, Any]:
    """A span's attributes as Python's values."""
    values: dict[str, Any] = {}
    for attribute in span.attributes:
        value = attribute.value
        kind = value.WhichOneof("value")
        array = [item.string_value for item in value.array_value.values]
        values[attribute.key] = array if kind == "array_value" else getattr(value, str(kind))
    return values


@pytest.mark.parametrize("options", [(), pytest.param(("--workers", "2"), marks=pytest.mark.slow)])
def test_each_request_is_a_span_of_its_callers_trace(
    start: Start, receiver: Receiver, row: Row, options: tuple[str, ...]
) -> None:
    server = start(*options, env={"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url})
    trace, parent = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
    caller = {"traceparent": f"00-{trace}-{parent}-01"}
    one = httpx2.post(f"{server.url}/predict", json=row, headers=caller).json()
    many = httpx2.post(f"{server.url}/predict", json=[row] * 30).json()
    httpx2.post(f"{server.url}/predict", json={})
    # not sampled
    httpx2.post(
        f"{server.url}/predict", json=row, headers={"traceparent": f"00-{trace}-{parent}-00"}
    )
    httpx2.get(f"{server.url}/model")
    server.stop()
    assert server.process.returncode == 0

    first, second, third = receiver.spans()  # and no fourth
    assert {span.name for span in (first, second, third)} == {"POST /predict"}
    assert (first.trace_id.hex(), first.parent_span_id.hex()) == (trace, parent)
    common = {"http.request.method": "POST", "http.route": "/predict"}
    answered = {**common, "http.response.status_code": 200, "ml.model_versions": ["1"]}
    assert attributes(first) == {
        **answered,
        "ml.rows": 1,
        "ml.prediction_ids": [one["prediction_id"]],
    }
    ids = [answer["prediction_id"] for answer in many]
    assert attributes(second) == {**answered, "ml.rows": 30, "ml.prediction_ids": ids[:20]}
    assert attributes(third) == {**common, "http.response.status_code": 422}
    assert len({first.trace_id, second.trace_id, third.trace_id}) == 3
    assert receiver.services() == {"churn"}


def test_an_inference_is_a_span_too(start: Start, receiver: Receiver, row: Row) -> None:
    server = start(env={"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url})
    inputs = [
        {"name": name, "shape": [1], "datatype": "BYTES", "data": [value]}
        for name, value in row.items()
    ]
    inferred = httpx2.post(f"{server.url}/v2/models/churn/infer", json={"inputs": inputs}).json()
    httpx2.post(f"{server.url}/v2/models/other/infer", json={"inputs": inputs})
    server.stop()
    first, second = receiver.spans()
    common = {"http.request.method": "POST", "http.route": "/v2/models/{name}/infer"}
    ids = inferred["outputs"][0]["data"]
    answered = {"ml.model_versions": ["1"], "ml.rows": 1, "ml.prediction_ids": ids}
    assert attributes(first) == {**common, "http.response.status_code": 200, **answered}
    assert attributes(second) == {**common, "http.response.status_code": 404}


def test_a_collector_that_is_away_keeps_nobody_waiting(start: Start, row: Row) -> None:
    env = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{free_port()}",
        "OTEL_EXPORTER_OTLP_TIMEOUT": "1",
    }
    server = start(env=env)
    assert {httpx2.post(f"{server.url}/predict", json=row).status_code for _ in range(20)} == {200}
    server.stop()
    assert server.process.returncode == 0


@pytest.mark.parametrize(
    "env", [{}, {"OTEL_TRACES_EXPORTER": "none", ENDPOINTS[0]: "http://127.0.0.1:1"}]
)
def test_unasked_nothing_is_imported(
    settings: Settings, env: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"PYTHONPATH": str(HOME), **env}.items():
        monkeypatch.setenv(name, value)
    code = (
        "import sys; from ml.serving.api.app import create_app; "
        "from ml.serving.settings import load_settings;"
        "create_app(load_settings());"
        "heavy = ('opentelemetry.sdk', 'opentelemetry.exporter'); "
        "sys.exit(any(name.startswith(heavy) for name in sys.modules))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_what_is_missing_is_named(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318")
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(UserError, match="OTEL_EXPORTER_OTLP_ENDPOINT asks for traces") as raised:
        create_app(settings)
    assert (
        "pip install opentelemetry-sdk opentelemetry-exporter-otlp-proto-http" in raised.value.then
    )


def test_an_unknown_exporter_is_refused(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "zipkin")
    with pytest.raises(UserError, match="OTEL_TRACES_EXPORTER=zipkin: known here are otlp"):
        create_app(settings)
