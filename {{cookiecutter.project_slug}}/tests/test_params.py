"""params.yaml: read as it ships; a mistake names file, key, value and what is near."""

from __future__ import annotations

from pathlib import Path

import pytest

from ml.errors import UserError
from ml.params import Params, load_params
from tests.conftest import write_settings


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("sound") / "params.yaml"
    write_settings(path)
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("test_share: 0.2", "test_shar: 0.2", ["split.test_shar", "did you mean 'test_share'"]),
        ("test_share: 0.2", "test_share: 1.5", ["split.test_share", "1.5"]),
        ("model: boosting", "model: boostin", ["train.model", "boostin"]),
        ("export:", "exprt:", ["exprt"]),
        ("seed: 7", "seed: seven", ["seed", "seven"]),
        ("split:", "split: [", ["not valid YAML"]),
        ("penalty: 1.0", "penalty: .inf", ["train.linear.penalty", "finite", "inf"]),
        ("canary_share: 0.1", "canary_share: .nan", ["serve.canary_share", "finite", "nan"]),
        ("max_rows: 10000", "max_rows: -.inf", ["serve.max_rows", "finite", "-inf"]),
        ("penalty: 1.0", "penalty: 1.0e+999", ["train.linear.penalty", "finite", "inf"]),
        ("seed: 7", "seed: 2026-99-99", ["not valid YAML", "month"]),
    ],
)
def test_a_mistake_names_its_key(
    sound: str, tmp_path: Path, old: str, new: str, told: list[str]
) -> None:
    path = tmp_path / "params.yaml"
    assert old in sound
    path.write_text(sound.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(UserError) as error:
        load_params(path)
    for words in ["params.yaml", *told]:
        assert words in error.value.what


def test_text_that_is_not_utf8_names_its_line(sound: str, tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_bytes("# größe\n".encode("latin-1") + sound.encode())
    with pytest.raises(UserError, match=r"params\.yaml: line 1 is not UTF-8 text"):
        load_params(path)


def test_settings_are_frozen(params: Params) -> None:
    with pytest.raises(ValueError, match="frozen"):
        setattr(params.split, "seed", 8)  # noqa: B010  (the type checker refuses the plain form already)


def test_outside_of_a_project(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        load_params(tmp_path / "params.yaml")
