"""What FastAPI hands to the routes: the service of this process and the core of `POST /predict`."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from ml.serving.api.routes.predict import Predict
from ml.serving.inference.service import Service


async def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


async def _predict(request: Request) -> Predict:
    predict: Predict = request.app.state.predict
    return predict


# coroutines, because FastAPI calls other functions in threads
CurrentService = Annotated[Service, Depends(_service)]
CurrentPredict = Annotated[Predict, Depends(_predict)]
