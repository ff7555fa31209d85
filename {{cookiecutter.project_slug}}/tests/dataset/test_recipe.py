"""recipe.yaml: read, written with its comments, and refused with the key's name."""

from __future__ import annotations

from pathlib import Path

import pytest

from ml.dataset.recipe import Recipe, load_recipe, write_recipe
from ml.errors import UserError
from tests.conftest import HERE


@pytest.fixture
def path(tmp_path: Path) -> Path:
    copy = tmp_path / "recipe.yaml"
    copy.write_text((HERE / "recipe.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    return copy


def test_a_new_project_has_the_defaults(path: Path) -> None:
    assert load_recipe(path) == Recipe() == load_recipe(path.with_name("absent.yaml"))


def test_what_is_written_is_read_and_the_comments_stay(path: Path) -> None:
    recipe = Recipe(held_out_rows=336, windows=(0, 5213), refit=True)
    write_recipe(recipe, path)
    assert load_recipe(path) == recipe
    assert "# so many of the newest rows" in path.read_text(encoding="utf-8")
    write_recipe(Recipe(), path)
    assert load_recipe(path) == Recipe()


@pytest.mark.parametrize(
    ("text", "key"), [("held_out_rows: 0", "held_out_rows"), ("refits: true", "refits")]
)
def test_a_wrong_value_is_named(path: Path, text: str, key: str) -> None:
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=rf"recipe\.yaml: {key}: ") as error:
        load_recipe(path)
    assert "git diff" in error.value.then


def test_a_recipe_that_was_removed_is_written_anew(path: Path) -> None:
    path.unlink()
    write_recipe(Recipe(held_out_rows=100, windows=(0,), refit=True), path)
    assert load_recipe(path) == Recipe(held_out_rows=100, windows=(0,), refit=True)
