"""Parity: a difference between ONNX and scikit-learn is found, measured and refused."""

from __future__ import annotations

import numpy as np
import pytest

from ml.contract import Contract
from ml.encode import Encoder
from ml.errors import UserError
from ml.pipeline.training.parity import EDGES, difference, edge_rows, parity, refuse_difference


def test_a_difference_is_refused_with_its_row(contract: Contract) -> None:
    expected = np.array([[0.4, 0.6], [0.9, 0.1]])
    found = np.array([[0.4, 0.6], [0.3, 0.7]])
    report = parity(expected, found, contract, 1e-5)
    assert report["labels_flipped"] == 1
    with pytest.raises(UserError, match=r"1 labels flipped in 2 rows\); the row: row 1"):
        refuse_difference(
            report, expected, found, difference(expected, found, contract), lambda row: f"row {row}"
        )


def test_answers_that_are_not_numbers_are_a_difference(contract: Contract) -> None:
    assert difference(np.array([[0.5, 0.5]]), np.array([[np.nan, 0.5]]), contract).tolist() == [
        np.inf
    ]


def test_edge_rows_hold_each_column_at_each_edge_and_numbers_at_their_extremes(
    contract: Contract,
) -> None:
    features = Encoder(contract).features
    x = 1000 + np.arange(7 * len(features), dtype=np.float32).reshape(7, -1)
    rows = edge_rows(x, features)
    assert rows.dtype == np.float32
    assert len(rows) == len(EDGES) * (5 + len(features)) + 2 * 5
    for value in EDGES:
        at_edge = np.isclose(rows, value, equal_nan=True)
        assert at_edge.all(axis=1).sum() == 5
        alone = rows[at_edge.sum(axis=1) == 1]
        assert len(alone) == len(features)
        assert np.isclose(np.diag(alone), value, equal_nan=True).all()
    charge = next(i for i, feature in enumerate(features) if feature.column == "charge")
    assert rows[-1, charge] == x[:, charge].max()
