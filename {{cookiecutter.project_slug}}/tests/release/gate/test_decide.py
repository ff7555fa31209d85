"""The whole gate on sealed releases: promoted, refused, incomparable, unsound."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ml.contract import Contract
from ml.dataset.row_hash import row_hashes
from ml.params import Params
from ml.release.gate.comparison import contender
from ml.release.gate.decide import decide
from tests.serving.conftest import seal


def test_a_better_release_passes_with_evidence(
    champion: Path, challenger: Path, held_out: pd.DataFrame, params: Params
) -> None:
    decision = decide(contender(challenger), contender(champion), held_out, params)
    assert decision.passed, decision.reason
    evidence = json.loads(json.dumps(decision.evidence, allow_nan=False))
    assert (evidence["challenger"], evidence["champion"]) == ("2", "1")
    assert evidence["fresh_rows"] == 400
    assert evidence["checks"]["better than the champion"]["gain_at_least"] > 0
    assert set(evidence["checks"]) == {
        "better than the baseline",
        "golden rows",
        "one-row latency",
        "takes the champion's requests",
        "enough fresh rows",
        "not worse than the champion",
        "better than the champion",
        "no slice is worse",
        "calibration not worse",
        "no alarm in service",
        "answers that flip",
    }


def test_a_worse_release_is_refused_with_figures_and_a_next_step(
    champion: Path, challenger: Path, held_out: pd.DataFrame, params: Params
) -> None:
    decision = decide(contender(champion), contender(challenger), held_out, params)
    assert not decision.passed
    assert "not worse than the champion: roc_auc 0." in decision.reason
    assert decision.then


def test_without_a_champion_the_rules_on_it_alone_decide(
    challenger: Path, held_out: pd.DataFrame, params: Params
) -> None:
    decision = decide(contender(challenger), None, held_out, params)
    assert decision.passed
    assert [check.name for check in decision.checks] == [
        "better than the baseline",
        "golden rows",
        "one-row latency",
    ]
    assert decision.evidence["champion"] is None


def test_rows_that_were_trained_on_decide_nothing(
    champion: Path, challenger: Path, held_out: pd.DataFrame, params: Params, contract: Contract
) -> None:
    seen = contender(champion, trained_rows=row_hashes(held_out[:350], contract))
    decision = decide(contender(challenger), seen, held_out, params)
    assert not decision.passed
    assert decision.failed[0].name == "enough fresh rows"
    assert "50 rows that neither was trained on, needs 100" in decision.reason
    assert decision.checks[-1].name == "enough fresh rows"


def test_a_release_of_another_target_is_not_compared(
    champion: Path, challenger: Path, held_out: pd.DataFrame, params: Params, tmp_path: Path
) -> None:
    other = shutil.copytree(champion, tmp_path / "3")
    contract = json.loads((other / "contract.json").read_text(encoding="utf-8"))
    contract["target"]["classes"] = ["yes", "no"]
    (other / "contract.json").write_text(json.dumps(contract), encoding="utf-8")
    refused = decide(contender(challenger), contender(other), held_out, params)
    assert [check.name for check in refused.failed] == ["takes the champion's requests"]
    allowed = decide(contender(challenger), contender(other), held_out, params, new_contract=True)
    assert allowed.passed
    assert "enough fresh rows" not in [check.name for check in allowed.checks]


def test_a_bundle_that_cannot_be_loaded_is_refused(
    champion: Path, challenger: Path, held_out: pd.DataFrame, params: Params, tmp_path: Path
) -> None:
    broken = shutil.copytree(challenger, tmp_path / "2")
    golden = json.loads((broken / "golden.json").read_text(encoding="utf-8"))
    golden["answers"][1] = [1.0, 0.0]
    (broken / "golden.json").write_text(json.dumps(golden), encoding="utf-8")
    seal(broken, "2")
    decision = decide(contender(broken), contender(champion), held_out, params)
    assert [check.name for check in decision.failed] == ["golden rows"]
    assert "golden row 1" in decision.reason


def test_measured_answers_are_judged_by_what_the_pipeline_measured(
    challenger: Path, held_out: pd.DataFrame, params: Params
) -> None:
    useless = np.tile([0.5, 0.5], (len(held_out), 1))
    decision = decide(contender(challenger, useless), None, held_out, params)
    assert decision.passed  # model.json of the bundle has the figures
    now = decide(contender(challenger), None, held_out.assign(charge=1.0, calls=1.0), params)
    assert not now.passed


@pytest.mark.parametrize("rows", [0, 1])
def test_no_rows_no_promotion(
    champion: Path, challenger: Path, held_out: pd.DataFrame, params: Params, rows: int
) -> None:
    decision = decide(contender(challenger), contender(champion), held_out[:rows], params)
    assert not decision.passed


def test_every_rule_may_be_off(
    champion: Path, challenger: Path, held_out: pd.DataFrame, params: Params
) -> None:
    off: dict[str, Any] = {
        "min_gain_over_baseline": None,
        "min_rows": 0,
        "min_gain": None,
        "max_slice_loss": None,
        "max_calibration_loss": None,
        "may_alarm": True,
        "max_latency_ms": None,
    }
    lenient = params.model_copy(
        update={
            "release": params.release.model_copy(update=off),
            "monitor": params.monitor.model_copy(update={"max_loss": 1.0}),
        }
    )
    assert decide(contender(champion), contender(challenger), held_out, lenient).passed
