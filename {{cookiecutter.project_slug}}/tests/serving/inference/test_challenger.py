"""Shadow and canary: what the second model does, and that it can do no harm."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from ml.bundle import Bundle, load_bundle
from ml.errors import UserError
from ml.journal.records import SHADOW_SUFFIX
from ml.journal.store import Journal
from ml.release.ab_test import compare
from ml.release.challenger import challenge
from ml.serving.api.app import create_app
from ml.serving.inference.challenger import bucket
from ml.serving.settings import Settings
from tests.serving.conftest import CLASSIFICATION, sample_rows, with_serve

ROWS = [{**row, "customer id": f"c{i}"} for i, row in enumerate(sample_rows(CLASSIFICATION, 200))]


def started(client: TestClient, challenger: str = "2") -> Any:
    """The service, once its challenger is loaded."""
    challenge(challenger)
    service: Any = client.app.service  # type: ignore[attr-defined]
    until = time.monotonic() + 60
    while service.challenger.served is None and time.monotonic() < until:
        time.sleep(0.05)
    return service


def until(true: Callable[[], bool]) -> bool:
    """Whether it became true within a minute."""
    end = time.monotonic() + 60
    while not true() and time.monotonic() < end:
        time.sleep(0.05)
    return true()


def test_a_canary_answers_its_share_and_sticks_to_ids(settings: Settings) -> None:
    with TestClient(
        create_app(with_serve(settings, challenger="canary", canary_share=0.3))
    ) as client:
        started(client)
        many = client.post("/predict", json=ROWS).json()
        alone = [client.post("/predict", json=row).json() for row in ROWS[:40]]
    chosen = [bucket(row["customer id"]) < 0.3 for row in ROWS]
    assert [a["model_version"] == "2" for a in many] == chosen
    assert [a["model_version"] for a in alone] == [a["model_version"] for a in many[:40]]
    assert 0.2 < np.mean(chosen) < 0.4
    models = {v: load_bundle(settings.bundle.parent / "releases" / v) for v in ("1", "2")}
    for row, answered in zip(ROWS, many, strict=True):
        model = models[answered["model_version"]]
        assert (
            np.float32(answered["probabilities"]["no"])
            == model.answer(model.encoder.rows([row]))[0][0]
        )
    roles = {
        p.prediction_id: (p.version, p.role)
        for p in Journal(settings.journal).predictions(role=None)
    }
    assert all(
        roles[a["prediction_id"]]
        == (a["model_version"], {"1": "champion", "2": "canary"}[a["model_version"]])
        for a in many
    )


def test_a_shadow_scores_a_copy_that_nobody_waits_for(settings: Settings) -> None:
    with TestClient(create_app(with_serve(settings, challenger="shadow"))) as client:
        started(client)
        answered = [client.post("/predict", json=row).json() for row in ROWS[:30]]
        journal = Journal(settings.journal)
        assert until(lambda: journal.count() == 60)
    assert {a["model_version"] for a in answered} == {"1"}
    shadows = list(journal.predictions(role="shadow"))
    assert {p.prediction_id for p in shadows} == {
        a["prediction_id"] + SHADOW_SUFFIX for a in answered
    }
    assert {p.version for p in shadows} == {"2"}
    assert [p.prediction_id for p in journal.predictions()] == sorted(
        a["prediction_id"] for a in answered
    )


def _nan(_self: Bundle, matrix: Any) -> Any:
    return np.full((len(matrix), 2), np.nan, np.float32)


def _crash(_self: Bundle, _matrix: Any) -> Any:
    raise RuntimeError("no memory")


class _Broken(Bundle):
    """A model of which nobody would think well."""


@pytest.mark.parametrize("mode", ["shadow", "canary"])
@pytest.mark.parametrize("harm", [_nan, _crash])
def test_what_a_challenger_fails_at_the_champion_answers(
    settings: Settings, mode: str, harm: Any
) -> None:
    with TestClient(create_app(with_serve(settings, challenger=mode, canary_share=1.0))) as client:
        service = started(client)
        kind = type("Broken", (_Broken,), {"answer": harm})
        bundle = service.challenger.served.bundle
        broken = kind(**{f.name: getattr(bundle, f.name) for f in dataclasses.fields(bundle)})
        service.challenger.served.bundle = broken
        answers = client.post("/predict", json=ROWS[:5])
        assert answers.status_code == 200
        assert {a["model_version"] for a in answers.json()} == {"1"}
        assert until(lambda: "ml_challenger_failures_total{reason=" in client.get("/metrics").text)


def test_a_slow_shadow_delays_no_answer(settings: Settings) -> None:
    answered = threading.Event()

    def slow(_self: Bundle, matrix: Any) -> Any:
        # an answer that waited for the shadow would come after a minute, and find it not set
        answered.wait(60)
        return np.full((len(matrix), 2), 0.5, np.float32)

    with TestClient(create_app(with_serve(settings, challenger="shadow"))) as client:
        service = started(client)
        bundle = service.challenger.served.bundle
        kind = type("Slow", (_Broken,), {"answer": slow})
        service.challenger.served.bundle = kind(
            **{f.name: getattr(bundle, f.name) for f in dataclasses.fields(bundle)}
        )
        for row in ROWS[:5]:
            assert client.post("/predict", json=row).status_code == 200
        scored = list(Journal(settings.journal).predictions(role="shadow"))
        answered.set()
    assert scored == []
    assert len(list(Journal(settings.journal).predictions(role="shadow"))) == 5


def test_without_a_challenger_the_champion_answers_everything(settings: Settings) -> None:
    with TestClient(
        create_app(with_serve(settings, challenger="canary", canary_share=1.0))
    ) as client:
        assert client.post("/predict", json=ROWS[0]).json()["model_version"] == "1"
        service = started(client)
        assert client.post("/predict", json=ROWS[0]).json()["model_version"] == "2"
        challenge("off")
        assert until(lambda: service.challenger.served is None)
        assert client.post("/predict", json=ROWS[0]).json()["model_version"] == "1"


def test_a_challenger_is_a_release_that_is_here(project: Path) -> None:
    with pytest.raises(UserError, match="serving/releases/99: there is no such release") as raised:
        challenge("99")
    assert "1, 2, 3" in raised.value.what


def test_compare_tells_the_better_of_the_two(
    settings: Settings, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with TestClient(create_app(with_serve(settings, challenger="shadow"))) as client:
        started(client)
        answered = [client.post("/predict", json=row).json() for row in ROWS]
        journal = Journal(settings.journal)
        assert until(lambda: journal.count() == 400)
    shadows = {
        p.prediction_id.removesuffix(SHADOW_SUFFIX): p.prediction
        for p in journal.predictions(role="shadow")
    }
    journal.add_labels(
        [(a["prediction_id"], shadows[a["prediction_id"]]) for a in answered]
    )  # the shadow is always right
    result = compare()
    assert result["pairs"] == 200
    assert result["challenger"]["accuracy"] == 1.0
    assert result["champion"]["accuracy"] < 1.0
    assert result["difference"]["low"] > 0
    assert "challenger" in capsys.readouterr().out


def test_compare_without_labels_says_what_to_do(project: Path) -> None:
    with pytest.raises(UserError, match="no labelled answers of a challenger"):
        compare()
