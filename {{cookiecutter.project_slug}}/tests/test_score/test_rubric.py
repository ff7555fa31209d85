"""The rubric has its 28 lines, and every test and check that it names is there."""

from __future__ import annotations

import ast
from collections import Counter

import pytest

from ml.release.gate.bundle_rules import GOLDEN, LATENCY, PARITY
from ml.release.gate.fairness import FAIR
from ml.release.gate.slices import NO_SLICE
from ml.test_score.checks import CHECKS, GATE
from ml.test_score.rubric import GROUPS, RUBRIC, Line
from tests.conftest import HERE

RULES = {f"{GATE}{name}" for name in (GOLDEN, LATENCY, PARITY, FAIR, NO_SLICE)}
NAMED = sorted({test for line in RUBRIC for test in line.tests})


def test_each_group_has_its_seven_lines_in_order() -> None:
    assert Counter(line.group for line in RUBRIC) == dict.fromkeys(GROUPS, 7)
    assert [line.group for line in RUBRIC] == sorted(
        (line.group for line in RUBRIC), key=GROUPS.index
    )
    assert len({line.asks for line in RUBRIC}) == 28


@pytest.mark.parametrize("test", NAMED)
def test_a_named_test_exists(test: str) -> None:
    file, _, name = test.partition("::")
    defined = {
        node.name
        for node in ast.parse((HERE / file).read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }
    assert name in defined if name else defined


@pytest.mark.parametrize("line", RUBRIC, ids=lambda line: line.asks)
def test_checks_exist_and_what_a_person_does_is_written_down(line: Line) -> None:
    assert set(line.checks) <= set(CHECKS) | RULES
    assert line.checks or not line.by_hand
