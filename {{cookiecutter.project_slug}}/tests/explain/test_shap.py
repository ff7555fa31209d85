"""The same numbers as the package shap: exact ones, and those of its sampling explainer.

It lives in an environment of its own (requirements/explainers.txt), which is installed here.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ml.bundle import load_onnx
from ml.contract import Contract
from ml.encode import Matrix
from ml.explain.shapley import Contributions, Floats, Game, exact, sampled
from ml.model import make_model
from ml.params import load_params
from ml.pipeline.training.onnx_convert import to_onnx
from tests.conftest import environment
from tests.serving.conftest import HOME

CHECKS = Path(__file__).with_name("shap_checks.py")
REFERENCE_ROWS = 30


@pytest.fixture(scope="session")
def shap(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment with shap."""
    return environment(tmp_path_factory, "explainers")


def write_case(folder: Path, name: str, columns: int, model: str, classify: bool) -> Game:
    """Train a model on random rows whose columns act together; a row and reference rows of it."""
    classes = {"task": "binary", "classes": ["no", "yes"]} if classify else {"task": "regression"}
    names = [{"kind": "numeric", "name": f"x{i}"} for i in range(columns)]
    contract = Contract.model_validate({"target": {"name": "y", **classes}, "columns": names})
    rng = np.random.default_rng(columns)
    x: Matrix = rng.normal(size=(1500, columns)).astype(np.float32)
    score = x[:, 0] * x[:, 1] + x[:, 2] - 2 * (x[:, 3] > 0) + rng.normal(0, 0.3, len(x))
    y: Any = (score > 0).astype(int) if classify else score
    train = load_params(HOME / "params.yaml").train.model_copy(update={"model": model})
    content = to_onnx(make_model(contract, train).fit(x, y), contract)
    place = 1 if classify else 0
    (folder / f"{name}.onnx").write_bytes(content)
    np.savez(folder / f"{name}.npz", row=x[0], reference=x[1 : 1 + REFERENCE_ROWS], place=place)
    ask = load_onnx(content)

    def answer(rows: Matrix) -> Floats:
        return ask(rows)[:, place]

    value, base = float(answer(x[:1])[0]), answer(x[1 : 1 + REFERENCE_ROWS])
    return Game(answer, x[0], value, x[1 : 1 + REFERENCE_ROWS], base, np.arange(columns))


def within_errors(found: Contributions, due: list[float], errors: float) -> bool:
    """Whether every contribution lies within so many standard errors (and float32's rounding)."""
    return bool((np.abs(found.values - due) <= errors * found.standard_errors + 1e-5).all())


@pytest.mark.slow
def test_contributions_are_those_of_shap(shap: Path, tmp_path: Path) -> None:
    """Exact ones to float32's rounding; sampled ones within their standard errors.

    shap's exact explainer and ours compute the same number; its sampling explainer has an error of
    its own, which is small for so many samples.
    """
    games = {
        "linear": write_case(tmp_path, "linear", 6, "linear", classify=False),
        "linear_shares": write_case(tmp_path, "linear_shares", 7, "linear", classify=True),
        "trees": write_case(tmp_path, "trees", 6, "boosting", classify=True),
        "more_trees": write_case(tmp_path, "more_trees", 10, "boosting", classify=True),
        "many_trees": write_case(tmp_path, "many_trees", 14, "boosting", classify=False),
    }
    words = [str(shap), "-W", "ignore", str(CHECKS), str(tmp_path)]
    env = {**os.environ, "PYTHONPATH": ""}
    done = subprocess.run(words, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    due: dict[str, list[float]] = json.loads(done.stdout)
    for name in ("linear", "linear_shares", "trees"):
        np.testing.assert_allclose(exact(games[name]).values, due[name], atol=2e-6, err_msg=name)
    linear = sampled(games["linear"], 60)  # of a linear model each draw is exact
    np.testing.assert_allclose(linear.values, due["linear"], atol=2e-6)
    assert within_errors(sampled(games["more_trees"], 4000), due["more_trees"], 4)
    many = sampled(games["many_trees"], 4000)
    spread = np.abs(due["many_trees"]).max()
    np.testing.assert_allclose(many.values, due["many_trees"], atol=0.03 * spread)
