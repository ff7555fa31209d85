"""BentoML's service over the same pipeline."""

from typing import Any

import bentoml
from predictor import Predictor


@bentoml.service(workers=2, metrics={"enabled": False}, logging={"access": {"enabled": False}})
class Service:
    """Predictions."""

    def __init__(self) -> None:
        self._predict = Predictor()

    @bentoml.api
    async def predict(self, rows: list[dict[str, Any]]) -> list[list[float]]:
        """Probabilities."""
        return self._predict(rows)
