"""A fitted model as ONNX and rows that it has not seen."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from ml.bundle import Answer, load_onnx
from ml.contract import Contract
from ml.dataset.frame import encode_frame, target_codes
from ml.encode import Encoder
from ml.params import Params
from ml.pipeline.evaluation.card_figures import HeldOut
from ml.pipeline.train import fit
from ml.pipeline.training.onnx_convert import to_onnx
from tests.conftest import unhashed


@pytest.fixture(scope="session")
def fitted(
    contract: Contract, params: Params, make_frame: Callable[..., pd.DataFrame]
) -> tuple[HeldOut, Answer]:
    frame = make_frame(1600)
    x, y = encode_frame(frame, Encoder(contract)), target_codes(frame, contract)
    boosting = params.train.model_copy(update={"model": "boosting"})
    onnx = to_onnx(fit(unhashed(x[:800], y[:800]), contract, boosting).model, contract)
    held_out = HeldOut(frame[800:], x[800:], np.asarray(y[800:]))
    return held_out, load_onnx(onnx)
