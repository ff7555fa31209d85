"""OpenTelemetry: a span for each request for predictions, if the environment asks for it.

Else its SDK is not imported.

Reads: OpenTelemetry's own variables: OTEL_EXPORTER_OTLP_ENDPOINT (or
OTEL_EXPORTER_OTLP_TRACES_ENDPOINT) or OTEL_TRACES_EXPORTER (otlp, console, none) turn it on;
OTEL_SERVICE_NAME, OTEL_TRACES_SAMPLER and the others hold.
Spans are made by hand, around requests for predictions only: with the whole application
instrumented it answered a third as many requests.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ml.errors import UserError
from ml.journal.records import first_ids

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span

    from ml.serving.inference.predictor import Answered

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
PACKAGES = "opentelemetry-sdk opentelemetry-exporter-otlp-proto-http"


def requested_exporter() -> str | None:
    """The variable that asks for traces, or None."""
    if os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return None
    if exporter := os.environ.get("OTEL_TRACES_EXPORTER"):
        return None if exporter == "none" else "OTEL_TRACES_EXPORTER"
    return next((name for name in ENDPOINTS if os.environ.get(name)), None)


class Tracing:
    """Spans around requests.

    Args:
        name: the service's name, unless OTEL_SERVICE_NAME says another.

    Raises:
        UserError: OpenTelemetry is not installed, or the exporter is not one of those above.
    """

    def __init__(self, name: str) -> None:
        try:
            from opentelemetry.trace import SpanKind, StatusCode
            from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

            self._provider = _provider(name)
        except ImportError:
            raise UserError(
                f"{requested_exporter()} asks for traces, and OpenTelemetry is not installed",
                f"pip install {PACKAGES}",
            ) from None
        self._tracer = self._provider.get_tracer("ml.serving")
        self._kind, self._error = SpanKind.SERVER, StatusCode.ERROR
        self._parent = TraceContextTextMapPropagator().extract

    def wrap(self, app: ASGIApp, route: str) -> ASGIApp:
        """An application for `POST` on a route, each request in a span of its caller's trace."""
        begun = {"http.request.method": "POST", "http.route": route}

        async def traced(scope: Scope, receive: Receive, send: Send) -> None:
            parent = self._parent(_trace_headers(scope))
            with self._tracer.start_as_current_span(
                f"POST {route}",
                parent,
                self._kind,
                begun,
                record_exception=False,  # its message may repeat a value of the request
                set_status_on_exception=False,
            ) as span:
                try:
                    await app(scope, receive, self._recording_status(send, span))
                except Exception as error:
                    span.set_status(self._error, type(error).__name__)
                    raise
                if span.is_recording() and "answered" in scope:
                    span.set_attributes(_attributes(scope["answered"]))

        return traced

    def _recording_status(self, send: Send, span: Span) -> Send:
        """A `send` that notes the answer's status in the span."""

        async def sending(message: Message) -> None:
            if "status" in message:
                span.set_attribute("http.response.status_code", message["status"])
                if message["status"] >= 500:
                    span.set_status(self._error)
            await send(message)

        return sending

    def close(self) -> None:
        """Send the spans that wait."""
        self._provider.shutdown()


def _trace_headers(scope: Scope) -> dict[str, str]:
    """`traceparent` and `tracestate` of a request."""
    return {
        name.decode("latin-1"): value.decode("latin-1")
        for name, value in scope["headers"]
        if name.startswith(b"trace")
    }


def _attributes(answered: Answered) -> dict[str, Any]:
    entries = answered.entries
    return {
        "ml.rows": sum(entry.rows for entry in entries),
        "ml.prediction_ids": first_ids(entries),
        "ml.model_versions": sorted({entry.version for entry in entries}),
    }


def _provider(name: str) -> TracerProvider:
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    named = {} if "OTEL_SERVICE_NAME" in os.environ else {"service.name": name}
    provider = TracerProvider(resource=Resource.create(named), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(_exporter()))
    return provider


def _exporter() -> Any:
    name = os.environ.get("OTEL_TRACES_EXPORTER") or "otlp"
    if name == "otlp":
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        return OTLPSpanExporter()
    if name == "console":
        from opentelemetry.sdk.trace.export import ConsoleSpanExporter

        return ConsoleSpanExporter()
    raise UserError(
        f"OTEL_TRACES_EXPORTER={name}: known here are otlp (over HTTP), console, none",
        "correct or unset it",
    )
