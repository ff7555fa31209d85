"""Promotions that wait, are refused, overtaken or lack their files: all places agree."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from mlflow.tracking import MlflowClient

from ml.contract import contract_json, load_contract
from ml.errors import UserError
from ml.ledger import chain, history
from ml.ledger.chain import BrokenLineError
from ml.params import load_params
from ml.release import commands, promotion, publish, register, registry
from ml.release.challenger import challenge
from ml.release.commands import approve, promote_version, release, rollback, verify_ledger
from ml.release.promotion import Mandate
from tests.conftest import live_in

pytestmark = pytest.mark.slow

LOOP = Mandate("a decay of 3 points", who=chain.LOOP, evidence={"loss": 0.03})


@pytest.fixture
def client(
    retrained_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> MlflowClient:
    """The registry of a project with a new bundle, which is as good as the champion or better."""
    live_in(retrained_project, tmp_path / "project", monkeypatch)
    monkeypatch.setattr(register, "refuse_stale", lambda: None)  # DVC's look: two seconds each
    return registry.connect()


def standing(client: MlflowClient) -> tuple[str | None, str | None, str | None]:
    """Champion and previous champion in the registry, and the version that is served."""
    champion, previous = (registry.alias(client, "life", word) for word in ("champion", "previous"))
    return champion, previous, publish.linked_version()


def decisions() -> list[tuple[str, str | None, str | None]]:
    """Action, from and to of each line of the ledger, which is unbroken."""
    return [(e.action, e.from_version, e.to_version) for e in chain.check(chain.read())]


FIRST = ("promote", None, "1")


def test_a_version_that_waits_is_promoted_by_an_approval(client: MlflowClient) -> None:
    waiting = release(LOOP, approval=True)
    assert (waiting.version, waiting.champion, waiting.action) == ("2", "1", "wait")
    assert release(LOOP, approval=True).action == "wait"  # again: no second line
    assert standing(client) == ("1", None, "1")
    assert decisions() == [FIRST, ("wait", "1", "2")]
    assert approve() == "2"
    assert approve("2") == "2"
    assert standing(client) == ("2", "1", "2")
    assert decisions() == [FIRST, ("wait", "1", "2"), ("approve", "1", "2")]
    _, wait, approved = chain.entries()
    assert (wait.who, wait.why) == ("loop", LOOP.why)
    assert approved.evidence == wait.evidence
    assert wait.evidence["loss"] == 0.03
    assert "takes the champion's requests" in wait.evidence["gate"]["checks"]
    assert approved.hashes["bundle_hash"] == publish.lineage_of("2")["bundle_hash"]
    with pytest.raises(UserError, match="no version of life waits"):
        approve()
    assert verify_ledger() == []


def test_what_is_not_approved(client: MlflowClient) -> None:
    with pytest.raises(UserError, match="version 9 of life: there is no such version"):
        approve("9")
    release(LOOP, approval=True)
    client.set_model_version_tag("life", "2", registry.GATE, "refused")
    with pytest.raises(UserError, match="version 2 of life did not pass the gate"):
        approve()
    client.set_model_version_tag("life", "2", registry.GATE, "passed")
    client.set_model_version_tag("life", "2", registry.WAITING, "7")
    with pytest.raises(UserError, match="compared with version 7; the champion is 1 now"):
        approve()
    client.set_model_version_tag("life", "2", registry.ROLLED_BACK, "2026-11-03T12:00:00+00:00")
    with pytest.raises(UserError, match="version 2 of life was rolled back at 2026-11-03T12:00:00"):
        approve("2")
    assert standing(client) == ("1", None, "1")


def test_an_earlier_version_comes_back_but_none_that_was_rolled_back(client: MlflowClient) -> None:
    params = load_params()
    assert release().action == "promote"
    promote_version(client, params, "1", LOOP)
    promote_version(client, params, "1", LOOP)  # again: nothing to do
    assert standing(client) == ("1", "2", "1")
    assert decisions() == [FIRST, ("promote", "1", "2"), ("promote", "2", "1")]
    assert chain.entries()[-1].who == "loop"
    promote_version(client, params, "2", LOOP)
    assert rollback(Mandate("two bad windows", who=chain.LOOP)) == "1"
    with pytest.raises(UserError, match="version 2 of life was rolled back"):
        promote_version(client, params, "2", LOOP)
    with pytest.raises(UserError, match="version 9 of life: there is no such version"):
        promote_version(client, params, "9", LOOP)
    assert chain.entries()[-1].why == "two bad windows"
    assert standing(client) == ("1", "2", "1")


def edit_contract(**changes: object) -> None:
    """Give the new bundle another contract."""
    path = Path("bundle/contract.json")
    contract = load_contract(path)
    path.write_text(contract_json(contract.model_copy(update=changes)))


def test_a_refusal_is_a_line_once(client: MlflowClient) -> None:
    edit_contract(id=None)
    refused = release()
    assert not refused.passed
    assert 'column "customer" is gone' in refused.reason
    release()
    assert decisions() == [FIRST, ("refuse", "1", "2")]
    assert chain.entries()[-1].why == refused.reason
    assert release(new_contract=True).action == "promote"
    assert standing(client) == ("2", "1", "2")


def test_another_target_is_not_compared(client: MlflowClient) -> None:
    target = load_contract().target
    edit_contract(target=target.model_copy(update={"classes": target.classes[::-1]}))
    refused = release()
    assert [check.name for check in refused.decision.checks if not check.passed] == [
        "takes the champion's requests"
    ]
    assert 'the target\'s classes were "no", "yes", are "yes", "no"' in refused.reason
    assert release(new_contract=True).passed
    assert standing(client) == ("2", "1", "2")


def test_a_promotion_that_another_machine_has_overtaken_is_dropped(
    client: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = commands._judge
    beside: list[str | None] = []

    def judged(*words: Any) -> Any:
        """While the gate judges for the first time, another machine moves the champion."""
        if beside:
            client.set_registered_model_alias("life", "champion", "1")
        found = judge(*words)
        if not beside:
            client.delete_registered_model_alias("life", "champion")
        beside.append(found.champion)
        return found

    monkeypatch.setattr(commands, "_judge", judged)
    assert release().passed
    assert beside == ["1", "1"]
    late = promotion.planned(chain.PROMOTE, "1", "7", LOOP)  # in the place of 7; the champion is 2
    with pytest.raises(UserError, match="version 2 of life became champion meanwhile"):
        promotion.promote(client, "life", late)
    assert not promotion.PENDING.exists()
    promotion.write_down(late)
    publish.set_champion_link("1")
    assert promotion.finish_pending(client, "life") is None
    assert standing(client) == ("2", "1", "2")
    assert decisions() == [FIRST, ("promote", "1", "2")]
    assert not promotion.PENDING.exists()


def test_a_promotion_whose_files_are_gone_is_undone(
    client: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(publish, "set_champion_link", killed)
        with pytest.raises(KeyboardInterrupt):
            release()
    assert standing(client) == ("2", "1", "1")  # the aliases have moved, the link has not
    shutil.rmtree("serving/releases/2")
    shutil.rmtree("mlartifacts")
    assert promotion.finish_pending(client, "life") is None
    assert standing(client) == ("1", None, "1")
    assert decisions() == [FIRST, ("undo", "2", "1")]
    assert "the files of version 2 of life are gone" in chain.entries()[-1].why
    assert not promotion.PENDING.exists()
    assert registry.pending_promotion(client, "life") is None


def test_a_broken_ledger_stops_a_decision_before_anything_moves(client: MlflowClient) -> None:
    chain.LEDGER.write_text("<<<<<<< HEAD\n" + chain.LEDGER.read_text())
    with pytest.raises(BrokenLineError, match="line 1 is not an entry"):
        release()
    assert standing(client) == ("1", None, "1")
    assert not promotion.PENDING.exists()


def test_lines_that_are_missing_at_the_end_are_known_to_the_registry(client: MlflowClient) -> None:
    release()
    first, _ = chain.LEDGER.read_text().splitlines()
    chain.LEDGER.write_text(f"{first}\n")
    assert history.verify(None) == []
    (problem,) = verify_ledger()
    assert "line 2 is missing: the registry knows 2" in problem


def test_a_challenger_is_a_line_once(client: MlflowClient) -> None:
    for version in ("1", "1", "off", "off", "1"):
        challenge(version)
    assert decisions() == [
        FIRST,
        ("challenge", None, "1"),
        ("challenge", None, None),
        ("challenge", None, "1"),
    ]
