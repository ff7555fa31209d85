"""Sixteen tables full of traps: adopted, read back, validated, served; and each trap by name."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ml.adopt.contract_file import contract_yaml
from ml.contract import (
    Boolean,
    Categorical,
    Contract,
    Datetime,
    Integer,
    Numeric,
    Text,
    load_contract,
)
from ml.dataset.checks import findings
from ml.dataset.frame import encode_frame, rows_of_frame
from ml.dataset.typed import read_typed
from ml.encode import Encoder
from ml.params import load_params
from ml.request_schema.rows import RequestSchema
from tests.adopt import formats, names_and_levels, spellings
from tests.adopt.formats import TABLES
from tests.adopt.table import Table
from tests.conftest import read_frame

PARAMS = Path(__file__).parents[2] / "params.yaml"


@pytest.mark.parametrize("make", TABLES)
def test_what_is_adopted_is_read_validated_and_served(
    make: Callable[[], Table], tmp_path: Path
) -> None:
    """A file keeps the contract that was inferred from it; each of its rows is a valid request."""
    path, adopted = make().adopted(tmp_path)
    frame = read_frame(path, adopted.contract)
    assert findings(frame, adopted.contract, load_params(PARAMS).validate_) == []
    rows = rows_of_frame(frame, adopted.contract)
    parsed, single = RequestSchema(adopted.contract, max_rows=len(rows)).parse(
        json.dumps(rows).encode()
    )
    assert not single
    np.testing.assert_array_equal(
        Encoder(adopted.contract).rows(parsed), encode_frame(frame, Encoder(adopted.contract))
    )


@pytest.mark.parametrize("make", TABLES)
def test_the_contract_survives_yaml(make: Callable[[], Table], tmp_path: Path) -> None:
    """What is written for people is read back as the same contract."""
    _, adopted = make().adopted(tmp_path)
    written = tmp_path / "contract.yaml"
    written.write_text(contract_yaml(adopted.contract, adopted.doubts), encoding="utf-8")
    assert load_contract(written) == adopted.contract


@pytest.fixture
def contract(tmp_path: Path) -> Callable[[Callable[[], Table]], Contract]:
    """The contract of a table."""
    return lambda make: make().adopted(tmp_path)[1].contract


Understood = Callable[[Callable[[], Table]], Contract]


def _kinds(contract: Contract) -> dict[str, str]:
    return {c.name: c.kind for c in contract.columns}


def _column(contract: Contract, name: str, kind: type[Any]) -> Any:
    column = contract.get(name)
    assert isinstance(column, kind), f"{name}: {column}"
    return column


def test_money_percent_units_and_brackets_are_numbers(tmp_path: Path) -> None:
    path, adopted = spellings.prices().adopted(tmp_path)
    assert adopted.contract.target.task == "regression"
    assert set(_kinds(adopted.contract).values()) == {"numeric", "integer"}
    frame = read_frame(path, adopted.contract)
    written = path.read_text(encoding="utf-8").splitlines()[1:]
    brackets = np.array(['"(' in line or ",(" in line for line in written])
    assert ((frame["gain"] < 0) == brackets).all()
    assert frame["price"].min() > 1e5
    assert frame["discount"].between(0, 40).all()
    assert (frame["drift"] < 0).mean() > 0.3
    assert set(frame["term"]) == {12, 36, 60}


def test_german_numbers_dates_and_words(tmp_path: Path) -> None:
    path, adopted = spellings.german().adopted(tmp_path)
    contract = adopted.contract
    assert contract.source.separator == ";"
    assert contract.source.encoding == "latin-1"
    assert contract.target.classes == ("Nein", "Ja")
    assert _column(contract, "Datum", Datetime).format == "%d.%m.%Y"
    assert _column(contract, "Kunde", Boolean).true == ("ja",)
    assert "Königsallee" in _column(contract, "Straße", Categorical).levels
    frame = read_frame(path, contract)
    assert frame["Einkommen"].between(900, 90_000).all()
    assert frame["Größe"].between(1, 2.5).all()


def test_every_spelling_of_missing_is_missing(tmp_path: Path) -> None:
    path, adopted = spellings.gaps().adopted(tmp_path)
    part = read_typed(path, adopted.contract)
    assert part.without_target == adopted.target.missing > 10
    frame = read_frame(path, adopted.contract)
    numbers = [
        "charges",
        "depth",
        "flow",
        "visits",
        "height",
        "weight",
        "speed",
        "age",
        "ratio",
        "limit",
    ]
    assert {_kinds(adopted.contract)[name] for name in numbers} <= {"numeric", "integer"}
    assert frame[numbers].isna().mean().between(0.02, 0.12).all()
    assert frame[numbers].max().max() < 200
    assert frame["depth"].min() >= 0


def test_words_that_could_mean_missing_stay_levels_among_words(contract: Understood) -> None:
    gaps = contract(spellings.gaps)
    assert "unknown" in _column(gaps, "job", Categorical).levels
    assert "None" in _column(gaps, "fence", Categorical).levels
    assert _column(gaps, "plan", Categorical).levels == ("a", "b")
    cities = contract(names_and_levels.cities)
    assert "NA" in _column(cities, "country", Categorical).levels
    assert "None" in cities.target.classes


def test_codes_are_levels_and_counts_are_numbers(contract: Understood) -> None:
    codes = contract(spellings.codes)
    for name in ("zip", "postal_code", "Pclass", "branch_code", "month_code"):
        assert _column(codes, name, Categorical), name
    for name in ("siblings", "num_stores", "age", "year_built"):
        assert _column(codes, name, Integer), name
    assert _column(codes, "zip", Categorical).levels[0] == "01234"
    assert _column(codes, "branch_code", Categorical).levels == ("12", "3", "7")


def test_nine_spellings_of_yes_and_no(tmp_path: Path) -> None:
    path, adopted = spellings.booleans().adopted(tmp_path)
    kinds = _kinds(adopted.contract)
    assert [kinds[name] for name in "abcdefghi"] == ["boolean"] * 9
    assert kinds["j"] == "categorical"
    frame = read_frame(path, adopted.contract)
    assert set(frame["f"].dropna()) == {True, False}
    assert frame["i"].isna().sum() > 100
    target = adopted.contract.target
    assert target.task == "binary"
    assert target.classes[-1].lower() == "yes"
    assert set(frame["bought"]) == set(target.classes)


def test_moments_in_fifteen_spellings_are_the_same_moment(tmp_path: Path) -> None:
    path, adopted = spellings.moments().adopted(tmp_path)
    kinds = _kinds(adopted.contract)
    assert {kinds[name] for name in kinds if name != "count"} == {"datetime"}
    frame = read_frame(path, adopted.contract)
    for name in ("epoch", "epoch_ms"):
        assert (frame[name] == frame["seen"]).all()
    for name in ("us", "uk", "words", "compact"):
        assert (frame[name] == frame["seen"].dt.normalize()).all(), name
    assert (frame["zone"] == frame["seen"] - np.timedelta64(2, "h")).all()
    assert (frame["noon"].dt.hour == frame["seen"].dt.hour).all()
    assert frame["mixed"].isna().mean() < 0.1
    assert adopted.contract.time == "seen"
    assert _column(adopted.contract, "seen", Datetime).parts == ("month", "weekday", "hour")
    assert "days" in _column(adopted.contract, "born", Datetime).parts


def test_identifiers_and_constants_are_no_features(contract: Understood) -> None:
    made = contract(names_and_levels.identifiers)
    assert made.id == "customer_id"
    dropped = {d.name for d in made.dropped}
    assert dropped == {"column_1", "uuid", "ref", "phone", "country", "version", "notes", "extra"}
    assert made.names == ["flag", "store_id", "amount"]


def test_rare_levels_are_pooled_and_rare_classes_set_aside(tmp_path: Path) -> None:
    path, adopted = names_and_levels.cities().adopted(tmp_path)
    city = _column(adopted.contract, "city", Categorical)
    assert city.unseen == "pool"
    assert 5 < len(city.levels) < 100
    assert any("pooled" in doubt for doubt in adopted.doubts["city"])
    assert adopted.contract.target.set_aside == ("odd",)
    assert read_typed(path, adopted.contract).of_rare_class == 3
    assert _column(adopted.contract, "colour", Categorical).levels == ("Red", "blue", "red")
    assert any("same level" in doubt for doubt in adopted.doubts["colour"])


def test_prose_is_hashed_and_names_of_people_are_no_feature(contract: Understood) -> None:
    made = contract(names_and_levels.reviews)
    assert _column(made, "review", Text).buckets > 0
    assert _column(made, "name", Text).buckets == 0
    assert made.target.task == "regression"


def test_headers_of_any_kind_become_unique_names(contract: Understood) -> None:
    made = contract(names_and_levels.headers)
    assert made.names[:6] == ["first name", "a.b", "größe", "x", "x_2", "column_6"]
    assert {"class", "model_config", "json", 'say "hi"', "line break", "x_2_2", "padded"} <= set(
        made.names
    )


@pytest.mark.parametrize(
    ("make", "separator", "encoding"),
    [
        (formats.tabs, "\t", "utf-8"),
        (formats.pipes, "|", "cp1252"),
        (formats.utf16, "\t", "utf-16"),
    ],
)
def test_separators_and_encodings(
    make: Callable[[], Table], separator: str, encoding: str, contract: Understood
) -> None:
    made = contract(make)
    assert made.source.separator == separator
    assert made.source.encoding == encoding
    assert len(made.columns) == 2


def test_parquet_types_are_kept(tmp_path: Path) -> None:
    path, adopted = formats.parquet().adopted(tmp_path)
    kinds = _kinds(adopted.contract)
    assert kinds == {
        "x": "numeric", "small": "numeric", "whole": "integer", "flag": "boolean",
        "money": "numeric",
        "kind": "categorical", "day": "datetime", "at": "datetime", "code": "categorical",
        "large": "categorical",
    }  # fmt: skip
    assert [d.name for d in adopted.contract.dropped] == ["tags"]
    frame = read_frame(path, adopted.contract)
    assert frame["money"].between(0, 9).all()
    assert frame["small"].dtype == np.float64


def test_years_as_names_are_names(contract: Understood) -> None:
    made = contract(names_and_levels.wide)
    assert made.names[1] == "1960"
    assert made.target.classes == ("0", "1")
    assert isinstance(made.get("1960"), Numeric)
