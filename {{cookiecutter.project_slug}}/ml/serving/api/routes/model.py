"""`/model`: which model answers; `/model/card`: what a person needs to know of it."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from ml.bundle import CARD_MARKDOWN, CARD_PAGE
from ml.errors import refusal
from ml.serving.api.routes.dependencies import PAGE_HEADERS, CurrentService

CARD = "/model/card"
MARKDOWN = "text/markdown"

router = APIRouter()


@router.get("/model")
async def model(service: CurrentService) -> dict[str, Any]:
    """Version, lineage, metrics and contract of the model that answers."""
    bundle = service.served.bundle
    return {
        "name": bundle.lineage.get("name"),
        "version": bundle.version,
        "lineage": bundle.lineage,
        **bundle.model,
        "contract": bundle.contract.model_dump(mode="json"),
    }


@router.get(
    CARD,
    response_class=Response,
    responses={200: {"content": {"text/html": {}, MARKDOWN: {}}}},
)
async def card(request: Request, service: CurrentService) -> Response:
    """The card of the model that answers: a page, or Markdown (`?format=md`, or by Accept)."""
    markdown = _wants_markdown(request)
    written = service.served.bundle.card.get(CARD_MARKDOWN if markdown else CARD_PAGE)
    if written is None:
        raise refusal(404, "card", "the release that answers has no model card", ("path",))
    kind = MARKDOWN if markdown else "text/html"
    return Response(written, media_type=f"{kind}; charset=utf-8", headers=PAGE_HEADERS)


def _wants_markdown(request: Request) -> bool:
    asked = request.query_params.get("format")
    if asked not in (None, "html", "md"):
        raise refusal(422, "format", "format is html or md", ("query", "format"))
    accepted = request.headers.get("accept", "")
    return asked == "md" or (asked is None and MARKDOWN in accepted)
