"""The life of one model: adopt, pipeline, release, serving, monitoring, loop (see README.md for the map)."""

import os

# ONNX Runtime reports its use to its makers unless this stands in the environment when it is
# imported
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
