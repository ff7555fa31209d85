"""Explanations take nothing from predictions: a thread, an admission and a limit of their own."""

from __future__ import annotations

import asyncio
import dataclasses
import threading
from typing import Any

import httpx2
import pytest

from ml.explain.explainer import Explainer
from ml.serving.api.app import create_app
from ml.serving.settings import Settings
from tests.serving.conftest import CLASSIFICATION, sample_rows, with_serve

ROW = sample_rows(CLASSIFICATION, 1)[0]


def test_predictions_are_answered_while_as_many_explanations_wait_as_may(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One is made, one waits, the third is refused; the only place of a prediction stays free."""
    assert settings.explain is not None
    go_on, threads = threading.Event(), []
    explain = Explainer.explain

    def held(self: Explainer, *args: Any) -> dict[str, Any]:
        threads.append(threading.current_thread().name)
        go_on.wait(30)
        return explain(self, *args)

    monkeypatch.setattr(Explainer, "explain", held)
    explaining = settings.explain.model_copy(update={"max_waiting": 2})
    app = create_app(dataclasses.replace(with_serve(settings, max_requests=1), explain=explaining))

    async def scenario() -> None:
        transport = httpx2.ASGITransport(app=app)
        app.service.open()
        async with httpx2.AsyncClient(transport=transport, base_url="http://testserver") as client:
            waiting = [asyncio.create_task(client.post("/explain", json=ROW)) for _ in range(2)]
            while len(threads) < 1:
                await asyncio.sleep(0.01)
            third = await client.post("/explain", json=ROW)
            assert third.status_code == 503
            assert third.headers["retry-after"] == "1"
            for _ in range(5):
                assert (await client.post("/predict", json=ROW)).status_code == 200
            go_on.set()
            assert [(await task).status_code for task in waiting] == [200, 200]
        app.service.close()

    asyncio.run(scenario())
    assert all(name.startswith("explain") for name in threads)


def test_a_released_model_explains_its_own_answers(settings: Settings) -> None:
    from starlette.testclient import TestClient

    from ml.bundle import load_bundle

    with TestClient(app := create_app(settings)) as client:
        assert client.post("/explain", json=ROW).json()["model_version"] == "1"
        app.service.use(load_bundle(settings.bundle.parent / "releases" / "2"))
        assert client.post("/explain", json=ROW).json()["model_version"] == "2"
