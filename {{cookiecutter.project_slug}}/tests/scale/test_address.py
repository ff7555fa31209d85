"""Work goes to this machine, to loopback or over TLS; anything else needs a stated word."""

from __future__ import annotations

import pytest

from ml.errors import UserError
from ml.scale.address import PLAIN, SCHEDULER, checked, executor_at, of_setting, refuse_plain
from ml.scale.cluster import Cluster
from ml.scale.local import LocalPool


@pytest.mark.parametrize(
    "address",
    ["tcp://127.0.0.1:8786", "tcp://localhost:8786", "tcp://[::1]:8786", "tls://10.0.0.7:8786"],
)
def test_loopback_and_tls_are_fine(address: str) -> None:
    assert checked(address) == address


@pytest.mark.parametrize("host", ["10.0.0.7", "scheduler.example", "[::2]", "127.0.0.1.example"])
def test_plain_tcp_to_another_machine_needs_a_word(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(PLAIN, raising=False)
    with pytest.raises(UserError, match="another machine without TLS") as raised:
        checked(f"tcp://{host}:8786")
    assert f"tls://{host}:8786" in raised.value.then
    assert f"{PLAIN}=1" in raised.value.then
    monkeypatch.setenv(PLAIN, "1")
    assert checked(f"tcp://{host}:8786")


@pytest.mark.parametrize(
    "address", ["scheduler", "tcp://", "tcp://host", "http://host:1", "tls://host:x", "tcp://[:1"]
)
def test_what_is_no_scheduler_is_refused(address: str) -> None:
    with pytest.raises(UserError, match="not the address of a Dask scheduler"):
        checked(address)


def test_where_parts_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SCHEDULER, raising=False)
    local = executor_at(None, 3)
    assert isinstance(local, LocalPool)
    assert local.workers == 3
    monkeypatch.setenv(SCHEDULER, "tls://from.environment:1")
    cluster = executor_at(None)
    assert isinstance(cluster, Cluster)
    assert cluster.address == "tls://from.environment:1"
    given = executor_at("tls://given.example:1")
    assert isinstance(given, Cluster)
    assert given.address == "tls://given.example:1"


def test_without_dask_the_next_word_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    with pytest.raises(UserError, match="Dask is not installed") as raised:
        next(executor_at("tcp://127.0.0.1:1").outcomes(print, [], 1), None)
    assert raised.value.then == "make scale"


def test_plain_connections_between_workers_need_the_same_word(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(PLAIN, raising=False)
    refuse_plain(["127.0.0.1", "127.0.0.2"], "work")
    with pytest.raises(
        UserError, match=r"10\.0\.0\.7: work goes from worker to worker without TLS"
    ):
        refuse_plain(["127.0.0.1", "10.0.0.7"], "work")
    monkeypatch.setenv(PLAIN, "1")
    refuse_plain(["10.0.0.7"], "work")


def test_a_setting_needs_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SCHEDULER, raising=False)
    with pytest.raises(UserError, match=r"train\.executor is dask, and DASK_SCHEDULER_ADDRESS"):
        of_setting("train.executor")
    monkeypatch.setenv(SCHEDULER, "tcp://127.0.0.1:8786")
    assert of_setting("train.executor") == "tcp://127.0.0.1:8786"
