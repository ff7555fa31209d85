"""Requests of one turn of the event loop: answered together, refused apart, alone at once."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ml.bundle import onnx_answers, write_bundle
from ml.encode import Encoder
from ml.errors import RefusedError
from ml.journal.store import Journal
from ml.model import make_model
from ml.params import load_params
from ml.pipeline.training.onnx_convert import to_onnx
from ml.serving.inference.batching import TOGETHER, Batcher
from ml.serving.inference.predictor import Answered
from ml.serving.inference.service import Service
from ml.serving.settings import Settings
from tests.serving.conftest import CLASSIFICATION, HOME, REGRESSION, sample_rows, seal

Said = list[Answered | BaseException]


@pytest.fixture
def linear(project: Path) -> Path:
    """A bundle whose answer to the largest numbers is not finite: ten times the first column."""
    encoder = Encoder(REGRESSION)
    x = encoder.rows(sample_rows(REGRESSION, 200))
    params = load_params(HOME / "params.yaml").train.model_copy(update={"model": "linear"})
    model = to_onnx(make_model(REGRESSION, params).fit(x, 10 * x[:, 0]), REGRESSION)
    rows = sample_rows(REGRESSION, 8)
    golden = {"rows": rows, "answers": onnx_answers(model, encoder.rows(rows)).tolist()}
    folder = project / "serving/releases/linear"
    write_bundle(folder, model, REGRESSION, {"model": "linear"}, golden)
    seal(folder, "linear")
    return folder


def together(
    settings: Settings, bodies: list[bytes], trial: bool = False
) -> tuple[Said, list[int]]:
    """What was said to bodies that came in one turn, and the rows of each run of the model.

    With `trial` the second one is one.
    """

    async def run() -> tuple[Said, list[int]]:
        service = Service(settings)
        runs = counted(service)
        service.open()
        answering = Batcher(service)
        asked: list[Awaitable[Answered]] = [
            answering.answer(body, trial and i == 1) for i, body in enumerate(bodies)
        ]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        service.close()
        return answers, runs

    return asyncio.run(run())


def counted(service: Service) -> list[int]:
    """Rows of each run of the model, from now on."""
    runs: list[int] = []
    encoder = service.served.bundle.encoder
    rows: Callable[[Any], Any] = encoder.rows

    def counting(asked: Any) -> Any:
        runs.append(len(asked))
        return rows(asked)

    encoder.rows = counting  # type: ignore[method-assign, assignment]
    return runs


def values(answers: Said) -> list[Any]:
    return [json.loads(one.body) if isinstance(one, Answered) else type(one) for one in answers]


def test_one_run_of_the_model_answers_all_but_the_first_and_each_as_if_alone(
    settings: Settings,
) -> None:
    rows = sample_rows(CLASSIFICATION, 9)
    bodies = [json.dumps(row).encode() for row in rows[:5]] + [json.dumps(rows[5:]).encode()]
    answers, runs = together(settings, bodies)
    assert runs == [1, 8]  # nobody could know that the first one has company
    got = values(answers)
    flat = [*got[:5], *got[5]]
    bundle = Service(settings).served.bundle
    alone = [bundle.answer(bundle.encoder.rows([row]))[0] for row in rows]
    for answer, expected in zip(flat, alone, strict=True):
        assert np.array_equal(
            np.array(list(answer["probabilities"].values()), np.float32), expected
        )
    kept = {p.prediction_id: p.features for p in Journal(settings.journal).predictions()}
    assert [kept[answer["prediction_id"]] for answer in flat] == rows


def test_a_crowd_is_answered_in_parts(settings: Settings) -> None:
    bodies = [json.dumps(row).encode() for row in sample_rows(CLASSIFICATION, 2 * TOGETHER + 10)]
    answers, runs = together(settings, bodies)
    assert all(isinstance(one, Answered) for one in answers)
    assert runs == [1, TOGETHER, TOGETHER, 9]
    assert Journal(settings.journal).count() == len(bodies)


def test_a_bad_body_spoils_no_other(settings: Settings) -> None:
    rows = [json.dumps(row).encode() for row in sample_rows(CLASSIFICATION, 3)]
    answers, runs = together(settings, [rows[0], b"{", rows[1], b"[1]", rows[2]])
    assert [isinstance(one, Answered) for one in answers] == [True, False, True, False, True]
    assert [one.status for one in answers if isinstance(one, RefusedError)] == [422, 422]
    assert runs == [1, 2]


def test_a_row_that_the_model_fails_at_spoils_no_other(settings: Settings, linear: Path) -> None:
    fragile = dataclasses.replace(settings, bundle=linear)
    rows = [{"a": a, "b": "x"} for a in (1.0, 3e38, 2.0)]
    answers, runs = together(fragile, [json.dumps(row).encode() for row in rows])
    assert [one.status for one in answers if isinstance(one, RefusedError)] == [500]
    assert [isinstance(one, Answered) for one in answers] == [True, False, True]
    assert runs == [1, 2, 1, 1]  # once together, then each alone
    assert [p.features["a"] for p in Journal(settings.journal).predictions()] in (
        [1.0, 2.0],
        [2.0, 1.0],
    )


def test_a_trial_is_kept_apart_from_those_it_came_with(settings: Settings) -> None:
    rows = [{**row, "customer id": f"c{i}"} for i, row in enumerate(sample_rows(CLASSIFICATION, 3))]
    together(settings, [json.dumps(row).encode() for row in rows], trial=True)
    roles = {p.row_id: p.role for p in Journal(settings.journal).predictions(role=None)}
    assert roles == {"c0": "champion", "c1": "trial", "c2": "champion"}


def test_what_was_given_up_before_its_turn_is_not_answered(settings: Settings) -> None:
    async def run() -> None:
        service = Service(settings)
        service.open()
        answering = Batcher(service)
        bodies = [json.dumps(row).encode() for row in sample_rows(CLASSIFICATION, 3)]
        first, second, third = (asyncio.ensure_future(answering.answer(body)) for body in bodies)
        await asyncio.sleep(0)
        second.cancel()
        await asyncio.gather(first, third)
        service.close()

    asyncio.run(run())
    assert Journal(settings.journal).count() == 2


@pytest.mark.usefixtures("unhurried")
@pytest.mark.parametrize("callers", [1, 8])
def test_callers_that_come_again_are_answered_together_and_one_alone_at_once(
    settings: Settings, callers: int
) -> None:
    bodies = [json.dumps(row).encode() for row in sample_rows(CLASSIFICATION, callers)]

    async def run() -> tuple[list[int], list[bool]]:
        service = Service(settings)
        runs = counted(service)
        turns: list[bool] = []
        service.open()
        answering = Batcher(service)

        async def caller(body: bytes) -> None:
            for _ in range(30):
                waiting = asyncio.ensure_future(answering.answer(body))
                await asyncio.sleep(0)
                turns.append(waiting.done())
                await waiting

        await asyncio.gather(*map(caller, bodies))
        service.close()
        return runs, turns

    runs, at_once = asyncio.run(run())
    assert sum(runs) == 30 * callers == Journal(settings.journal).count()
    assert sum(runs) / len(runs) == pytest.approx(callers, rel=0.2)
    assert all(at_once) if callers == 1 else sum(at_once) < 30
