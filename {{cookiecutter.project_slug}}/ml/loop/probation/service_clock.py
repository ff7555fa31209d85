"""What the service counted since a promotion, from its own /metrics.

The service is asked and not Prometheus, which may be down or not there at all. Counters of a
service that was started again begin at 0; then all of the new ones came since.
Reads: /metrics of ML_SERVICE_URL or loop.service, with the first of ML_API_KEYS where there are
keys.
"""

from __future__ import annotations

import os
import urllib.request
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from ml.errors import UserError
from ml.loop.probation.decision import KNOWN_REQUESTS, Counts
from ml.params import Params

SECONDS = 5.0  # that the service has to answer
OVERLOAD = "503"  # says nothing about the model: the journal, or too many requests
SLOWEST = 0.99  # of the requests before were quicker than the limit of the slow ones …
BUCKETS = 2  # … which is so many buckets of the histogram beyond it: five times as long or so


@dataclass(frozen=True)
class Reading:
    """The service's counters at one moment, from its start on.

    Args:
        at: unix seconds.
        version: that answers.
        requests: that were answered, or failed by the model.
        failures: errors, and requests that the fallback answered.
        seconds: requests by time: (upper bound, requests up to it), ascending.
    """

    at: float
    version: str
    requests: int
    failures: int
    seconds: tuple[tuple[float, int], ...]

    def as_json(self) -> dict[str, Any]:
        """The values of a JSON object."""
        return asdict(self)


def reading_of(values: dict[str, Any]) -> Reading:
    """A reading from the values of `as_json`."""
    seconds = tuple((float(bound), int(count)) for bound, count in values["seconds"])
    return Reading(**{**values, "seconds": seconds})


def address(params: Params) -> str:
    """Where the service answers: ML_SERVICE_URL, loop.service, or this machine.

    The variable is for containers: there the service has a name that a clone elsewhere has not.
    """
    given = os.environ.get("ML_SERVICE_URL") or params.loop.service
    return (given or f"http://127.0.0.1:{params.serve.port}").rstrip("/")


def read_service(base: str, at: float) -> Reading:
    """Ask the service for its counters.

    Args:
        base: its address.
        at: now, unix seconds.

    Raises:
        UserError: it does not answer, or it answers something else.
    """
    try:
        return parse(_page(f"{base}/metrics"), at)
    except (OSError, ValueError) as error:
        raise UserError(
            f"{base}/metrics: {error}", "make serve, or the service's address as loop.service"
        ) from None


def _page(url: str) -> str:
    if not url.startswith(("http://", "https://")):
        raise ValueError("not an address of HTTP")
    keys = os.environ.get("ML_API_KEYS", "").split(",")[0].strip()
    request = urllib.request.Request(url, headers={"X-API-Key": keys} if keys else {})  # noqa: S310
    with urllib.request.urlopen(request, timeout=SECONDS) as answer:  # noqa: S310
        text: str = answer.read().decode()
    return text


def parse(page: str, at: float) -> Reading:
    """The counters of a page in Prometheus' text format.

    Raises:
        ValueError: it is no such page, or no version answers.
    """
    samples = [s for family in text_string_to_metric_families(page) for s in family.samples]
    serving = [s for s in samples if s.name == "ml_bundle_serving" and s.value == 1]
    if not serving:
        raise ValueError("no version answers there")
    statuses = {s.labels["status"]: int(s.value) for s in samples if s.name == "ml_requests_total"}
    errors = sum(n for status, n in statuses.items() if status >= "500" and status != OVERLOAD)
    fallback = sum(s.value for s in samples if s.name == "ml_fallback_answers_total")
    buckets = (
        (float(s.labels["le"]), int(s.value))
        for s in samples
        if s.name == "ml_request_seconds_bucket"
    )
    return Reading(
        at=at,
        version=serving[0].labels["version"],
        requests=statuses.get("200", 0) + errors,
        failures=errors + int(fallback),
        seconds=tuple(sorted(buckets)),
    )


def counts(readings: Sequence[Reading]) -> tuple[Counts | None, list[Counts]]:
    """The requests before the first reading, and those from each reading to the next."""
    if not readings:
        return None, []
    place = _slow_place(readings[0])
    totals = [_total(reading, place) for reading in readings]
    since = [_since(a, b) for a, b in pairwise(totals)]
    return totals[0], since


def _slow_place(before: Reading) -> int | None:
    """The bucket beyond which a request is slow; None: too few to tell."""
    total = before.seconds[-1][1] if before.seconds else 0
    if total < KNOWN_REQUESTS:
        return None
    usual = next(i for i, (_, count) in enumerate(before.seconds) if count >= SLOWEST * total)
    return min(usual + BUCKETS, len(before.seconds) - 1)


def _total(reading: Reading, place: int | None) -> Counts:
    slow = 0
    if place is not None and len(reading.seconds) > place:
        slow = reading.seconds[-1][1] - reading.seconds[place][1]
    return Counts(reading.requests, reading.failures, slow)


def _since(earlier: Counts, later: Counts) -> Counts:
    if later.requests < earlier.requests:  # it was started again
        return later
    return Counts(
        later.requests - earlier.requests,
        max(0, later.failures - earlier.failures),
        max(0, later.slow - earlier.slow),
    )
