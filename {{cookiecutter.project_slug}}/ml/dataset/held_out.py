"""Which rows are held out: the latest where there is a time, else a stratified, stable draw.

The draw hashes each row (its id, where there is one), so that a row keeps its side when parts are
added later and a champion is never compared on rows that it was trained on; equal rows fall on the
same side.

`ml.pipeline.split` writes both sides; `ml.adopt` asks whether they can be told apart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ml.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import pandas as pd
    from numpy.typing import NDArray

    from ml.contract import Contract
    from ml.params import Split

MIN_ROWS = 20  # fewer held-out rows than two say nothing, fewer training rows teach nothing
MOST_SHARE = 0.5  # of the rows that are held out, however many are asked for


def held_out(
    frame: pd.DataFrame,
    contract: Contract,
    params: Split,
    where: str = "data/raw",
    newest: int | None = None,
) -> NDArray[np.bool_]:
    """Which rows of a typed frame are held out, shape (n,).

    Args:
        frame: the rows.
        contract: what they are.
        params: how many to hold out, and the seed of the draw.
        where: the rows come from, for messages.
        newest: hold out so many of the newest rows instead: the latest where there is a time, else
            the last ones.

    Raises:
        UserError: too few rows, one moment only, or a class without a row to train on or to test
            with.
    """
    drawn = is_drawn(contract, newest)
    keys = keys_of(frame, contract, params.seed if drawn else None)
    return held_out_by(keys, contract, params, where, newest)


def is_drawn(contract: Contract, newest: int | None) -> bool:
    """Whether the rows' hashes decide, not their moments or their order."""
    return not contract.time and newest is None


def keys_of(frame: pd.DataFrame, contract: Contract, seed: int | None) -> pd.DataFrame:
    """What decides on which side a row is: `moment`, `hash` (with a seed) and `label`.

    `label` is a class's position (-1: none). A frame may hold some of a table's rows: the keys of a
    table are those of its parts, one below the other.
    """
    keys: dict[str, Any] = {}
    if contract.time:
        keys["moment"] = frame[contract.time].to_numpy()
    if seed is not None:
        keys["hash"] = _row_hashes(frame, contract, seed)
    if contract.is_classification:
        labels = _index(frame[contract.target.name])
        keys["label"] = _index(contract.target.classes).get_indexer(labels).astype(np.int16)
    return frame.iloc[:, :0].reset_index(drop=True).assign(**keys)


def _index(classes: Iterable[str]) -> pd.Index:
    import pandas as pd

    return pd.Index(list(classes), dtype=object)


def held_out_by(
    keys: pd.DataFrame,
    contract: Contract,
    params: Split,
    where: str = "data/raw",
    newest: int | None = None,
) -> NDArray[np.bool_]:
    """`held_out`, of a table's keys."""
    _refuse_few_rows(where, len(keys))
    share = params.test_share if newest is None else min(newest / len(keys), MOST_SHARE)
    if contract.time:
        mask = _latest(where, contract.time, keys["moment"].to_numpy(), share)
    elif newest is None:
        mask = _drawn(keys, contract, params)
    else:
        mask = np.arange(len(keys)) >= len(keys) * (1 - share)
    _refuse_absent_classes(where, keys, contract, mask)
    return mask


def _refuse_few_rows(where: str, rows: int) -> None:
    if rows < MIN_ROWS:
        raise UserError(
            f"{where}: {rows} rows with a target are too few to split (at least {MIN_ROWS})",
            "make adopt DATA=… with more rows",
        )


def _latest(
    where: str, time: str, moments: NDArray[np.datetime64], share: float
) -> NDArray[np.bool_]:
    """Rows later than a cut between two moments; rows without a moment are trained on."""
    known = moments[~np.isnat(moments)]
    known.sort()  # in place: there may be many
    if not len(known) or known[0] == known[-1]:
        raise UserError(
            f'{where}: time column "{time}" holds {len(np.unique(known))} different moments: '
            "nothing to cut between",
            "remove `time:` from contract.yaml for a stratified split",
        )
    return np.asarray(moments > _cut(known, share), dtype=bool)


def _cut(ordered: NDArray[np.datetime64], share: float) -> np.datetime64:
    """The moment with this share of the others behind it; never the last, which has none."""
    cut: np.datetime64 = ordered[int((len(ordered) - 1) * (1 - share))]
    return ordered[np.searchsorted(ordered, cut) - 1] if cut == ordered[-1] else cut


def _drawn(keys: pd.DataFrame, contract: Contract, params: Split) -> NDArray[np.bool_]:
    """The rows of each class (of the whole, for a regression) with the lowest hashes."""
    hashes = keys["hash"].to_numpy()
    if not contract.is_classification:
        return _lowest(hashes, params.test_share)
    mask = np.zeros(len(keys), dtype=bool)
    for _, rows in _rows_by_class(keys, contract):
        mask[rows] = _lowest(hashes[rows], params.test_share)
    return mask


def _rows_by_class(
    keys: pd.DataFrame, contract: Contract
) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Each class and which rows are of it, shape (n,)."""
    labels = keys["label"].to_numpy()
    for code, name in enumerate(contract.target.classes):
        yield name, labels == code


def _lowest(hashes: NDArray[np.uint64], share: float) -> NDArray[np.bool_]:
    """Hashes below a fixed mark.

    Where that is none or all of two rows or more: the lowest, or all but the highest.
    """
    if not len(hashes) or hashes.min() == hashes.max():
        return np.zeros(len(hashes), dtype=bool)
    mark = np.uint64(int(share * 2**64))
    lowest, highest = hashes.min(), hashes.max()
    drawn = hashes == lowest if mark <= lowest else hashes < min(mark, highest)
    return np.asarray(drawn, dtype=bool)


def _row_hashes(frame: pd.DataFrame, contract: Contract, seed: int) -> NDArray[np.uint64]:
    """By id, so that all rows of one customer fall on the same side; without one by its values."""
    if contract.id is None:
        return _hashed(frame[contract.names], seed)
    hashes = _hashed(frame[[contract.id]], seed)
    nameless = frame[contract.id].isna().to_numpy()
    hashes[nameless] = _hashed(frame.loc[nameless, contract.names], seed)
    return hashes


def _hashed(keys: pd.DataFrame, seed: int) -> NDArray[np.uint64]:
    from pandas.util import hash_pandas_object

    hashed = hash_pandas_object(keys.astype(str), index=False, hash_key=f"{seed:016d}"[-16:])
    return np.array(hashed.to_numpy(), dtype=np.uint64)


def _refuse_absent_classes(
    where: str, keys: pd.DataFrame, contract: Contract, mask: NDArray[np.bool_]
) -> None:
    if not contract.is_classification:
        return
    target = f'{where}: target "{contract.target.name}"'
    for name, rows in _rows_by_class(keys, contract):
        if mask[rows].all():
            raise _nothing_to_train_on(target, name, int(rows.sum()))
    if keys.loc[mask, "label"].nunique() < 2:
        raise _nothing_to_tell_apart(target, int(mask.sum()))


def _nothing_to_train_on(target: str, name: str, rows: int) -> UserError:
    return UserError(
        f"{target}: no row of class {name!r} is left to train on ({rows} in all)",
        "lower split.test_share in params.yaml, or remove the class (and its rows) from "
        "contract.yaml",
    )


def _nothing_to_tell_apart(target: str, rows: int) -> UserError:
    return UserError(
        f"{target}: the {rows} held-out rows hold one class only",
        "raise split.test_share in params.yaml, or remove `time:` from contract.yaml for a "
        "stratified split",
    )
