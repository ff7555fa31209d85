"""Explanations take nothing from predictions: a process, an admission, a priority of their own."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2

from ml.bundle import load_bundle
from ml.serving.api.app import create_app
from ml.serving.api.middleware import ServiceMiddleware
from ml.serving.settings import Settings
from tests.serving.conftest import CLASSIFICATION, sample_rows, with_serve

ROW = sample_rows(CLASSIFICATION, 1)[0]


@asynccontextmanager
async def opened(app: ServiceMiddleware) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of the application in this event loop."""
    app.service.open()
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://testserver") as client:
        yield client
    app.service.close()


def pid_of(app: ServiceMiddleware) -> int:
    """The process that explains."""
    process = app.service.explaining.process
    assert process is not None
    return process.pid


def test_predictions_are_answered_while_as_many_explanations_wait_as_may(
    settings: Settings,
) -> None:
    """The process is stopped: one request is in it, one waits, the third is refused at once.

    The only place of a prediction stays free.
    """
    assert settings.explain is not None
    explaining = settings.explain.model_copy(update={"max_waiting": 2})
    one_place = dataclasses.replace(with_serve(settings, max_requests=1), explain=explaining)

    async def scenario() -> None:
        async with opened(app := create_app(one_place)) as client:
            assert (await client.post("/explain", json=ROW)).status_code == 200
            assert os.getpriority(os.PRIO_PROCESS, pid_of(app)) == 19
            if sys.platform == "linux":
                assert os.sched_getscheduler(pid_of(app)) == os.SCHED_IDLE
            os.kill(pid_of(app), signal.SIGSTOP)
            waiting = [asyncio.create_task(client.post("/explain", json=ROW)) for _ in range(2)]
            await asyncio.sleep(0.2)
            third = await client.post("/explain", json=ROW)
            assert third.status_code == 503
            assert third.headers["retry-after"] == "1"
            for _ in range(5):
                assert (await client.post("/predict", json=ROW)).status_code == 200
            os.kill(pid_of(app), signal.SIGCONT)
            assert [(await task).status_code for task in waiting] == [200, 200]

    asyncio.run(scenario())


def test_a_process_that_is_killed_is_replaced_and_ends_with_the_service(
    settings: Settings,
) -> None:
    async def scenario() -> int:
        async with opened(app := create_app(settings)) as client:
            assert app.service.explaining.process is None  # until somebody asks
            assert (await client.post("/explain", json=ROW)).status_code == 200
            os.kill(pid_of(app), signal.SIGKILL)
            broken = await client.post("/explain", json=ROW)
            assert broken.status_code == 503
            assert broken.headers["retry-after"] == "1"
            assert (await client.post("/explain", json=ROW)).status_code == 200
            return pid_of(app)

    pid = asyncio.run(scenario())
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return
    raise AssertionError("the process goes on")


def test_a_released_model_explains_its_own_answers(settings: Settings) -> None:
    async def scenario() -> None:
        async with opened(app := create_app(settings)) as client:
            first = await client.post("/explain", json=ROW)
            assert first.json()["model_version"] == "1"
            app.service.use(load_bundle(settings.bundle.parent / "releases" / "2"))
            second = await client.post("/explain", json=ROW)
            assert second.json()["model_version"] == "2"

    asyncio.run(scenario())
