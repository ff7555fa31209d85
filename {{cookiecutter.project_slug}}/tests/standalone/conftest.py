"""A project that serves, and tables for it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import httpx2
import pytest
from moto.server import ThreadedMotoServer
from s3fs import S3FileSystem

from ml.dataset.frame import frame_of_rows
from tests.serving.conftest import CLASSIFICATION, live_in_served_project, sample_rows

ROWS = sample_rows(CLASSIFICATION, 300)
for _i in range(0, 300, 7):
    ROWS[_i]["monthly charge"] = None
    ROWS[_i + 1]["city"] = "Atlantis"


@pytest.fixture(autouse=True)
def same_modules() -> Iterator[None]:
    """MLflow puts the code of a model that it loads first, where other processes would find it."""
    before = list(sys.path)
    yield
    sys.path[:] = before


@pytest.fixture
def project(releases: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project's folder with version 1 as its champion; the current folder of the test."""
    return live_in_served_project(releases, tmp_path, monkeypatch)


def written(
    path: Path, rows: list[dict[str, Any]], contract: Any = CLASSIFICATION, **how: Any
) -> Path:
    """The rows as a typed Parquet file, with a column that the contract does not know."""
    path.parent.mkdir(parents=True, exist_ok=True)
    frame_of_rows(rows, contract).assign(extra=range(len(rows))).to_parquet(path, **how)
    return path


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """The variables of an S3 API on loopback with the bucket `tables`; they are set."""
    server = ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    host, port = server.get_host_and_port()
    variables = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    S3FileSystem.clear_instance_cache()  # those of another test's server, whose objects moto keeps
    httpx2.post(f"{variables['AWS_ENDPOINT_URL']}/moto-api/reset").raise_for_status()
    try:
        boto3.client("s3").create_bucket(Bucket="tables")
        yield variables
    finally:
        server.stop()
