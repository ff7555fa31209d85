"""LitServe's server over the same pipeline. Run: python lit.py PORT."""

import sys
from typing import Any

import litserve
from predictor import Predictor


class Api(litserve.LitAPI):  # type: ignore[misc]
    """Predictions."""

    def setup(self, device: str) -> None:  # noqa: ARG002  # the name is LitServe's
        """Load the pipeline."""
        self._predict = Predictor()

    def decode_request(self, request: dict[str, Any]) -> Any:
        """The rows."""
        return request["rows"]

    def predict(self, x: Any) -> Any:
        """Probabilities."""
        return self._predict(x)

    def encode_response(self, output: Any) -> Any:
        """As they are."""
        return output


if __name__ == "__main__":
    server = litserve.LitServer(Api(), accelerator="cpu", workers_per_device=2)
    server.run(
        port=int(sys.argv[1]),
        host="127.0.0.1",
        num_api_servers=1,
        generate_client_file=False,
        log_level="warning",
    )
