"""For any table.

What adopt infers reads the very file it came from, serves its rows, and survives YAML.
"""

from __future__ import annotations

import csv
import io
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ml.adopt.contract_file import contract_yaml
from ml.adopt.infer_contract import Adopted, Request, infer_contract
from ml.adopt.source.inputs import read
from ml.contract import load_contract
from ml.dataset.checks import findings
from ml.dataset.frame import encode_frame, rows_of_frame
from ml.dataset.parser import parse
from ml.encode import Encoder
from ml.errors import UserError
from ml.params import load_params
from ml.request_schema.rows import RequestSchema
from tests.conftest import read_frame

PARAMS = load_params(Path(__file__).parents[2] / "params.yaml").validate_
ROWS = 40

missing = st.sampled_from(
    ["", "", " ", "NA", "n/a", "null", "None", "?", "-", "nan", "unknown", "inf", "-999"]
)
words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=12)
cells: tuple[st.SearchStrategy[str], ...] = (
    st.integers(-5, 5).map(str),
    st.integers(-(10**12), 10**12).map(str),
    st.floats(allow_nan=True, allow_infinity=True).map(repr),
    st.floats(0, 1e6).map(lambda v: f"${v:,.2f}"),
    st.floats(-1e6, 1e6).map(lambda v: f"{v:.3f}".replace(".", ",")),
    st.integers(0, 10**9).map(lambda v: f"{v:,}".replace(",", ".")),
    st.floats(-50, 50).map(lambda v: f"({-v:.1f}%)" if v < 0 else f"{v:.1f}%"),
    st.integers(0, 99999).map(lambda v: f"{v:05d}"),
    st.sampled_from(["Yes", "no", "Y", "N", "TRUE", "false", "1", "0"]),
    st.sampled_from(
        [
            "red",
            "Red",
            "blue ",
            " green",
            "None",
            "NA",
            "true",
            "1",
            "1.0",
            "01",
            "~",
            "=",
            "<<",
            "null",
            "2020-01-01",
        ]
    ),
    st.dates().map(lambda d: d.strftime("%d/%m/%Y")),
    st.datetimes().map(lambda d: d.isoformat()),
    st.integers(0, 2**31).map(str),
    st.integers(0, 2**33).map(lambda v: f"{v}000"),
    words,
    st.lists(words, min_size=3, max_size=8).map(" ".join),
)
columns = st.sampled_from(cells).flatmap(
    lambda cell: st.lists(st.one_of(cell, cell, cell, cell, missing), min_size=ROWS, max_size=ROWS)
)
few = st.sampled_from(cells).flatmap(
    lambda cell: st.lists(cell, min_size=1, max_size=4).flatmap(
        lambda some: st.lists(st.sampled_from(some), min_size=ROWS, max_size=ROWS)
    )
)
targets = st.one_of(
    st.just([f"{i * 7.25 % 19:.2f}" for i in range(ROWS)]),
    st.just(["yes" if i % 3 else "NO" for i in range(ROWS)]),
    st.just([("None", "b", "3.0")[i % 3] for i in range(ROWS)]),
    st.just([f"$ {i % 17},{i:03d}" for i in range(ROWS)]),
)


@st.composite
def files(draw: st.DrawFn) -> tuple[bytes, str]:
    """A delimited file, and the name of its target."""
    table = draw(st.lists(st.one_of(columns, few), min_size=2, max_size=4))
    names = draw(st.lists(words, min_size=len(table), max_size=len(table)))
    separator = draw(st.sampled_from(",;\t|"))
    target = draw(targets)
    stream = io.StringIO()
    writer = csv.writer(
        stream,
        delimiter=separator,
        quoting=draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])),
    )
    writer.writerow(["anchor", *names, "the target"])
    writer.writerows(zip([f"{i * 0.37:.2f}" for i in range(ROWS)], *table, target, strict=True))
    return stream.getvalue().encode(), "the target"


def _adopted(data: bytes, target: str, folder: str) -> tuple[Path, Adopted]:
    path = Path(folder) / "t.csv"
    path.write_bytes(data)
    texts, source = read([path], ("first",))
    return path, infer_contract("t.csv", texts, source, Request(target, drop=()))


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(files())
def test_the_contract_reads_validates_and_serves_its_own_file(file: tuple[bytes, str]) -> None:
    """Ingest, validation and server refuse no row of the file, and both encoders agree on it."""
    with tempfile.TemporaryDirectory() as folder:
        path, adopted = _adopted(*file, folder)
        contract = adopted.contract
        frame = read_frame(path, contract)
        assert findings(frame, contract, PARAMS) == []
        rows: list[dict[str, Any]] = rows_of_frame(frame, contract)
        parsed, _ = RequestSchema(contract, max_rows=len(rows)).parse(json.dumps(rows).encode())
        encoder = Encoder(contract)
        np.testing.assert_array_equal(encoder.rows(parsed), encode_frame(frame, encoder))


FEW = 56  # rows: too few for the search for leaks, which takes most of the time
SHARED = (
    "NA", "N/A", "n/a", "None", "none", "null", "?", "-", "--", ".", "Unknown", "unknown",
    "missing", "TBD", "x", "inf",
    "#N/A", "0000-00-00", "yes", "no", "True", "0", "1", "3.0", "kg", "EUR", "%", "USD", "5 kg",
    "5 EUR", "7%", "-999",
    "2026-01-31", "red", "Red", "Al",
)  # fmt: skip
# a marker, level or unit of one column is a plain value of another
shared = st.sampled_from(SHARED)


FORMS = ("{}", "{}.25", "{} kg", "{} EUR", "{}%", "2026-01-{:02d}", "{:03d}", "number {} of them")


@st.composite
def neighbours(draw: st.DrawFn) -> list[str]:
    """A column of one kind in which some rows hold what is plain in other columns."""
    form = draw(st.sampled_from(FORMS))
    levels = draw(st.lists(shared, min_size=2, max_size=4, unique=True))
    own = [form.format(i) for i in range(1, 29)] if draw(st.booleans()) else levels
    strangers = draw(st.lists(shared, min_size=1, max_size=3))
    every = draw(st.sampled_from([2, 9, 31, 61]))
    return [
        strangers[i % len(strangers)] if i % every == 1 else own[i * 5 % len(own)]
        for i in range(FEW)
    ]


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(neighbours(), min_size=1, max_size=4), neighbours())
def test_what_means_missing_in_one_column_is_a_value_in_another(
    table: list[list[str]], target: list[str]
) -> None:
    """The file is never refused, and each column lacks as many values as adopt said."""
    frame = pd.DataFrame({"anchor": [f"{i * 0.37:.2f}" for i in range(FEW)]})
    frame = frame.assign(**{f"c{i}": column for i, column in enumerate(table)}, y=target)
    with tempfile.TemporaryDirectory() as folder:
        try:
            path, adopted = _adopted(frame.to_csv(index=False).encode(), "y", folder)
        except UserError as error:  # some columns are no target
            if "target" not in error.what:
                raise
            return
        contract = adopted.contract
        assert findings(read_frame(path, contract), contract, PARAMS) == []
    for inferred in adopted.columns:
        if inferred.column:
            column = contract.get(inferred.name)
            assert column
            texts = pa.chunked_array([frame[inferred.name].tolist()])
            values = parse(texts, column, contract.source.missing).values
            assert values.null_count == inferred.missing


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(files())
def test_contract_to_yaml_and_back_is_the_identity(file: tuple[bytes, str]) -> None:
    """Names, levels and spellings of missing come back, whatever YAML makes of such words."""
    with tempfile.TemporaryDirectory() as folder:
        _, adopted = _adopted(*file, folder)
        written = Path(folder) / "contract.yaml"
        written.write_text(
            contract_yaml(adopted.contract, adopted.doubts, adopted.remarks), encoding="utf-8"
        )
        assert load_contract(written) == adopted.contract
