"""How a challenger is made; test_run.py makes one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ml.errors import UserError
from ml.loop.train_challenger import recipe_of, run, trained_rows


def test_the_newer_half_of_the_newest_window_is_held_out() -> None:
    recipe = recipe_of(fresh=1344, in_window=336, first=5213, decayed=False)
    assert (recipe.held_out_rows, recipe.windows, recipe.refit) == (168, (0, 5213), True)


def test_after_a_decay_the_new_rows_alone_are_a_window_too() -> None:
    recipe = recipe_of(fresh=600, in_window=600, first=5000, decayed=True)
    assert (recipe.held_out_rows, recipe.windows) == (300, (0, 5000, 300))


def test_few_rows_leave_no_window_of_their_own() -> None:
    recipe = recipe_of(fresh=200, in_window=200, first=0, decayed=True)
    assert (recipe.held_out_rows, recipe.windows) == (100, (0, 100))
    assert recipe_of(fresh=150, in_window=150, first=0, decayed=True).windows == (0,)


def test_a_release_of_an_earlier_template_does_not_say_what_it_learned_from(
    tmp_path: Path,
) -> None:
    assert trained_rows(tmp_path) == 0
    np.save(tmp_path / "trained_rows.npy", np.arange(7, dtype=np.uint64))
    assert trained_rows(tmp_path) == 7


def test_a_command_that_fails_is_named_with_what_it_said() -> None:
    with pytest.raises(
        UserError, match=r"`timeit -n x` stopped with status 1: ValueError"
    ) as error:
        run("timeit", "-n", "x")
    assert error.value.then == "python -m timeit -n x"
