"""What every scikit-learn peer does with rows: a frame, the pipeline, probabilities."""

import os
from pathlib import Path
from typing import Any

import pandas as pd
import skops.io

PATH = Path(os.environ["BENCH_WORK"]) / "peer.skops"


class Predictor:
    """The pipeline, loaded."""

    def __init__(self) -> None:
        self._model = skops.io.load(PATH, trusted=skops.io.get_untrusted_types(file=PATH))
        self._names = list(self._model.feature_names_in_)
        self._numbers = [name for name in self._names if name.startswith("number_")]

    def __call__(self, rows: list[dict[str, Any]]) -> list[list[float]]:
        """Rows to probabilities."""
        return self.frame(pd.DataFrame(rows, columns=self._names))

    def frame(self, frame: pd.DataFrame) -> list[list[float]]:
        """A frame to probabilities."""
        answers: list[list[float]] = self._model.predict_proba(
            frame.astype(dict.fromkeys(self._numbers, float))
        ).tolist()
        return answers
