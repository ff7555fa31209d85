"""The usual service: FastAPI, a pydantic model, pandas and scikit-learn."""

from typing import Any

from fastapi import FastAPI
from predictor import Predictor
from pydantic import BaseModel, create_model

NUMBERS = {f"number_{i}": (float | None, ...) for i in range(12)}
CATEGORIES = {f"category_{i}": (str, ...) for i in range(6)}
Row: Any = create_model("Row", **NUMBERS, **CATEGORIES)  # type: ignore[call-overload]


class Body(BaseModel):
    """Rows."""

    rows: list[Row]


app = FastAPI()
predict = Predictor()


@app.post("/predict")
async def answer(body: Body) -> list[list[float]]:
    """Probabilities."""
    return predict([row.model_dump() for row in body.rows])
