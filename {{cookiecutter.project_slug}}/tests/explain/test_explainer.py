"""The explanation of a row: of the number that is served, in its unit, with sums that close."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ml.bundle import load_bundle
from ml.contract import Contract
from ml.errors import RefusedError
from ml.explain.explainer import Explainer
from ml.params import Explain, load_params
from tests.serving.conftest import CLASSIFICATION, HOME, REGRESSION, sample_rows, write_release

MANY = Contract.model_validate(
    {
        "target": {"name": "fare", "task": "multiclass", "classes": ["low", "mid", "high"]},
        "columns": [{"kind": "numeric", "name": f"x{i}", "missing": True} for i in range(9)],
    }
)


@pytest.fixture(scope="module")
def params() -> Explain:
    return load_params(HOME / "params.yaml").explain


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of three classes and nine columns: its values are sampled."""
    return write_release(tmp_path_factory.mktemp("many") / "m", MANY, "m")


def assert_sound(found: dict[str, Any]) -> None:
    """Contributions add up to the answer minus the base value, in doubles."""
    moved = found["explained"]["answer"] - found["base_value"]
    total = sum(one["contribution"] for one in found["contributions"])
    scale = max(abs(found["explained"]["answer"]), abs(found["base_value"]))
    assert abs(total - moved) <= 1e-6 * scale
    assert found["residual"] == pytest.approx(moved - total, abs=1e-12 * max(1.0, scale))


def test_of_two_classes_the_positive_ones_probability_is_explained(
    releases: Path, params: Explain
) -> None:
    explainer = Explainer(load_bundle(releases / "1"), params)
    predicted = set()
    for row in sample_rows(CLASSIFICATION, 12):
        found = explainer.explain(row)
        assert_sound(found)
        assert found["explained"]["class"] == 'yes, "100%"'
        assert found["explained"]["unit"] == "probability"
        assert (found["explained"]["answer"] > 0.5) == (found["prediction"] == 'yes, "100%"')
        assert found["method"] == "exact"
        assert {one["column"] for one in found["contributions"]} == set(CLASSIFICATION.names)
        predicted.add(found["prediction"])
    assert len(predicted) == 2


def test_of_more_classes_the_predicted_ones_probability_is_explained(
    many: Path, params: Explain
) -> None:
    bundle = load_bundle(many)
    explainer = Explainer(bundle, params)
    row = sample_rows(MANY, 1)[0]
    found = explainer.explain(row)
    assert_sound(found)
    assert found["explained"]["class"] == found["prediction"]
    shares = bundle.answer(bundle.encoder.rows([row]))[0]
    assert found["explained"]["answer"] == float(str(shares.max()))
    assert (found["method"], found["draws"]) == ("sampled", 256)
    assert found["contributions"][0]["standard_error"] > 0
    assert found["sentence"].startswith(f"fare={found['prediction']}: ")


def test_a_regressions_value_is_explained_in_the_targets_unit(
    releases: Path, params: Explain
) -> None:
    found = Explainer(load_bundle(releases / "r"), params).explain({"a": 3.5, "b": "y"})
    assert_sound(found)
    assert found["explained"] == {
        "unit": "count",
        "class": None,
        "answer": found["prediction"],
    }
    assert found["counterfactual"] is None


def test_missing_values_and_unseen_levels_are_explained_too(
    releases: Path, params: Explain
) -> None:
    row = {**sample_rows(CLASSIFICATION, 1)[0], "monthly charge": None, "city": "Bergen"}
    found = Explainer(load_bundle(releases / "1"), params).explain(row)
    assert_sound(found)
    values = {one["column"]: one["value"] for one in found["contributions"]}
    assert values["monthly charge"] is None
    assert values["city"] == "Bergen"


def test_another_reference_gives_another_base_value(releases: Path, params: Explain) -> None:
    explainer, row = Explainer(load_bundle(releases / "1"), params), sample_rows(CLASSIFICATION, 1)
    everyone, stayed = explainer.explain(row[0]), explainer.explain(row[0], "churned=no")
    assert_sound(stayed)
    assert stayed["base_value"] < everyone["base_value"]
    assert stayed["reference"]["name"] == "churned=no"
    assert stayed["reference"]["sha256"] != everyone["reference"]["sha256"]


def test_the_counterfactual_flips_the_class_when_it_is_asked(
    releases: Path, params: Explain
) -> None:
    bundle = load_bundle(releases / "1")
    explainer, flipped = Explainer(bundle, params), 0
    for row in sample_rows(CLASSIFICATION, 12):
        found = explainer.explain(row)
        change = found["counterfactual"]
        if change is not None:
            changed = {**row, **{one["column"]: one["to"] for one in change["changes"]}}
            asked = explainer.explain(changed)
            assert asked["prediction"] == change["prediction"] != found["prediction"]
            flipped += 1
    assert flipped > 6


def test_fixed_columns_are_kept_by_it(releases: Path, params: Explain) -> None:
    fixed = params.model_copy(update={"fixed": ("monthly charge",)})
    explainer = Explainer(load_bundle(releases / "1"), fixed)
    for row in sample_rows(CLASSIFICATION, 6):
        change = explainer.explain(row)["counterfactual"]
        assert change is None or "monthly charge" not in {c["column"] for c in change["changes"]}


def test_a_bundle_without_rows_says_so(tmp_path: Path, params: Explain) -> None:
    folder = write_release(tmp_path / "old", REGRESSION, "old")
    np.save(folder / "explain.npy", np.zeros((0, 2), dtype=np.float32))
    from tests.serving.conftest import seal

    seal(folder, "old")
    with pytest.raises(RefusedError, match="version old holds no rows to compare with") as refused:
        Explainer(load_bundle(folder), params)
    assert refused.value.status == 409
    (folder / "explain.npy").unlink()
    seal(folder, "old")
    with pytest.raises(RefusedError, match="holds no rows"):
        Explainer(load_bundle(folder), params)
