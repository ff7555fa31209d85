"""The command in a project under git and DVC.

What it writes, what it keeps, and where data may come from.
"""

from __future__ import annotations

import functools
import http.server
import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import boto3
import numpy as np
import pandas as pd
import pytest
from moto.server import ThreadedMotoServer

from ml.adopt.append import append
from ml.adopt.commands import adopt
from ml.contract import Categorical, load_contract
from ml.errors import UserError
from ml.pipeline import ingest

PARAMS = Path(__file__).parents[2] / "params.yaml"


@pytest.fixture(scope="session")
def empty_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """git, DVC and the settings; no data yet."""
    project = tmp_path_factory.mktemp("adopt") / "project"
    project.mkdir()
    shutil.copyfile(PARAMS, project / "params.yaml")
    (project / ".gitignore").write_text("/data/raw/\n/data/quarantine/\n")
    subprocess.run(["git", "init", "-q"], cwd=project, check=True)
    subprocess.run([sys.executable, "-m", "dvc", "init", "-q"], cwd=project, check=True)
    return project


@pytest.fixture
def project(empty_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, the current folder while the test runs."""
    copy = tmp_path / "project"
    shutil.copytree(empty_project, copy)
    monkeypatch.chdir(copy)
    return copy


def _visits(n: int = 200, seed: int = 0, top: float = 50) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    size = rng.uniform(0, top, n).round(1)
    return pd.DataFrame(
        {"size": size, "plan": rng.choice(["a", "b"], n), "won": np.where(size > 20, "yes", "no")}
    )


def _write(name: str, frame: pd.DataFrame, sep: str = ",", encoding: str = "utf-8") -> str:
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    frame.to_csv(name, index=False, sep=sep, encoding=encoding)
    return name


def _state() -> dict[str, bytes]:
    """Every file that adopt writes."""
    files = [Path("contract.yaml"), Path("data/raw.dvc"), *Path("data/raw").iterdir()]
    return {str(f): f.read_bytes() for f in files}


def _parts() -> list[str]:
    return sorted(p.name for p in Path("data/raw").iterdir())


def test_adopting_twice_changes_nothing(project: Path) -> None:
    file = _write("My visits 2024.csv", _visits())
    adopt(file, target="won", drop=[])
    assert _parts() == ["0001-My_visits_2024.csv"]
    assert Path("data/raw/0001-My_visits_2024.csv").read_bytes() == Path(file).read_bytes()
    before = _state()
    adopt(file, target="won", drop=[])
    assert _state() == before


def test_a_doubt_stands_above_its_column_in_the_contract(project: Path) -> None:
    frame = _visits().assign(depth=lambda f: np.where(f.index % 9 == 0, -999, f.index % 40))
    adopt(_write("visits.csv", frame), target="won", drop=[])
    lines = Path("contract.yaml").read_text().splitlines()
    at = next(i for i, line in enumerate(lines) if "-999 read as missing" in line)
    assert lines[at].strip().startswith("#")
    assert lines[at + 1].strip() == "- name: depth"


def test_the_table_fits_eighty_columns_and_names_the_next_command(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    adopt(_write("visits.csv", _visits()), target="won", drop=[])
    said = capsys.readouterr().out
    assert max(map(len, said.splitlines())) <= 80
    assert said.rstrip().endswith("next: make flow")
    assert "categorical" in said


def test_a_newer_file_replaces_the_old_one_while_nobody_edited(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    adopt(_write("visits.csv", _visits()), target="won", drop=[])
    adopt(
        _write("newer.csv", _visits(top=90).assign(age=np.arange(200) % 70)), target="won", drop=[]
    )
    assert _parts() == ["0001-newer.csv"]
    said = capsys.readouterr().out
    assert "~ size" in said
    assert "+ age" in said
    assert load_contract().names == ["size", "plan", "age"]


def test_a_persons_edits_are_never_overwritten(project: Path) -> None:
    adopt(_write("visits.csv", _visits()), target="won", drop=[])
    edited = Path("contract.yaml").read_text().replace("levels: [a, b]", "levels: [a, b, c]")
    Path("contract.yaml").write_text(edited)
    before = _state()
    newer = _write("newer.csv", _visits(seed=1, top=50))
    with pytest.raises(UserError, match="edited since adopt wrote it"):
        adopt(newer, target="won", drop=[])
    assert _state() == before
    assert load_contract(Path("contract.proposed.yaml")) != load_contract()
    adopt("visits.csv", target="won", drop=[])  # the same data: nothing to ask
    assert _state() == before
    adopt(newer, target="won", drop=[], contract="keep")
    assert Path("contract.yaml").read_text() == edited
    assert _parts() == ["0001-newer.csv"]
    with pytest.raises(UserError, match=r'column "size"'):
        adopt(_write("far.csv", _visits(top=500)), target="won", drop=[], contract="keep")
    adopt("far.csv", target="won", drop=[], contract="replace")
    plan = load_contract().get("plan")
    assert isinstance(plan, Categorical)
    assert plan.levels == ("a", "b")
    assert not Path("contract.proposed.yaml").exists()


def test_a_contract_that_is_broken_can_be_replaced(project: Path) -> None:
    adopt(_write("visits.csv", _visits()), target="won", drop=[])
    whole = Path("contract.yaml").read_text()
    Path("contract.yaml").write_text(whole.replace("kind: numeric", "kind: numbr"))
    with pytest.raises(UserError, match=r"contract\.yaml"):
        adopt("visits.csv", target="won", drop=[])
    adopt("visits.csv", target="won", drop=[], contract="replace")
    assert Path("contract.yaml").read_text() == whole


def test_what_a_kill_left_behind_is_cleared(project: Path) -> None:
    """Killed between the two renames that swap data/raw.

    The new folder is half there, the old one set aside.
    """
    file = _write("visits.csv", _visits())
    for folder in ("data/.raw.new", "data/.raw.old/raw"):
        _write(f"{folder}/0001-other.csv", _visits(30))
    adopt(file, target="won", drop=[])
    assert _parts() == ["0001-visits.csv"]
    assert sorted(p.name for p in Path("data").iterdir()) == ["raw", "raw.dvc"]


def test_a_folder_of_parts_is_one_table(project: Path) -> None:
    frame = _visits()
    _write("parts/b.csv", frame[120:])
    _write("parts/a.csv", frame[:60])
    frame[60:120].to_parquet("parts/ab.parquet")
    Path("parts/readme.md").write_text("not a table")
    adopt("parts", target="won", drop=[])
    assert _parts() == ["0001-a.csv", "0002-ab.parquet", "0003-b.csv"]
    ingest.main()
    assert json.loads(Path("reports/ingest.json").read_text())["rows"] == 200
    assert pd.read_parquet("data/ingested.parquet")["size"].tolist() == frame["size"].tolist()


def test_a_part_that_keeps_the_contract_is_appended_once(project: Path) -> None:
    adopt(_write("visits.csv", _visits()), target="won", drop=[])
    contract = Path("contract.yaml").read_bytes()
    more = _write("more.csv", _visits(50, seed=2))
    append(more)
    append(more)
    assert _parts() == ["0001-visits.csv", "0002-more.csv"]
    assert Path("contract.yaml").read_bytes() == contract
    ingest.main()
    assert [p["rows"] for p in json.loads(Path("reports/ingest.json").read_text())["parts"]] == [
        200,
        50,
    ]
    adopt("visits.csv", target="won", drop=[])  # again: what was appended stays
    assert _parts() == ["0001-visits.csv", "0002-more.csv"]


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        (_visits(50).assign(size="tall"), r'column "size": 50 of 50 values are not numbers'),
        (_visits(50).drop(columns="plan"), r'column "plan" of contract.yaml is not in it'),
        (_visits(50).assign(fax=1), r'does not know its column "fax"'),
        (_visits(50).assign(plan="z"), r'column "plan"'),
        (_visits(50).assign(won="maybe"), r"not among the classes no, yes"),
        (_visits(50).assign(size=5000.0), r'column "size".*lies beyond'),
    ],
)
def test_a_part_that_breaks_the_contract_goes_to_quarantine(
    broken: pd.DataFrame, says: str, project: Path
) -> None:
    adopt(_write("visits.csv", _visits()), target="won", drop=[])
    before = _state()
    more = _write("more.csv", broken)
    for _ in range(2):
        with pytest.raises(UserError, match=says):
            append(more)
    assert _state() == before
    assert sorted(p.name for p in Path("data/quarantine").iterdir()) == [
        "more.csv",
        "more.csv.reason.txt",
    ]
    assert Path("data/quarantine/more.csv").read_bytes() == Path(more).read_bytes()
    assert "more.csv" in Path("data/quarantine/more.csv.reason.txt").read_text()


def test_another_separator_is_named_for_what_it_is(project: Path) -> None:
    adopt(_write("visits.csv", _visits()), target="won", drop=[])
    with pytest.raises(UserError, match='";" separates its columns'):
        append(_write("more.csv", _visits(50), sep=";"))


def test_another_encoding_is_named_for_what_it_is(project: Path) -> None:
    adopt(
        _write("visits.csv", _visits().assign(plan="größe"), encoding="latin-1"),
        target="won",
        drop=[],
    )
    with pytest.raises(UserError, match=r"it is utf-8, in contract\.yaml the encoding is latin-1"):
        append(_write("more.csv", _visits(50).assign(plan="größe")))


def _cyrillic(n: int = 200, seed: int = 0) -> pd.DataFrame:
    """Some of its lines are UTF-8 by accident when written as cp1251."""
    frame = _visits(n, seed)
    return frame.assign(
        plan=np.where(frame.index % 3 == 0, "Рё", np.where(frame["plan"] == "a", "дом", "мир"))
    )


def test_a_named_encoding_is_remembered(project: Path) -> None:
    """Lines that are UTF-8 by accident were refused as a mixture of encodings."""
    assert "Рё".encode("cp1251").decode("utf-8") == "и"
    adopt(
        _write("visits.csv", _cyrillic(), encoding="cp1251"),
        target="won",
        drop=[],
        encoding="Windows-1251",
    )
    contract = load_contract()
    plan = contract.get("plan")
    assert isinstance(plan, Categorical)
    assert plan.levels == ("Рё", "дом", "мир")
    assert contract.source.encoding == "cp1251"
    assert "is not UTF-8" not in Path("contract.yaml").read_text()
    append(_write("more.csv", _cyrillic(90, seed=1), encoding="cp1251"))
    append(_write("named.csv", _cyrillic(80, seed=2), encoding="cp1251"), "cp1251")
    ingest.main()
    assert set(pd.read_parquet("data/ingested.parquet")["plan"]) == set(plan.levels)
    with pytest.raises(UserError, match=r"it is cp1252, in contract\.yaml the encoding is cp1251"):
        append(_write("other.csv", _cyrillic(50).assign(plan="größe"), encoding="cp1252"), "cp1252")


def test_a_guessed_encoding_is_a_doubt(project: Path) -> None:
    # one line is UTF-8 by accident
    frame = _visits().assign(plan=lambda f: np.where(f.index == 7, "Ã¼", "größe"))
    adopt(_write("visits.csv", frame, encoding="latin-1"), target="won", drop=[])
    assert load_contract().source.encoding == "latin-1"
    said = " ".join(
        line.removeprefix("#").strip() for line in Path("contract.yaml").read_text().splitlines()
    )
    assert (
        "visits.csv is not UTF-8 (first: line 2), read as latin-1, though 1 lines could be UTF-8"
        in said
    )
    append(_write("more.csv", frame[:50].assign(plan="größe"), encoding="latin-1"))


def test_an_encoding_that_bytes_leave_open_can_be_named(project: Path) -> None:
    """Every letter of the new part is UTF-8 by accident."""
    frame = _visits().assign(plan=lambda f: np.where(f.index % 9 == 0, "Ã¼", "größe"))
    adopt(_write("visits.csv", frame, encoding="latin-1"), target="won", drop=[])
    more = _write("more.csv", _visits(50).assign(plan="Ã¼"), encoding="latin-1")
    with pytest.raises(UserError, match="ENCODING=latin-1"):
        append(more)
    append(more, "latin1")
    ingest.main()
    assert set(pd.read_parquet("data/ingested.parquet")["plan"]) == {"Ã¼", "größe"}


def test_the_demo_is_adopted_like_any_table(project: Path) -> None:
    adopt("demo", target=None, drop=[])
    contract = load_contract()
    assert (contract.target.name, contract.time, contract.id) == (
        "churned",
        "observed_at",
        "customer_id",
    )
    ingest.main()
    assert json.loads(Path("reports/ingest.json").read_text())["rows"] == 20_000


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
    _visits().to_csv(folder / "visits.csv", index=False)
    adopt(f"{address}/visits.csv", target="won", drop=[])
    assert address in Path("data/source/visits.csv.dvc").read_text()
    subprocess.run(["git", "add", "-A"], check=True)
    who = ["-c", "user.name=test", "-c", "user.email=test@example.invalid"]
    subprocess.run(["git", *who, "commit", "-qm", "first"], check=True)
    _visits(300, seed=3).to_csv(folder / "visits.csv", index=False)
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
            Bucket="tables", Key="in/visits.csv", Body=_visits().to_csv(index=False).encode()
        )
        adopt("s3://tables/in/visits.csv", target="won", drop=[])
        assert _parts() == ["0001-visits.csv"]
        client.put_object(
            Bucket="tables", Key="in/visits.csv", Body=_visits(90).to_csv(index=False).encode()
        )
        _dvc("update", "data/source/visits.csv.dvc")
        assert len(pd.read_csv("data/source/visits.csv")) == 90
    finally:
        server.stop()
