"""The pages for people, and the description of the API that they and clients read."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, Request, Response

from ml.serving.api.routes.dependencies import PAGE_HEADERS

FOLDER = Path(__file__).parents[1] / "pages"
PAGES = {
    "/": (FOLDER / "page.html").read_text(encoding="utf-8"),
    "/docs": (FOLDER / "docs.html").read_text(encoding="utf-8"),
}
router = APIRouter(include_in_schema=False)


@router.get("/")
@router.get("/docs")
async def page(request: Request) -> Response:
    """A page for people; it asks this service like any other client."""
    return Response(
        PAGES[request.url.path], media_type="text/html; charset=utf-8", headers=PAGE_HEADERS
    )


@router.get("/openapi.json")
async def openapi(request: Request) -> Response:
    """The description of the API."""
    return Response(request.app.state.document(), media_type="application/json")
