"""Parts that tests of several rooms share: a contract with every kind, its rows, a project."""

from __future__ import annotations

import fcntl
import os
import resource
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial, reduce
from operator import getitem
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from ruamel.yaml import YAML

from ml.contract import Boolean, Categorical, Contract, Datetime, Integer, Numeric, Target
from ml.dataset.frame import typed
from ml.dataset.typed import read_typed
from ml.journal import group_commit
from ml.params import Params, load_params
from ml.pipeline.training.rows import Rows
from tests.journal.postgresql import Database

# a person's own servers are not for tests to write to
for engine in ("MLFLOW_TRACKING_URI", "JOURNAL_URL"):
    os.environ.pop(engine, None)
for keys in ("ML_SIGNING_KEY_FILE", "ML_VERIFY_KEYS", "ML_VERIFY_KEYS_FILE"):  # nor to ask for
    os.environ.pop(keys, None)

HERE = Path(__file__).parents[1]
PARTS = ("ml", "dvc.yaml", "recipe.yaml", "pyproject.toml", ".dvc", ".dvcignore", ".gitignore")
SETTINGS = {  # what these tests count on, whatever a person has made of params.yaml
    "name": "life",
    "split.test_share": 0.2,
    "split.seed": 7,
    "train.model": "boosting",
    "train.class_weight": None,
    "train.search.trials": 0,
    "train.boosting.max_iter": 300,
    "train.boosting.max_leaf_nodes": 15,
    "validate.max_out_of_range": 0.05,
    "evaluate.metric": "auto",
    "release.min_gain_over_baseline": 0.01,
    "loop.retrain_share": 0.0,
    "release.min_rows": 100,
    "release.min_gain": 0.0,
    "release.min_gain_after_decay": None,
    "release.max_slice_loss": 0.0,
    "release.max_calibration_loss": 0.05,
    "release.may_alarm": False,
    "release.max_flips": None,
    "release.max_latency_ms": 50,
    "monitor.max_loss": 0.02,
}


def write_settings(path: Path, **changes: object) -> None:
    """params.yaml with the values above and those given (`train__boosting__max_iter=1`)."""
    yaml = YAML()
    values = yaml.load((HERE / "params.yaml").read_text(encoding="utf-8"))
    wanted = {name.replace("__", "."): value for name, value in changes.items()}
    for name, value in {**SETTINGS, **wanted}.items():
        *blocks, key = name.split(".")
        reduce(getitem, blocks, values)[key] = value
    with path.open("w", encoding="utf-8") as file:
        yaml.dump(values, file)


def read_frame(path: Path, contract: Contract) -> pd.DataFrame:
    """A raw part as a typed frame."""
    return typed(read_typed(path, contract).table.to_pandas(), contract)


def unhashed(x: NDArray[Any], y: NDArray[Any]) -> Rows:
    """Encoded rows and targets, each row with its number in place of a hash."""
    return Rows(x, y, np.arange(len(y), dtype=np.uint64))


@contextmanager
def full_disk(limit: int) -> Iterator[None]:
    """No file of this process can grow beyond so many bytes, which is what `ulimit -f` does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """The group commit as on a quick machine, however busy this one is."""
    for name, seconds in {
        "QUICK_SECONDS": 60.0,
        "GATHER_SECONDS": 1.0,
        "RECENT_SECONDS": 60.0,
    }.items():
        monkeypatch.setattr(group_commit, name, seconds)


@pytest.fixture(scope="session")
def contract() -> Contract:
    """Every kind that is a feature, a missing value allowed in each but one."""
    return Contract(
        target=Target(name="left", task="binary", classes=("no", "yes")),
        time="seen",
        id="customer",
        columns=(
            Numeric(name="charge", kind="numeric", missing=True, min=0, max=200),
            Integer(name="calls", kind="integer", min=0, max=9),
            Boolean(name="paperless", kind="boolean", missing=True),
            Categorical(
                name="plan", kind="categorical", levels=("basic", "plus", "pro"), missing=True
            ),
            Categorical(
                name="city",
                kind="categorical",
                levels=("Oslo", "Łódź"),
                unseen="pool",
                missing=True,
            ),
            Datetime(name="seen", kind="datetime", parts=("month", "weekday")),
        ),
    )


def drawn(rng: np.random.Generator, values: tuple[object, ...], n: int) -> NDArray[Any]:
    """Values drawn n times, as objects."""
    return np.array(values, dtype=object)[rng.integers(0, len(values), n)]


@pytest.fixture(scope="session")
def make_frame(contract: Contract) -> Callable[..., pd.DataFrame]:
    """Typed rows of `contract`, drawn with a seed; a tenth of the numbers is missing."""

    def make(n: int, seed: int = 0) -> pd.DataFrame:
        rng = np.random.default_rng(seed)
        charge, calls = rng.uniform(0, 200, n), rng.integers(0, 10, n)
        risk = 1 / (1 + np.exp(-(charge - 100) / 30 - (calls - 5) / 3))
        frame = pd.DataFrame(
            {
                "charge": np.where(rng.random(n) < 0.1, np.nan, charge),
                "calls": calls.astype(float),
                "paperless": drawn(rng, (True, False, None), n),
                "plan": drawn(rng, ("basic", "plus", "pro", None), n),
                "city": drawn(rng, ("Oslo", "Łódź", "Bergen"), n),
                "seen": pd.Timestamp("2025-01-01") + pd.to_timedelta(np.arange(n), unit="h"),
                "left": np.where(rng.random(n) < risk, "yes", "no").astype(object),
                "customer": [f"c{i}" for i in range(n)],
            }
        )
        return typed(frame, contract)

    return make


@pytest.fixture(scope="session")
def params(tmp_path_factory: pytest.TempPathFactory) -> Params:
    """The settings that the tests count on."""
    path = tmp_path_factory.mktemp("settings") / "params.yaml"
    write_settings(path)
    return load_params(path)


@pytest.fixture(scope="session")
def released_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that has lived through adopt, dvc repro and the first release (copy it)."""
    return made_once(tmp_path_factory, "released", _release)


def _release(project: Path) -> None:
    copy_project(project)
    write_customers(project / "customers.csv", 1200)  # 253 are held out: enough to promote on
    ml(project, "adopt", "customers.csv", "--target", "left", "--id", "customer")
    command(project, "dvc", "repro", "-q")
    ml(project, "release")


@pytest.fixture(scope="session")
def retrained_project(tmp_path_factory: pytest.TempPathFactory, released_project: Path) -> Path:
    """`released_project` with a linear model, which is surely better there; not yet released."""
    train = partial(_train, released_project, train__model="linear")
    return made_once(tmp_path_factory, "linear", train)


@pytest.fixture(scope="session")
def worsened_project(tmp_path_factory: pytest.TempPathFactory, released_project: Path) -> Path:
    """`released_project` with a model of one split, not yet released."""
    one_split = partial(
        _train,
        released_project,
        train__boosting__max_iter=1,
        train__boosting__max_leaf_nodes=2,
    )
    return made_once(tmp_path_factory, "stump", one_split)


def _train(released: Path, project: Path, **changes: object) -> None:
    shutil.copytree(released, project, symlinks=True)
    write_settings(project / "params.yaml", **changes)
    command(project, "dvc", "repro", "-q")


@pytest.fixture(scope="session")
def releases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sealed bundles of small models: 1, 2 and 3 of a classification, `r` of a regression."""
    from tests.serving.conftest import write_releases

    return made_once(tmp_path_factory, "releases", write_releases)


def made_once(
    tmp_path_factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]
) -> Path:
    """A folder that is made by the first test process that asks for it; the others wait for it."""
    root = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent  # the folder of the run, which all its processes share
    project, done = root / name / "project", root / name / "done"
    project.parent.mkdir(exist_ok=True)
    with (root / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            make(project)
            done.touch()
    return project


def environment(
    tmp_path_factory: pytest.TempPathFactory, name: str, *, beside: bool = False
) -> Path:
    """The interpreter of an environment of its own, made of requirements/<name>.txt.

    Args:
        tmp_path_factory: of pytest; each environment is made once in a run.
        name: of the lock.
        beside: what is installed for the project is there too, where the lock does not say
            otherwise.
    """
    make = partial(_make_environment, name=name, beside=beside)
    return made_once(tmp_path_factory, f"environment-{name}", make) / "bin" / "python"


def _make_environment(folder: Path, name: str, beside: bool) -> None:
    uv, python = Path(sys.executable).with_name("uv"), str(folder / "bin" / "python")
    locked = ["--require-hashes", "-r", str(HERE / "requirements" / f"{name}.txt")]
    for words in (
        ["venv", "--python", sys.executable, str(folder)],
        ["pip", "install", "--python", python, *locked, *["--no-deps"] * beside],
    ):
        subprocess.run([str(uv), *words, "--quiet"], check=True)
    if beside:
        (packages,) = (folder / "lib").glob("python*/site-packages")
        ours = sysconfig.get_path("purelib")
        (packages / "beside.pth").write_text(f"import site; site.addsitedir({ours!r})\n")


@pytest.fixture
def project(released_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of `released_project` to work in; the current folder while the test runs."""
    return live_in(released_project, tmp_path / "project", monkeypatch)


def live_in(original: Path, copy: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Copy a project and make the copy the current folder while the test runs."""
    shutil.copytree(original, copy, symlinks=True)
    monkeypatch.chdir(copy)
    return copy


def copy_project(project: Path) -> None:
    """This project's code and settings in another folder under git, with its own name."""
    project.mkdir(parents=True)
    for part in PARTS:
        source = HERE / part
        if source.is_dir():
            shutil.copytree(
                source,
                project / part,
                ignore=shutil.ignore_patterns("__pycache__", "cache", "tmp", "*.db"),
            )
        else:
            shutil.copyfile(source, project / part)
    write_settings(project / "params.yaml")
    command(project, "git", "init", "-q")
    commit(project, "start")


def commit(project: Path, message: str) -> None:
    """Commit everything."""
    command(project, "git", "add", "-A")
    command(
        project,
        "git",
        "-c",
        "user.name=test",
        "-c",
        "user.email=test@example.invalid",
        "commit",
        "-qm",
        message,
    )


def write_customers(path: Path, n: int, seed: int = 0) -> None:
    """A small CSV whose target depends on two columns."""
    rng = np.random.default_rng(seed)
    charge, calls = rng.uniform(0, 200, n).round(2), rng.integers(0, 10, n)
    risk = 1 / (1 + np.exp(-(charge - 100) / 30 - (calls - 5) / 3))
    plan, left = (
        rng.choice(["basic", "plus", "pro"], n),
        np.where(rng.random(n) < risk, "yes", "no"),
    )
    ids = [f"c{seed}-{i}" for i in range(n)]
    pd.DataFrame(
        {"customer": ids, "charge": charge, "calls": calls, "plan": plan, "left": left}
    ).to_csv(path, index=False)


def command(project: Path, *words: str, ok: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a command in a project with this interpreter's tools first on the path."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        words,
        cwd=project,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert not ok or done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
    return done


def ml(project: Path, *words: str, ok: bool = True) -> subprocess.CompletedProcess[str]:
    """Run `ml …` in a project."""
    return command(project, sys.executable, "-m", "ml", *words, ok=ok)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Database]:
    """A running PostgreSQL."""
    # not pytest's folder: only its owner may look into that, and a socket's path has to be short
    with tempfile.TemporaryDirectory(prefix="pg") as folder:
        database = Database(Path(folder))
        database.start()
        yield database
        database.stop("immediate")
