"""A person's rows leave journal, labels and training parts; the rest, and the story, stay."""

from __future__ import annotations

import os
import shutil
import signal
from contextlib import closing
from pathlib import Path

import pandas as pd
import pytest

from ml.contract import load_contract
from ml.erasure import commands, raw_parts
from ml.erasure.commands import FORGET, FORGOTTEN, forget
from ml.errors import UserError
from ml.journal import erasure
from ml.journal.records import SHADOW, SHADOW_SUFFIX, Record
from ml.journal.store import Journal
from ml.ledger import chain
from ml.loop.journal_part import labelled_part, write_part
from ml.loop.labelled import labelled
from ml.loop.train_challenger import run
from ml.params import load_params
from tests.conftest import command, commit, live_in
from tests.loop.loops import actions
from tests.loop.traffic import rows, serve

pytestmark = pytest.mark.slow

PART = Path("data/raw/0002-journal.parquet")
HER, HIM = "0-5", "0-6"


@pytest.fixture(scope="module")
def answered(released_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose journal has given a part of data/raw; one request has two rows of hers."""
    project = tmp_path_factory.mktemp("answered") / "project"
    with pytest.MonkeyPatch.context() as patch:
        live_in(released_project, project, patch)
        serve(0, rows(60, 1))
        with closing(Journal()) as journal:
            _add_a_wide_request(journal)
        contract = load_contract()
        part, _ = labelled_part(labelled(contract).fresh, contract, load_params())
        write_part(part, contract)
        run("dvc", "add", "-q", "data/raw")
        commit(project, "answered")
    return project


def _add_a_wide_request(journal: Journal) -> None:
    one = next(journal.predictions())
    features, said = '{"charge":1.0,"calls":3,"plan":"pro"}', '"no"'
    features, said = (f"[{text},{text},{text}]" for text in (features, said))
    ids = f'["{HER}","x","{HER}"]'
    entry = Record("f" * 32, one.at, "1", "champion", ids, features, said, None, 3)
    shadow = entry._replace(prediction_id=entry.prediction_id + SHADOW_SUFFIX, role=SHADOW)
    journal.append([entry, shadow])
    journal.add_labels([(f"{'f' * 32}-{i}", "no") for i in range(3)])


@pytest.fixture
def project(answered: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return live_in(answered, tmp_path / "project", monkeypatch)


def row_ids() -> list[str | None]:
    with closing(Journal()) as journal:
        return [p.row_id for p in journal.predictions(role=None)]


def test_her_rows_are_gone_and_what_remains_is_said(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = Path("data/raw.dvc").read_text()
    forget([HER])
    printed = capsys.readouterr().out
    assert HER not in row_ids()
    assert row_ids().count("x") == 2  # the champion's answer and its shadow's
    part = pd.read_parquet(PART)
    assert len(part) == 60
    assert HER not in set(part["customer"])
    assert labelled(load_contract()).fresh == []  # the other rows are known to be data already
    assert Path("data/raw.dvc").read_text() != before
    assert "5 answers, 3 labels; from data/raw: 3 rows" in printed
    for place in ('not touched: data/raw has "0001-customers.csv"', "dvc gc", "mlflow gc"):
        assert place in printed
    assert command(project, "git", "status", "--porcelain").stdout == ""


def test_the_ledger_says_that_it_happened_and_not_to_whom(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    forget([HER, HIM])
    begun, done = list(chain.entries())[-2:]
    assert (begun.action, done.action) == (FORGET, FORGOTTEN)
    figures = done.evidence
    assert (figures["answers"], figures["labels"]) == (6, 4)
    assert figures["parts"] == {PART.name: 4}
    assert figures["from"] <= figures["until"]
    assert not any(f'"{i}"' in chain.LEDGER.read_text() for i in (HER, HIM))
    before = chain.LEDGER.read_bytes()
    capsys.readouterr()
    forget([HIM])
    assert f"forgotten {done.at[:19]}, line {done.number}" in capsys.readouterr().out
    forget(["nobody"])
    assert "forgotten" not in capsys.readouterr().out
    assert chain.LEDGER.read_bytes() == before


STEPS = {
    "it is written down": (erasure, "remove"),
    "the journal has let go of it": (raw_parts, "remove"),
    "the part is written": (commands, "run"),
    "the data has a version": (commands, "commit"),
}


def test_killed_anywhere_and_run_again_it_ends_in_the_same_state(project: Path) -> None:
    shutil.copytree(project, unkilled := project.with_name("unkilled"), symlinks=True)
    for module, step in STEPS.values():
        _forget_killed_at(module, step)
    forget([HER])
    killed = _state(project)
    os.chdir(unkilled)
    forget([HER])
    assert _state(unkilled) == killed


def _forget_killed_at(module: object, step: str) -> None:
    """Run the command in a child that kills itself in place of a step."""
    child = os.fork()
    if child == 0:
        setattr(module, step, lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL))
        forget([HER])
        os._exit(0)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL


def _state(project: Path) -> object:
    log = command(project, "git", "log", "--format=%s").stdout
    status = command(project, "git", "status", "--porcelain").stdout
    figures = [entry.evidence for entry in chain.entries()][-2:]
    return sorted(map(str, row_ids())), PART.read_bytes(), actions(), figures, log, status


def test_a_part_that_holds_no_other_rows_is_removed(project: Path) -> None:
    forget([*{str(i) for i in row_ids()}])
    assert not PART.exists()
    assert row_ids() == []
    assert Path("data/raw/0001-customers.csv").is_file()


def test_versions_that_learned_from_the_rows_are_named(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    release, part = Path("serving/releases/1").resolve(), pd.read_parquet(PART)
    _learn_from(release, part)
    forget([HER])
    printed = capsys.readouterr().out
    assert "version 1 learned from 3 of the rows" in printed
    assert "version 1 has 3 of the rows in reference.parquet" in printed


def _learn_from(release: Path, part: pd.DataFrame) -> None:
    import numpy as np

    from ml.dataset.row_hash import row_hashes

    np.save(release / "trained_rows.npy", row_hashes(part, load_contract()))
    part.to_parquet(release / "reference.parquet")


def test_mistakes_end_in_one_line(project: Path) -> None:
    with pytest.raises(UserError, match="--row-id: it is empty"):
        forget([""])
    shutil.rmtree("data/raw")
    with pytest.raises(UserError, match="data/raw: it is not here"):
        forget([HER])
    contract = Path("contract.yaml")
    contract.write_text(contract.read_text().replace("id: customer", "id: null"))
    with pytest.raises(UserError, match="no column identifies a row"):
        forget([HER])
