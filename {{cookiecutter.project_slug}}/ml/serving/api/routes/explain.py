"""`POST /explain` and KServe's `/v1/models/{name}:explain`: why the model answers as it does.

The body is that of `POST /predict`. Nothing is journaled. See `ml.explain`.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from ml.explain.references import ALL
from ml.serving.api.routes.dependencies import CurrentService, check_model, read_body
from ml.serving.api.tables import read_instances

EXPLAIN = "/explain"
REFERENCE = Query(
    description="What an answer is compared with: `all` rows of the bundle, those of a level "
    "(`plan=basic`), or those that the model answers with a class (`churned=no`)."
)
Reference = Annotated[str, REFERENCE]

router = APIRouter()


@router.post(
    EXPLAIN,
    description="Why the model answers rows as it does: what each column contributes, and the "
    "nearest change that would change the class. The body is that of `POST /predict`, and so is "
    "the shape of the answer; nothing is recorded.",
)
async def explain(
    request: Request, service: CurrentService, reference: Reference = ALL
) -> Response:
    """Explain one row, or an array of rows."""
    answer = await service.explaining.explain(request.scope["body"], reference)
    return Response(answer, media_type="application/json")


@router.post("/v1/models/{name}:explain")
async def explain_v1(
    request: Request,
    service: CurrentService,
    name: Annotated[str, Path(min_length=1)],
    reference: Reference = ALL,
) -> Response:
    """Explain `instances`: `explanations` are what `POST /explain` answers."""
    check_model(service, name)
    rows = await read_body(request, read_instances, service.served.bundle.contract)
    answer = await service.explaining.explain(rows, reference)
    return Response(b'{"explanations":' + answer + b"}", media_type="application/json")
