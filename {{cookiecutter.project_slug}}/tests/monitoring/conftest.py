"""A small world: a contract, a fitted model, its released reference, a journal of its answers."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from ml.contract import Contract, contract_json
from ml.dataset.frame import encode_frame, rows_of_frame, target_codes
from ml.encode import Encoder
from ml.journal.bulk.scan import Labels, Span
from ml.journal.records import Record, id_begin
from ml.journal.store import Journal
from ml.metrics import answers, score
from ml.model import make_model
from ml.monitoring.inputs.reference import Champion, load_champion
from ml.monitoring.inputs.window import read_window
from ml.monitoring.monitor import Checked, evaluate_window, run_checks
from ml.monitoring.verdict import Performance, Verdict
from ml.params import Params, load_params
from ml.pipeline.evaluate import reference

if TYPE_CHECKING:
    from numpy.typing import NDArray

DAY = 86_400.0
WEEK = 7 * DAY
NOW = 1_790_000_000.0  # unix seconds: the end of every window here

CONTRACT: dict[str, Any] = {
    "target": {"name": "left", "task": "binary", "classes": ["no", "yes"]},
    "time": "seen_at",
    "columns": [
        {"name": "seen_at", "kind": "datetime"},
        {"name": "charge", "kind": "numeric", "min": 0, "max": 1000},
        {"name": "tenure", "kind": "integer", "missing": True, "min": 0, "max": 72},
        {
            "name": "plan",
            "kind": "categorical",
            "levels": ["basic", "plus", "pro"],
            "unseen": "pool",
        },
        {"name": "paperless", "kind": "boolean"},
    ],
}


@dataclass(frozen=True)
class World:
    """A released model and the journal of its answers."""

    folder: Path
    contract: Contract
    params: Params
    model: Any
    journal: Journal


def customers(rows: int, seed: int, charge: float = 64.0, concept: float = 0.0) -> pd.DataFrame:
    """Typed rows with their outcome.

    `concept` turns what the charge means for it (0: as trained, 1: the opposite).
    """
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "seen_at": pd.Timestamp("2026-01-01")
            + pd.to_timedelta(np.sort(rng.uniform(0, 30, rows)), unit="D"),
            "charge": charge * rng.lognormal(0, 0.3, rows),
            "tenure": rng.integers(0, 72, rows).astype(float),
            "plan": rng.choice(["basic", "plus", "pro"], rows, p=[0.5, 0.3, 0.2]),
            "paperless": rng.random(rows) < 0.6,
        }
    )
    frame["seen_at"] = frame["seen_at"].astype("datetime64[us]")
    frame.loc[rng.random(rows) < 0.05, "tenure"] = np.nan
    for name in ("plan", "paperless"):
        frame[name] = frame[name].astype(object)
    pull = (1 - 2 * concept) * 2.5 * (frame["charge"] / 64 - 1) - 0.03 * (
        frame["tenure"].fillna(30) - 30
    )
    left = rng.random(rows) < 1 / (1 + np.exp(-(pull - 0.8 + 0.8 * (frame["plan"] == "basic"))))
    return frame.assign(left=np.where(left, "yes", "no").astype(object))


@pytest.fixture(scope="session")
def params() -> Params:
    """The project's own settings."""
    return load_params(Path(__file__).parents[2] / "params.yaml")


@pytest.fixture(scope="session")
def released(
    params: Params, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Contract, Any]:
    """A champion's folder with a real model's reference, made once."""
    contract = Contract.model_validate(CONTRACT)
    encoder = Encoder(contract)
    train, held = customers(4000, 1), customers(5000, 2)
    model = make_model(contract, params.train).fit(
        encode_frame(train, encoder), target_codes(train, contract)
    )
    answered = answers(model, encode_frame(held, encoder), contract)
    folder = tmp_path_factory.mktemp("serving") / "champion"
    folder.mkdir()
    reference(held, answered, contract).to_parquet(folder / "reference.parquet", index=False)
    metrics = score(target_codes(held, contract), answered, contract)
    about = {
        "model": "boosting",
        "metric": "roc_auc",
        "metrics": metrics,
        "importance": {"charge": 0.2, "tenure": 0.1},
    }
    lineage = {"name": "leavers", "version": "3", "released_at": "2026-09-01T00:00:00+00:00"}
    (folder / "contract.json").write_text(contract_json(contract))
    (folder / "model.json").write_text(json.dumps(about))
    (folder / "lineage.json").write_text(json.dumps(lineage))
    return folder, contract, model


@pytest.fixture(scope="session")
def champion(released: tuple[Path, Contract, Any]) -> Champion:
    """The released version as the monitor reads it."""
    return load_champion(released[0])


@pytest.fixture
def world(
    released: tuple[Path, Contract, Any],
    params: Params,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> World:
    """An empty journal beside the released champion; their folder is the working directory."""
    (tmp_path / "serving").mkdir()
    (tmp_path / "serving" / "champion").symlink_to(released[0])
    (tmp_path / "params.yaml").write_bytes((Path(__file__).parents[2] / "params.yaml").read_bytes())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JOURNAL_URL", f"sqlite:///{tmp_path}/serving/journal.db")
    journal = Journal()
    return World(tmp_path, released[1], params, released[2], journal)


def record(
    world: World,
    frame: pd.DataFrame,
    start: float = NOW - 30 * DAY,
    end: float = NOW,
    version: str = "3",
    labelled: float = 0.0,
    role: str = "champion",
) -> list[str]:
    """Answer the rows with the world's model, write them to the journal, return their ids."""
    answered = answers(world.model, encode_frame(frame, Encoder(world.contract)), world.contract)
    moments = np.linspace(start, end, len(frame), endpoint=False)
    ids = [f"{id_begin(at)}-{version}-{role}-{i:06d}" for i, at in enumerate(moments)]
    classes = world.contract.target.classes
    rows = rows_of_frame(frame, world.contract)
    world.journal.append(
        [
            Record(
                id_,
                at,
                version,
                role,
                None,
                json.dumps(row),
                json.dumps(classes[a.argmax()]),
                _shares(a, classes),
            )
            for id_, at, row, a in zip(ids, moments.tolist(), rows, answered, strict=True)
        ]
    )
    some = round(labelled * len(ids))
    world.journal.add_labels(zip(ids[:some], frame["left"].tolist()[:some], strict=True), at=end)
    return ids


def _shares(answer: NDArray[Any], classes: tuple[str, ...]) -> str:
    return json.dumps({name: float(a) for name, a in zip(classes, answer, strict=True)})


def week(number: int) -> Span:
    """The number-th last week."""
    return Span(NOW - number * WEEK, NOW - (number - 1) * WEEK)


def judged(
    world: World, champion: Champion, span: Span, frame: pd.DataFrame, **more: Any
) -> Verdict:
    """The verdict on a window of these rows."""
    record(world, frame, span.start, span.end, **more)
    return evaluate_window(world.journal.engine, champion, span, world.params.monitor)


def check(world: World, champion: Champion, span: Span) -> Checked:
    """What the checks of a window come to, without reports."""
    window = read_window(world.journal.engine, span, world.contract, champion.profiles, "3")
    return run_checks(window, champion, world.params.monitor)


def answered(world: World, frame: pd.DataFrame) -> tuple[NDArray[Any], NDArray[Any]]:
    """The rows' outcomes, and the answers of the world's model."""
    x = encode_frame(frame, Encoder(world.contract))
    return target_codes(frame, world.contract), answers(world.model, x, world.contract)


def verdict_of(**fields: Any) -> Verdict:
    """A verdict as verdict.json may hold it, with these fields; their text is not validated."""
    usual: dict[str, Any] = {
        "verdict": "ok",
        "action": "nothing",
        "tier": None,
        "evidence": (),
        "window": "w",
        "start": 0.0,
        "end": 86400.0,
        "judged_at": 86400.0,
        "rows": 900,
        "versions": {"3": 900},
        "model": "leavers",
        "version": "3",
        "released_at": "2026-09-01T00:00:00+00:00",
        "labels": Labels(),
        "performance": Performance(rows=0),
        "estimate": None,
        "columns": {},
        "late": (),
        "findings": (),
        "not_in_report": (),
    }
    return Verdict.model_construct(**(usual | fields))
