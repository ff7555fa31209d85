"""The 28 tests of the ML Test Score, and what answers each of them in this project.

Source: Breck, Cai, Nielsen, Salib, Sculley (2017), The ML Test Score: A Rubric for ML Production
Readiness and Technical Debt Reduction, IEEE Big Data. A test that runs by itself, again and again,
is one point, one that a person carries out and writes down is half a point; the points of a group
are added, and the score is the smallest of the four sums.
"""

from __future__ import annotations

from dataclasses import dataclass

GROUPS = ("data", "model", "infrastructure", "monitoring")


@dataclass(frozen=True)
class Line:
    """One test of the rubric.

    Args:
        group: of GROUPS.
        asks: what the test asks for.
        tests: the project's tests that answer it: files, or one function (`file::name`).
        checks: names of `ml.test_score.checks`, about this project's data and model.
        by_hand: a person does it, and a check finds what was written down: half a point.
    """

    group: str
    asks: str
    tests: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()
    by_hand: bool = False


DATA, MODEL, INFRASTRUCTURE, MONITORING = GROUPS

RUBRIC = (
    Line(
        DATA,
        "expectations of the features stand in a schema",
        ("tests/dataset/test_checks.py", "tests/adopt/test_infer_contract.py"),
        ("the data keeps the contract",),
    ),
    Line(
        DATA,
        "every feature is of use",
        ("tests/pipeline/evaluation/test_importance.py",),
        ("every feature is of use",),
    ),
    Line(
        DATA,
        "no feature costs too much",
        ("tests/release/gate/test_bundle_rules.py::test_latency",),
        ("gate: one-row latency",),
    ),
    Line(
        DATA,
        "features keep the rules on which data may be used",
        ("tests/adopt/test_leakage.py", "tests/adopt/test_append.py"),
    ),
    Line(
        DATA,
        "privacy is kept in the whole pipeline",
        (
            "tests/test_planted_values.py",
            "tests/journal/test_erasure.py",
            "tests/erasure/test_commands.py",
            "tests/journal/test_export.py",
        ),
    ),
    Line(
        DATA,
        "a new feature can be added quickly",
        ("tests/adopt/test_adopt_then_flow.py", "tests/adopt/test_flow.py"),
    ),
    Line(
        DATA,
        "all code of the features is tested",
        (
            "tests/test_encode.py",
            "tests/test_structure.py::test_each_module_has_a_test_file_of_its_name",
        ),
    ),
    Line(
        MODEL,
        "the model's code is reviewed and checked in",
        (),
        ("the model was reviewed",),
        by_hand=True,
    ),
    Line(MODEL, "the metric goes along with what the answers are for"),
    Line(
        MODEL,
        "all settings of the training are tuned",
        ("tests/pipeline/training/test_search.py",),
        ("settings are searched",),
    ),
    Line(
        MODEL,
        "what an old model costs is known",
        ("tests/loop/replay/test_baselines.py", "tests/loop/replay/test_totals.py"),
        ("replayed against a model that is never retrained",),
    ),
    Line(
        MODEL,
        "a simpler model is not better",
        ("tests/pipeline/test_evaluate.py::test_a_better_linear_model_is_suggested",),
        ("no simpler model is better",),
    ),
    Line(
        MODEL,
        "quality is sufficient on all important slices",
        ("tests/release/gate/test_slices.py",),
        ("gate: no slice is worse",),
    ),
    Line(
        MODEL,
        "groups of people are treated alike",
        ("tests/release/gate/test_fairness.py", "tests/fairness/test_measures.py"),
        ("gate: groups are treated alike",),
    ),
    Line(
        INFRASTRUCTURE,
        "training is reproducible",
        (
            "tests/test_model.py::test_many_levels_are_encoded_by_their_target_and_repeatably",
            "tests/release/test_commands.py::test_twice_adds_nothing",
            "tests/trace/test_commands.py::test_each_version_and_its_answers_are_made_again",
        ),
    ),
    Line(INFRASTRUCTURE, "the model's code has unit tests", ("tests/test_model.py",)),
    Line(
        INFRASTRUCTURE,
        "the whole pipeline has an integration test",
        ("tests/adopt/test_flow.py::test_a_table_is_trained_on_released_and_served",),
    ),
    Line(
        INFRASTRUCTURE,
        "quality is validated before a model serves",
        ("tests/release/gate/test_decide.py",),
        ("the champion passed the gate",),
    ),
    Line(
        INFRASTRUCTURE,
        "the computation of one example can be looked at",
        (
            "tests/explain/test_commands.py",
            "tests/explain/test_explainer.py",
            "tests/trace/test_commands.py::test_a_trace_names_row_release_and_decision",
        ),
    ),
    Line(
        INFRASTRUCTURE,
        "a model is tried on a share of the traffic first",
        ("tests/serving/inference/test_challenger.py", "tests/loop/probation/test_decision.py"),
    ),
    Line(
        INFRASTRUCTURE,
        "the model before serves again quickly and safely",
        ("tests/release/test_rollback.py",),
    ),
    Line(
        MONITORING,
        "changes of what the model depends on are noticed",
        ("tests/adopt/test_append.py", "tests/request_schema/test_changes.py"),
        ("the monitor judges",),
    ),
    Line(
        MONITORING,
        "invariants of the data hold, in training and serving",
        ("tests/monitoring/checks/test_quality.py", "tests/dataset/test_checks.py"),
        ("the monitor judges",),
    ),
    Line(
        MONITORING,
        "training and serving compute the same features",
        ("tests/test_encode.py::test_rows_and_columns_agree", "tests/pipeline/test_golden.py"),
        ("gate: ONNX answers as trained",),
    ),
    Line(
        MONITORING,
        "models do not grow too old",
        ("tests/loop/test_decide.py", "tests/monitoring/test_heartbeat.py"),
    ),
    Line(
        MONITORING,
        "the model's numbers are finite",
        ("tests/serving/inference/test_fallback.py", "tests/pipeline/training/test_parity.py"),
        ("gate: golden rows",),
    ),
    Line(
        MONITORING,
        "speed, latency and memory do not get worse",
        ("tests/deploy/test_rules.py", "tests/loop/probation/test_decision.py"),
    ),
    Line(
        MONITORING,
        "the quality of answers does not get worse",
        ("tests/monitoring/checks/test_performance.py", "tests/monitoring/checks/test_estimate.py"),
        ("the monitor judges",),
    ),
)
