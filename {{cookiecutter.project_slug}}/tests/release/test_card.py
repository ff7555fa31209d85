"""No card, no promotion: the rule firing and staying quiet, and a card that is written anew."""

from __future__ import annotations

import json
import shutil
from functools import reduce
from operator import getitem
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from ml.bundle import CARD_JSON, CARD_PAGE, load_bundle
from ml.card.people import QUESTIONS
from ml.params import load_params
from ml.release import card, publish, registry
from ml.release.commands import release
from tests.conftest import live_in

pytestmark = pytest.mark.slow
WORDS = dict.fromkeys(QUESTIONS, "written by a test")


def write_params(**changes: object) -> None:
    """Change values of params.yaml by dotted key (`card__contact="…"`)."""
    yaml, path = YAML(), Path("params.yaml")
    values = yaml.load(path.read_text(encoding="utf-8"))
    for name, value in changes.items():
        *blocks, key = name.split("__")
        reduce(getitem, blocks, values)[key] = value
    with path.open("w", encoding="utf-8") as file:
        yaml.dump(values, file)


def test_a_release_has_its_card_and_the_registry_knows_it(project: Path) -> None:
    folder = publish.release_folder("1")
    bundle = load_bundle(folder)
    assert set(bundle.card) == {"card.html", "card.md"}
    assert b"version</td><td>1" in bundle.card[CARD_PAGE]
    tags = registry.connect().get_model_version("life", "1").tags
    assert tags["card"] == card.ARTIFACT
    (gate,) = card.described(folder, load_params().card)
    assert gate.passed
    assert gate.values["blanks"] == list(QUESTIONS)


def test_without_a_card_the_rule_fires_unless_it_is_off(project: Path) -> None:
    folder = publish.release_folder("1")
    (folder / CARD_PAGE).unlink()
    (gate,) = card.described(folder, load_params().card)
    assert not gate.passed
    assert "card.html: no such file" in gate.figures
    assert card.described(folder, load_params().card.model_copy(update={"required": "off"})) == []


def test_blanks_fire_the_rule_only_where_none_may_be_left(project: Path) -> None:
    folder = publish.release_folder("1")
    filled = load_params().card.model_copy(update={"required": "filled"})
    (gate,) = card.described(folder, filled)
    assert not gate.passed
    assert gate.figures.startswith("6 blanks: intended_use")
    kept = json.loads((folder / CARD_JSON).read_text(encoding="utf-8"))
    (folder / CARD_JSON).write_text(json.dumps({**kept, "words": WORDS}), encoding="utf-8")
    (gate,) = card.described(folder, filled)
    assert gate.passed


def test_words_that_come_later_are_in_the_next_try(
    retrained_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    live_in(retrained_project, tmp_path / "project", monkeypatch)
    write_params(card__required="filled")
    refused = release()
    assert not refused.passed
    assert "has a model card: 6 blanks" in refused.reason
    hashed = publish.lineage_of("2")["bundle_hash"]
    write_params(**{f"card__{name}": words for name, words in WORDS.items()})
    assert release().passed
    folder = publish.release_folder("2")
    bundle = load_bundle(folder)  # sealed anew: every hash of the manifest holds
    assert b"written by a test" in bundle.card[CARD_PAGE]
    assert (bundle.version, bundle.lineage["bundle_hash"]) == ("2", hashed)
    client = registry.connect()
    assert client.get_model_version("life", "2").tags["card"] == card.ARTIFACT
    shutil.rmtree(folder)
    fetched = registry.download(client, "life", "2", tmp_path)
    assert load_bundle(fetched).card == bundle.card
    # what has served keeps its card
    write_params(card__contact="somebody else")
    shutil.copytree(fetched, folder)
    assert release().passed
    assert load_bundle(folder).card == bundle.card
