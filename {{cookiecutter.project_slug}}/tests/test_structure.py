"""The structure of ml/: small rooms with maps, short functions, stages that list their imports.

Run by itself it prints the figures: `python tests/test_structure.py`.
"""

from __future__ import annotations

import ast
import io
import re
import statistics
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest
from ruamel.yaml import YAML

PROJECT = Path(__file__).parents[1]
ML = PROJECT / "ml"
MOST_MODULES = 12  # in one folder
MOST_TOKENS = 250  # in one function
MEDIAN_TOKENS = 60
P90_TOKENS = 150
LAYOUT = {
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.COMMENT,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
}
# These change how a stage reports and fails, never what it computes; params are named by `params:`.
NO_DEPENDENCY = {
    "ml/atomic.py",
    "ml/dataset/recipe.py",
    "ml/errors.py",
    "ml/params.py",
    "ml/progress.py",
    "ml/scale/joblib_backend.py",
    "ml/scale/limit.py",
    "ml/scale/shares.py",
    "ml/seal/manifest.py",
    "ml/seal/signature.py",
    "ml/pipeline/stage.py",
    "ml/pipeline/training/trial_log.py",
    "ml/pipeline/tracking.py",
}
# Modules without a test file of their own, each with the reason.
TESTED_ELSEWHERE: dict[str, str] = {
    "__main__.py": "every test that runs `python -m ml`",
    "adopt/columns/categories.py": "tests/adopt/test_infer_contract.py: levels and texts",
    "adopt/columns/datetimes.py": "tests/adopt/test_infer_contract.py: a table of moments",
    "adopt/columns/infer.py": "tests/adopt/test_infer_contract.py: a table for each kind",
    "adopt/columns/inferred.py": "tests/adopt/test_properties.py: any mixture of values",
    "adopt/columns/name_hints.py": "tests/adopt/test_infer_contract.py: names decide between kinds",
    "adopt/contract_file.py": "tests/adopt/test_properties.py, test_commands.py: read back, kept",
    "adopt/summary.py": "tests/adopt/test_commands.py: what the command prints",
    "card/figures.py": "tests/card/test_write.py: every figure and its place",
    "card/groups.py": "tests/fairness/test_report.py, with the figures",
    "card/outcomes.py": "tests/card/test_write.py: a real run's figures",
    "card/people.py": "tests/card/test_sections.py: blanks and what fills them",
    "erasure/raw_parts.py": "tests/erasure/test_commands.py, with DVC and git",
    "erasure/remains.py": "tests/erasure/test_commands.py: what the command prints",
    "fairness/by_group.py": "tests/fairness/test_measures.py, beside fairlearn's",
    "journal/append_connection.py": "tests/journal/test_store.py, through `Journal`",
    "journal/bulk/chunk.py": "tests/monitoring/inputs/test_window.py, with the scan",
    "journal/bulk/exported.py": "tests/monitoring/inputs/test_parts.py: an export as a window",
    "journal/bulk/scan.py": "tests/monitoring/inputs/test_window.py, with the window that it fills",
    "journal/schema.py": "tests/journal/test_store.py: tables alone do nothing",
    "journal/writing.py": "tests/journal/test_store.py, through `Journal`",
    "loop/earlier.py": "tests/loop/test_run.py, with the registry",
    "loop/labelled.py": "tests/loop/test_retrain.py, with the journal",
    "monitoring/inputs/tallies.py": "tests/monitoring/inputs/test_parts.py, test_window.py",
    "pipeline/early_imports/__main__.py": "tests/pipeline/early_imports/test_forks.py: each stage",
    "pipeline/artifacts.py": "paths alone: every stage's test",
    "pipeline/evaluation/data_facts.py": "tests/card/test_write.py, of a real run",
    "charts/lines.py": "tests/charts/test_time_line.py, with the chart",
    "dataset/csv_file.py": "tests/dataset/test_reader.py: separators, quotes, ragged rows",
    "dataset/row_groups.py": "tests/pipeline/training/test_rows.py, test_split.py: by groups",
    "pipeline/training/halving.py": "tests/pipeline/training/test_search.py and test_trial_log.py",
    "pipeline/training/lightgbm_share.py": "test_lightgbm_workers.py: shares join in threads",
    "pipeline/validate.py": "tests/adopt/test_flow.py; its checks: tests/dataset/test_checks.py",
    "release/bom/licences.py": "tests/release/bom/test_environment.py, with the packages",
    "release/challenger.py": "tests/serving/inference/test_challenger.py, with the service",
    "release/publish.py": "tests/release/test_commands.py and test_killed.py, with the registry",
    "release/register.py": "tests/release/test_commands.py and test_faults.py, with the registry",
    "release/runs.py": "tests/release/test_commands.py, with the registry",
    "request_schema/column_types.py": "tests/request_schema/test_rows.py: what each kind allows",
    "serving/api/routes/dependencies.py": "every test of a route",
    "serving/api/routes/metrics.py": "tests/serving/test_metrics.py, with what is counted",
    "serving/api/middleware.py": "tests/serving/attacks/test_foreign_pages.py and test_keys.py",
    "serving/api/json_body.py": "tests/serving/api/test_bodies.py, on each route",
    "serving/api/refusals.py": "every refusal: `message_of` in tests/serving/protocols.py",
    "serving/api/tables.py": "tests/serving/api/routes/test_mlflow.py, with the routes",
    "serving/api/tensors.py": "tests/serving/api/routes/test_open_inference.py, with the routes",
    "serving/inference/journal_health.py": "tests/serving/attacks/test_locked_journal.py",
    "serving/inference/predictor.py": "tests/serving/api/routes/test_predict.py, with its answers",
    "serving/inference/service.py": "every test of a route",
    "serving/process/worker.py": "tests/serving/process/test_server.py, as a process",
    "serving/settings.py": "tests/serving/attacks/test_keys.py, from the environment",
    "loop/replay/child.py": "tests/loop/replay/test_commands.py, as a process",
    "loop/probation/watch.py": "tests/loop/test_over_http.py, with the service",
    "loop/replay/options.py": "a form without code: tests/loop/replay/simulation/test_stream.py",
    "monitoring/inputs/audited.py": "monitoring/checks/test_fairness.py, with the journal",
    "monitoring/inputs/columns.py": "monitoring/inputs/test_window.py, with the window",
    "monitoring/inputs/reference.py": "monitoring/conftest.py: fixtures read it",
    "monitoring/reports/groups.py": "monitoring/checks/test_fairness.py, with the page",
    "monitoring/reports/terminal.py": "serving/attacks/test_stored_text.py",
    "test_score/checks.py": "tests/test_score/test_commands.py, of a real release",
    "scale/cluster.py": "tests/scale/test_with_dask.py, with real processes",
    "scale/joblib_backend.py": "tests/scale/test_with_dask.py, with real processes",
    "standalone/score_part.py": "tests/standalone/test_score_folder.py, with its plan",
    "standalone/score_plan.py": "tests/standalone/test_score_folder.py, with its parts",
    "standalone/tables.py": "tests/standalone/test_score_folder.py, here and in S3",
    "statistics/profile.py": "statistics/test_column_tests.py",
    "pipeline/tracking.py": "tests/pipeline/training/test_trial_log.py, with MLflow's database",
    "trace/checkout.py": "tests/trace/test_commands.py, with git and DVC",
    "trace/origin.py": "tests/trace/test_commands.py, with the release and the ledger",
    "trace/rebuild.py": "tests/trace/test_commands.py: each version is made again",
    "trace/record.py": "tests/trace/test_commands.py, with the journal",
}

Place = tuple[int, int]


def modules() -> list[Path]:
    """Every module but `__init__.py`."""
    return sorted(path for path in ML.rglob("*.py") if path.name != "__init__.py")


def rooms() -> list[Path]:
    """Every package."""
    return sorted(path.parent for path in ML.rglob("__init__.py"))


def room_id(room: Path) -> str:
    return str(room.relative_to(PROJECT))


def files_of(room: Path) -> set[str]:
    """The modules and packages of a room, as its map names them."""
    named = {path.name for path in room.glob("*.py")} - {"__init__.py", "__main__.py"}
    return named | {f"{path.parent.name}/" for path in room.glob("*/__init__.py")}


def map_of(docstring: str) -> set[str]:
    """What a room's map names: the first word of each line, where it is a file or a folder."""
    return set(re.findall(r"^\s*(\w+(?:\.py|/))\s", docstring, re.MULTILINE))


@pytest.mark.parametrize("room", rooms(), ids=room_id)
def test_a_room_is_small_and_its_map_names_exactly_its_files(room: Path) -> None:
    here = files_of(room)
    assert len([name for name in here if name.endswith(".py")]) <= MOST_MODULES
    docstring = (
        ast.get_docstring(ast.parse((room / "__init__.py").read_text(encoding="utf-8"))) or ""
    )
    assert map_of(docstring + "\n") == here


def test_a_map_is_read_line_by_line() -> None:
    assert map_of("A room.\n\nfirst.py   what it is\ninner/     a room in it\nsee other.py\n") == {
        "first.py",
        "inner/",
    }


def test_each_module_has_a_test_file_of_its_name() -> None:
    without = []
    for module in modules():
        inside = module.relative_to(ML)
        if not (PROJECT / "tests" / inside.parent / f"test_{inside.name}").is_file():
            without.append(str(inside))
    assert sorted(without) == sorted(TESTED_ELSEWHERE)


def functions(source: str) -> Iterator[tuple[str, int]]:
    """Name and size of each function in tokens, without docstring, comments and data literals."""
    tokens = list(tokens_of(source))
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            left_out = [
                span(part) for part in [docstring_of(node), *literals(node)] if part is not None
            ]
            first, last = span(node)
            inside = [t for t in tokens if first <= t < last]
            yield node.name, sum(not any(a <= t < b for a, b in left_out) for t in inside)


def tokens_of(source: str) -> Iterator[Place]:
    """Where each token begins. An f-string is one, as before Python 3.12 took it apart."""
    within = 0  # of f-strings, one in the other
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        kind = tokenize.tok_name[token.type]
        if not within and token.type not in LAYOUT:
            yield token.start
        within += (kind == "FSTRING_START") - (kind == "FSTRING_END")


def span(node: ast.expr | ast.stmt) -> tuple[Place, Place]:
    """Where a node begins and ends."""
    assert node.end_lineno is not None
    assert node.end_col_offset is not None
    return (node.lineno, node.col_offset), (node.end_lineno, node.end_col_offset)


def docstring_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.stmt | None:
    return function.body[0] if ast.get_docstring(function) is not None else None


def literals(function: ast.AST) -> list[ast.expr]:
    """Lists, tuples, sets and dictionaries of constants alone."""
    return [node for node in ast.walk(function) if isinstance(node, ast.expr) and is_data(node)]


def is_data(node: ast.expr) -> bool:
    match node:
        case ast.List(elts=parts) | ast.Tuple(elts=parts) | ast.Set(elts=parts):
            return bool(parts) and all(
                isinstance(part, ast.Constant) or is_data(part) for part in parts
            )
        case ast.Dict(keys=keys, values=values):
            parts = [*(key for key in keys if key is not None), *values]
            return None not in keys and all(
                isinstance(p, ast.Constant) or is_data(p) for p in parts
            )
    return False


def sizes() -> list[tuple[int, str]]:
    """Tokens and name of every function, the longest first."""
    found = []
    for path in modules():
        for name, size in functions(path.read_text(encoding="utf-8")):
            found.append((size, f"{path.relative_to(PROJECT)}: {name}"))
    return sorted(found, reverse=True)


def test_no_function_is_long() -> None:
    assert [f"{name}: {size} tokens" for size, name in sizes() if size > MOST_TOKENS] == []


def test_most_functions_are_short() -> None:
    counted = [size for size, _ in sizes()]
    assert statistics.median(counted) <= MEDIAN_TOKENS
    assert statistics.quantiles(counted, n=10)[-1] <= P90_TOKENS


def test_tokens_are_counted_without_layout_docstrings_and_data() -> None:
    body = '    """Doc."""\n    # reason\n    data = [1, (2, 3), {"a": 4}]\n    return data[x]\n'
    source = f"def f(x):\n{body}"
    assert list(functions(source)) == [
        ("f", len(["def", "f", "(", "x", ")", ":", "data", "=", "return", "data", "[", "x", "]"]))
    ]


def imported(path: Path) -> set[Path]:
    """The modules of ml/ that a module imports, at its top or inside a function."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for_types = {
        id(n) for block in ast.walk(tree) if is_type_checking(block) for n in ast.walk(block)
    }
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and id(node) not in for_types:
            for name in [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]:
                file = PROJECT.joinpath(*name.split(".")).with_suffix(".py")
                found |= {file} if name.startswith("ml.") and file.is_file() else set()
    return found


def is_type_checking(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.If)
        and isinstance(node.test, ast.Name)
        and node.test.id == "TYPE_CHECKING"
    )


def closure(path: Path) -> set[Path]:
    """A module and all that it imports, directly or not, as far as they change results."""
    seen: set[Path] = set()
    waiting = [path]
    while waiting:
        here = waiting.pop()
        if here not in seen and here.relative_to(PROJECT).as_posix() not in NO_DEPENDENCY:
            seen.add(here)
            waiting.extend(imported(here))
    return seen


STAGES = YAML(typ="safe").load((PROJECT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_exactly_what_it_imports(stage: str) -> None:
    assert STAGES[stage]["cmd"] == f"python -m ml.pipeline.early_imports {stage}"
    reached = closure(PROJECT / "ml/pipeline" / f"{stage}.py")
    needed = {path.relative_to(PROJECT).as_posix() for path in reached}
    assert {dep for dep in STAGES[stage]["deps"] if dep.startswith("ml/")} == needed


def main() -> None:
    """Print the figures."""
    counted = sizes()
    numbers = [size for size, _ in counted]
    lines = sum(len(path.read_text(encoding="utf-8").splitlines()) for path in ML.rglob("*.py"))
    print(f"{lines} lines, {len(modules())} modules, {len(numbers)} functions")
    print(f"tokens: median {statistics.median(numbers):g}, ", end="")
    print(f"90th percentile {statistics.quantiles(numbers, n=10)[-1]:g}, longest {numbers[0]}")
    for size, name in counted[:10]:
        print(f"  {size:4d} {name}")


if __name__ == "__main__":
    main()
