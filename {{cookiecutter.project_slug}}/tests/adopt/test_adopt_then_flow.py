"""A file that adopt takes is never refused by the pipeline's first stages.

In the generated tables whatever is a marker, level or unit in one column is a plain value of
another.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from hypothesis import HealthCheck, event, given, seed, settings
from hypothesis import strategies as st

from ml.adopt.contract_file import contract_yaml, write_contract
from ml.adopt.infer_contract import Adopted, Request, infer_contract
from ml.adopt.source.inputs import read
from ml.adopt.source.raw_store import place_parts
from ml.adopt.split_check import check_split
from ml.contract import Task
from ml.dataset.frame import read_table
from ml.errors import UserError
from ml.params import load_params
from ml.pipeline import ingest, split, validate
from ml.pipeline.artifacts import INGESTED, TEST, TRAIN

PARAMS = Path(__file__).parents[2] / "params.yaml"
ROWS = 64  # a few more than the search for leaks wants
FORMS = (
    "{}", "{}.0", "{}.25", "{},5", "{:03d}", "1.{:03d}", "1,{:03d}", "1,{:03d}.5", "1.{:03d},5",
    "1 {:03d}", "{} kg", "{} EUR", "$ {}", "{}%", "({})", "-{}", "{}e3", "2026-01-{:02d}",
    "{:02d}/02/2026", "{:02d}.02.26", "2026-01-{:02d}T10:00:00Z", "10:{:02d}", "17000{:02d}000",
    "no. {} of the list", "K{:03d}", "{} of the many words in a free text",
)  # fmt: skip
WORDS = (
    "", "", " ", "NA", "N/A", "n/a", "None", "none", "null", "NULL", "NaN", "nan", "?", "-", "--",
    ".", "unknown", "Unknown", "missing", "TBD", "x", "inf", "Inf", "-inf", "1e999", "1e39", "#N/A",
    "#DIV/0!", "0000-00-00", "yes", "no", "Yes", "No", "y", "N", "true", "false", "True", "0", "1",
    "0.0", "1.0", "3", "3.0", "03", "kg", "EUR", "%", "1 kg", "5 EUR", "7%", "-999", "9999",
    "1,234", "1.234", "1.234,5", "1,234.5", "2026-01-31", "31/12/2026", "10:00", "red", "Red",
    "NO", "DE", "FR", "IT", "nat", "on", "off", "=1+1", "'", '"', "a,b", "a;b",
)  # fmt: skip
words = st.sampled_from(WORDS)


TARGETS = (
    ("yes", "no"), ("true", "false", "0"), ("1", "0"), ("NA", "DE", "FR", "IT"), ("None", "mild"),
    ("1 kg", "2 kg", "?"), ("1.0", "2", "-"), ("x", "inf", "Inf"), ("2026-01-31", "10:00"),
    tuple(str(i) for i in range(1, 29)), tuple(f"{i},5" for i in range(1, 29)),
    tuple(f"1.{i:03d}" for i in range(1, 29)), tuple(f"$ {i}" for i in range(1, 29)),
)  # fmt: skip
TASKS: tuple[Task | None, ...] = (None, None, None, "regression", "multiclass")


@dataclass(frozen=True)
class Given:
    """A table, and how a person keeps it and what they say about it."""

    table: pd.DataFrame
    request: Request
    ending: str  # of its files
    separator: str
    parts: int


@st.composite
def columns(draw: st.DrawFn) -> list[str]:
    """Numbers, moments or texts of one form, or a few levels, among words of other columns."""
    form, levels = draw(st.sampled_from(FORMS)), draw(st.lists(words, min_size=1, max_size=5))
    own = [form.format(i) for i in range(1, 29)] if draw(st.booleans()) else levels
    return _among_strangers(draw, own)


@st.composite
def targets(draw: st.DrawFn) -> list[str]:
    """Classes or numbers that can be learned, among such words."""
    return _among_strangers(draw, draw(st.sampled_from(TARGETS)))


@st.composite
def moments(draw: st.DrawFn) -> list[str]:
    """Days or hours in some order, among such words."""
    form = draw(
        st.sampled_from(["2026-01-{:02d}", "{:02d}.02.26", "1/{}/2026", "10:{:02d}", "20{:02d}"])
    )
    return _among_strangers(draw, [form.format(i) for i in range(1, 29)])


def _among_strangers(draw: st.DrawFn, own: list[str] | tuple[str, ...]) -> list[str]:
    strangers = draw(st.lists(words, min_size=1, max_size=3))
    every = draw(st.sampled_from([2, 5, 13, 31, 61, 1000]))
    step = draw(st.sampled_from([1, 5, 11]))
    return [
        strangers[i // every % len(strangers)]
        if i % every == 1
        else own[(i * step + i // 9) % len(own)]
        for i in range(ROWS)
    ]


@st.composite
def tables(draw: st.DrawFn) -> Given:
    """Such columns, most often beside one that is always sound; the target may be any of them."""
    listed = draw(st.lists(columns(), min_size=1, max_size=5))
    table = pd.DataFrame({f"c{i}": column for i, column in enumerate(listed)})
    if draw(st.integers(0, 3)):
        table["anchor"] = [f"{i * 0.37:.2f}" for i in range(ROWS)]
    names = list(table.columns)
    table["seen"] = draw(moments())
    table["y"] = draw(targets())
    target = draw(st.sampled_from(["y", "y", "y", names[0]]))
    others: list[str | None] = [name for name in [*names, "y"] if name != target]
    time = draw(st.sampled_from([None, None, "seen", "seen", others[0]]))
    identifier = draw(st.sampled_from([None, None, *others]))
    request = Request(
        target, time, None if identifier == time else identifier, task=draw(st.sampled_from(TASKS))
    )
    ending, parts = draw(st.sampled_from([("csv", 1), ("csv", 2), ("parquet", 1)]))
    return Given(table, request, ending, draw(st.sampled_from(",;\t|")), parts)


@contextlib.contextmanager
def _project() -> Iterator[None]:
    """An empty project, the current folder while it lasts."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            shutil.copyfile(PARAMS, "params.yaml")
            yield
        finally:
            os.chdir(before)


def _adopted(case: Given) -> Adopted:
    """What adopt infers of the table's file or files, in place."""
    paths = [Path(f"part-{i}.{case.ending}") for i in range(case.parts)]
    for i, path in enumerate(paths):
        part = case.table.iloc[i :: case.parts]
        if case.ending == "parquet":
            part.apply(_typed).to_parquet(path, index=False)
        else:
            part.to_csv(path, index=False, sep=case.separator)
    texts, source = read(paths, ("first",))
    adopted = infer_contract("table", texts, source, case.request)
    check_split("table", texts, adopted.contract, load_params().split)
    place_parts(paths)
    write_contract(contract_yaml(adopted.contract, adopted.doubts, adopted.remarks))
    return adopted


def _typed(column: pd.Series) -> pd.Series:
    """Numbers where all are, as whoever writes Parquet has them."""
    try:
        return pd.to_numeric(column)
    except ValueError:
        return column


@seed(11)
@settings(max_examples=150, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(tables())
def test_what_adopt_takes_is_ingested_validated_and_split(case: Given) -> None:
    with _project():
        try:
            adopted = _adopted(case)
        except UserError as refused:
            event(f"refused: {refused.what[:60]}")
            return
        event(f"adopted: {adopted.contract.target.task}")
        for stage in (ingest, validate, split):
            stage.main()
        frame = read_table(INGESTED, adopted.contract)
        sides = len(pd.read_parquet(TRAIN)), len(pd.read_parquet(TEST))
        assert sum(sides) == len(frame)
        assert min(sides) > 0
        missing = {c.name: c.missing for c in adopted.columns if c.column}
        assert not [name for name, rows in missing.items() if frame[name].isna().sum() > rows]
