"""What DATA may be: a folder of parts, an address that DVC follows; and what it may not be."""

from __future__ import annotations

import functools
import http.server
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import boto3
import pandas as pd
import pytest
from moto.server import ThreadedMotoServer

from ml.adopt.commands import adopt
from ml.errors import UserError
from ml.pipeline import ingest
from tests.adopt.refused import SOUND, refused
from tests.adopt.visits import parts, visits, write


def test_a_missing_file_names_the_nearest(folder: Path) -> None:
    Path("customers.csv").write_text(SOUND)
    assert 'no such file (there is "customers.csv")' in refused(None, file="customer.csv")


def test_a_folder_without_tables(folder: Path) -> None:
    Path("empty").mkdir()
    assert "a folder without tables" in refused(None, file="empty")


def test_parts_of_different_shapes(folder: Path) -> None:
    Path("parts").mkdir()
    Path("parts/1.csv").write_text(SOUND)
    Path("parts/2.csv").write_text(SOUND.replace("a,b,y", "a,c,y"))
    assert 'lacks the column "b"' in refused(None, file="parts")
    Path("parts/2.csv").write_text(SOUND.replace(",", ";"))
    assert 'separator ";"' in refused(None, file="parts")


def test_a_folder_of_parts_is_one_table(project: Path) -> None:
    frame = visits()
    write("parts/b.csv", frame[120:])
    write("parts/a.csv", frame[:60])
    frame[60:120].to_parquet("parts/ab.parquet")
    Path("parts/readme.md").write_text("not a table")
    adopt("parts", target="won", drop=[])
    assert parts() == ["0001-a.csv", "0002-ab.parquet", "0003-b.csv"]
    ingest.main()
    assert json.loads(Path("reports/ingest.json").read_text())["rows"] == 200
    assert pd.read_parquet("data/ingested.parquet")["size"].tolist() == frame["size"].tolist()


class _Tagged(http.server.SimpleHTTPRequestHandler):
    """A file server that tags versions, as any real one does."""

    def end_headers(self) -> None:
        path = Path(self.translate_path(self.path))
        if path.is_file():
            self.send_header("ETag", f'"{path.stat().st_mtime_ns}"')
        super().end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def web(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder and its address."""
    folder = tmp_path / "web"
    folder.mkdir()
    handler = functools.partial(_Tagged, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield folder, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def _dvc(*words: str) -> str:
    return subprocess.run(
        [sys.executable, "-m", "dvc", *words], capture_output=True, text=True, check=True
    ).stdout


@pytest.mark.slow
def test_an_address_is_followed_to_newer_versions(project: Path, web: tuple[Path, str]) -> None:
    folder, address = web
    visits().to_csv(folder / "visits.csv", index=False)
    adopt(f"{address}/visits.csv", target="won", drop=[])
    assert address in Path("data/source/visits.csv.dvc").read_text()
    subprocess.run(["git", "add", "-A"], check=True)
    who = ["-c", "user.name=test", "-c", "user.email=test@example.invalid"]
    subprocess.run(["git", *who, "commit", "-qm", "first"], check=True)
    visits(300, seed=3).to_csv(folder / "visits.csv", index=False)
    adopt(f"{address}/visits.csv", target="won", drop=[])
    ingest.main()
    assert json.loads(Path("reports/ingest.json").read_text())["rows"] == 300
    changed = _dvc("diff")
    assert "data/raw/0001-visits.csv" in changed
    assert "data/source/visits.csv" in changed


@pytest.mark.slow
def test_an_address_that_is_not_there(project: Path, web: tuple[Path, str]) -> None:
    with pytest.raises(UserError, match=r"none\.csv"):
        adopt(f"{web[1]}/none.csv", target="won", drop=[])
    assert not Path("contract.yaml").exists()


@pytest.mark.slow
def test_a_bucket_is_an_address_too(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    endpoint = "http://{}:{}".format(*server.get_host_and_port())
    for name, value in {
        "AWS_ENDPOINT_URL": endpoint, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    try:
        client = boto3.client("s3")
        client.create_bucket(Bucket="tables")
        client.put_object(
            Bucket="tables", Key="in/visits.csv", Body=visits().to_csv(index=False).encode()
        )
        adopt("s3://tables/in/visits.csv", target="won", drop=[])
        assert parts() == ["0001-visits.csv"]
        client.put_object(
            Bucket="tables", Key="in/visits.csv", Body=visits(90).to_csv(index=False).encode()
        )
        _dvc("update", "data/source/visits.csv.dvc")
        assert len(pd.read_csv("data/source/visits.csv")) == 90
    finally:
        server.stop()
