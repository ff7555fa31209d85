"""Who takes part in the benchmark: this service, the floor, and servers to use instead."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Contender:
    """A server: how it is started, what it needs besides this project, where and what to ask."""

    name: str
    command: (
        # with {python} and {bin} of its environment, {port}, {work} and {peers}; split at spaces,
        # then filled in
        str
    )
    path: str = "/predict"
    form: str = "rows"  # which body it reads, see `model._write_bodies`
    packages: tuple[str, ...] = ()  # empty: this project's environment
    ready: str = ""  # path that answers when it is ready; empty: the request itself


CONNECTIONS = (1, 16, 64)
BATCH = 1000  # rows
BATCH_CONNECTIONS = 4

OURS, BARE = "this service", "bare ASGI app"
SKLEARN = ("scikit-learn>=1.9,<2", "pandas>=2.3,<3.1", "skops>=0.13,<1")
UVICORN = "--workers 2 --no-access-log --log-level warning --loop uvloop --http httptools"

CONTENDERS = (
    Contender(OURS, "{python} -m ml serve --port {port} --workers 2", ready="/health/ready"),
    Contender(BARE, f"{{python}} -m uvicorn bare:app --port {{port}} {UVICORN}"),
    Contender(
        "FastAPI, pandas, scikit-learn",
        f"{{python}} -m uvicorn fastapi_sklearn:app --port {{port}} {UVICORN}",
        form="list",
    ),
    Contender(
        "mlflow models serve",
        "{python} -m mlflow models serve -m {work}/mlflow-model --env-manager local "
        "--port {port} --workers 2",
        path="/invocations",
        form="mlflow",
        packages=("mlflow>=3.17,<4", *SKLEARN),
    ),
    Contender(
        "BentoML",
        "{python} -m bentoml serve bento:Service --host 127.0.0.1 --port {port}",
        form="list",
        packages=("bentoml>=1.4,<2", *SKLEARN),
    ),
    Contender(
        "LitServe",
        "{python} {peers}/lit.py {port}",
        form="list",
        packages=("litserve>=0.2,<1", *SKLEARN),
    ),
    Contender(
        "MLServer",
        "{bin}/mlserver start {work}/mlserver-{port}",
        path="/v2/models/churn/infer",
        form="v2",
        packages=("mlserver>=1.6,<2", "uvloop<0.22", *SKLEARN),
    ),
)
