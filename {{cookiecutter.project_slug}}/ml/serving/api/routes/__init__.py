"""The routes, a module for each resource; those with a router are included in app.py.

predict.py          `POST /predict`, and the core of every route that answers rows
dependencies.py     what FastAPI hands to the routes below
health.py           `/health/…`
model.py            `/model`
metrics.py          `/metrics`
pages.py            the pages for people, and `/openapi.json`
labels.py           `POST /labels`
explain.py          `POST /explain`, and the same for KServe
open_inference.py   `/v2/…`, the Open Inference Protocol
kserve_v1.py        `/v1/…`, KServe's first protocol
mlflow.py           `/invocations`, `/ping`, `/health`, `/version`: `mlflow models serve`
"""
