"""What the package shap says of given models: `python shap_checks.py folder`.

Reads NAME.onnx and NAME.npz (row, reference, place) of each case; prints {NAME: contributions}.
Run by test_shap.py in the environment of requirements/explainers.txt.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import shap

SAMPLES = 20_000  # coalitions of the sampling explainer


def contributions(case: Path) -> list[float]:
    """Exact values of up to ten columns; of more those of the sampling explainer."""
    given = np.load(case)
    session = onnxruntime.InferenceSession(str(case.with_suffix(".onnx")))
    place = int(given["place"])

    def answer(x: Any) -> Any:
        return session.run(None, {"x": x.astype(np.float32)})[0][:, place].astype(np.float64)

    row, reference = given["row"][None], given["reference"]
    if row.shape[1] <= 10:
        masker = shap.maskers.Independent(reference, max_samples=len(reference))
        return list(shap.explainers.Exact(answer, masker)(row).values[0])
    np.random.seed(0)  # shap draws from it
    explainer = shap.SamplingExplainer(answer, reference)
    return list(explainer.shap_values(row, nsamples=SAMPLES, silent=True)[0])


folder = Path(sys.argv[1])
print(json.dumps({case.stem: contributions(case) for case in sorted(folder.glob("*.npz"))}))
