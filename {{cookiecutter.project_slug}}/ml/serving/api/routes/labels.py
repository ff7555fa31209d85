"""`POST /labels`: outcomes of answered rows, by prediction id."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Request

from ml.contract import Target
from ml.errors import refusal
from ml.journal.labels import Label, LabelSchema, outcome_of
from ml.journal.store import JournalError
from ml.serving.api.routes.dependencies import CurrentService
from ml.serving.inference.admission import unavailable
from ml.serving.inference.service import Service

LABEL_SCHEMA = LabelSchema()

log = logging.getLogger(__name__)
router = APIRouter()


@router.post(
    "/labels",
    description="Record outcomes by prediction id; late, repeated and corrected ones are fine, "
    "the latest holds.",
)
def labels(request: Request, service: CurrentService) -> dict[str, int]:
    """Record outcomes, in a thread: the journal may have to wait for other writers."""
    listed, _ = LABEL_SCHEMA.parse(request.scope["body"])
    target = service.served.bundle.contract.target
    recorded, unknown = _record(
        service, [_label(target, i, label) for i, label in enumerate(listed)]
    )
    service.metrics.journal.labels_recorded.inc(recorded)
    return {"recorded": recorded, "unknown": unknown}


def _record(service: Service, labels: Sequence[Label]) -> tuple[int, int]:
    try:
        return service.journal.add_labels(labels)
    except JournalError as error:
        service.metrics.journal.label_failures.inc()
        log.warning("%d labels were not recorded: %s", len(labels), error)
        raise unavailable("journal", f"not recorded, because {error}") from None


def _label(target: Target, i: int, label: dict[str, Any]) -> Label:
    try:
        return label["prediction_id"], outcome_of(label["outcome"], target)
    except ValueError as error:
        raise refusal(422, "outcome", f"outcome: {error}", ("body", i, "outcome")) from None
