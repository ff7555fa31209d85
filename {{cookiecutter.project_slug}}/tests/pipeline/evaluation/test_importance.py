"""Permutation importance and its intervals."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ml.bundle import Answer
from ml.contract import Contract, Numeric
from ml.dataset.frame import encode_frame
from ml.encode import Encoder
from ml.pipeline.evaluation.card_figures import HeldOut
from ml.pipeline.evaluation.importance import importance

Fitted = tuple[HeldOut, Answer]


def test_it_finds_the_columns_that_matter(fitted: Fitted, contract: Contract) -> None:
    (_, x, y), model = fitted
    found = importance(model, x, y, contract, "roc_auc")
    assert set(list(found)[:2]) == {"charge", "calls"}
    assert found["charge"].loss > 10 * abs(found["city"].loss)
    assert found["charge"].low > 0
    assert found["city"].low < 0.01
    assert all(each.low <= each.loss <= each.high for each in found.values())


def test_the_interval_narrows_with_the_rows(fitted: Fitted, contract: Contract) -> None:
    (_, x, y), model = fitted
    few, all_rows = (
        importance(model, x[:n], y[:n], contract, "accuracy")["charge"] for n in (100, 800)
    )
    ratio = (few.high - few.low) / (all_rows.high - all_rows.low)
    assert 1.5 < ratio < 5  # about the root of 8


def test_a_column_outside_of_the_matrix_loses_nothing(fitted: Fitted, contract: Contract) -> None:
    (_, x, y), model = fitted
    seen = contract.get("seen")
    assert seen is not None
    carried = seen.model_copy(update={"parts": ()})
    columns = tuple(carried if c.name == "seen" else c for c in contract.columns)
    narrower = contract.model_copy(update={"columns": columns})

    def without_dates(values: np.ndarray) -> np.ndarray:
        return model(np.pad(values, ((0, 0), (0, 2))))

    found = importance(without_dates, x[:, :-2], y, narrower, "roc_auc")
    assert found["seen"] == (0.0, 0.0, 0.0)


def test_that_of_a_wide_table_is_found_in_the_same_time(fitted: Fitted, contract: Contract) -> None:
    """Each column is asked once, on fewer rows."""
    (frame, _, y), _ = fitted
    blanks = [Numeric(name=f"blank{i}", kind="numeric", missing=True) for i in range(997)]
    wide = contract.model_copy(update={"columns": (*contract.columns[:3], *blanks)})
    empty = pd.DataFrame(np.nan, index=frame.index, columns=[b.name for b in blanks])
    x = encode_frame(pd.concat([frame, empty], axis=1), Encoder(wide))
    asked: list[int] = []

    def model(values: np.ndarray) -> np.ndarray:
        asked.append(len(values))
        answer: np.ndarray = np.nan_to_num(np.stack([-values[:, 0], values[:, 0]], axis=1))
        return answer

    importance(model, x, y, wide, "roc_auc")
    assert sum(asked) <= 1_010_000
    assert min(asked) >= 300
