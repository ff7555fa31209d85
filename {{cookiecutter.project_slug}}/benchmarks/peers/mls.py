"""MLServer's runtime over the same pipeline."""

import numpy as np
import pandas as pd
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.codecs.string import StringCodec
from mlserver.types import InferenceRequest, InferenceResponse
from predictor import Predictor


class Model(MLModel):  # type: ignore[misc]
    """Predictions."""

    async def load(self) -> bool:
        """Load the pipeline."""
        self._predict = Predictor()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Probabilities."""
        columns = {i.name: _column(i) for i in payload.inputs}
        answers = np.array(self._predict.frame(pd.DataFrame(columns)))
        outputs = [NumpyCodec.encode_output("probabilities", answers)]
        return InferenceResponse(model_name=self.name, outputs=outputs)


def _column(sent: object) -> object:
    if sent.datatype == "BYTES":  # type: ignore[attr-defined]
        return StringCodec.decode_input(sent)
    return NumpyCodec.decode_input(sent).ravel()
