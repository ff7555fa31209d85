"""recipe.yaml: how the next model is made of rows that keep coming; `ml loop` writes it.

`make flow` on its own uses what stands there: all rows, the share of params.yaml held out, no
refit. `make adopt` of another table puts these defaults back. DVC watches the keys as parameters of
the stages `split` and `train`.
"""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ml.atomic import write_text
from ml.contract import read_yaml
from ml.errors import UserError, printable

if TYPE_CHECKING:
    from ruamel.yaml.comments import CommentedMap

RECIPE = Path("recipe.yaml")


class Recipe(BaseModel):
    """How the rows at hand become a model; meanings stand as comments in recipe.yaml."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    held_out_rows: int | None = Field(default=None, ge=1)
    windows: tuple[int, ...] = ()
    refit: bool = False


def load_recipe(path: Path = RECIPE) -> Recipe:
    """Read and check recipe.yaml; a project without one uses the defaults.

    Raises:
        UserError: an unknown key or a value out of bounds; it names the key.
    """
    if not path.is_file():
        return Recipe()
    try:
        return Recipe.model_validate(read_yaml(path) or {})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key, value = ".".join(map(str, first["loc"])), printable(repr(first["input"]))
        raise UserError(
            f"{path}: {key}: {first['msg']} (given: {value})", f"mend {path}, or `git diff {path}`"
        ) from None


def write_recipe(recipe: Recipe, path: Path = RECIPE) -> None:
    """Write the values into recipe.yaml; its comments stay, where there is one."""
    from ruamel.yaml import YAML

    yaml, text = YAML(), StringIO()
    old = path.read_text(encoding="utf-8") if path.is_file() else "{}"
    values: CommentedMap = yaml.load(old)
    values["held_out_rows"] = recipe.held_out_rows
    values["windows"] = _on_one_line(list(recipe.windows))
    values["refit"] = recipe.refit
    yaml.dump(values, text)
    write_text(path, text.getvalue())


def reset_recipe(path: Path = RECIPE) -> None:
    """Put the defaults back, where other values stand there: they belong to other rows."""
    if path.is_file() and load_recipe(path) != Recipe():
        write_recipe(Recipe(), path)


def _on_one_line(values: list[int]) -> object:
    from ruamel.yaml.comments import CommentedSeq

    listed = CommentedSeq(values)
    listed.fa.set_flow_style()
    return listed
