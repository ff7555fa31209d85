"""LightGBM fitted over the rows of several workers: `train.executor: dask`.

The rows are dealt: each worker gets a random draw of every block, so each sees all times, classes
and values. The model is an ordinary one, for a number of workers always the same; it is not, bit
for bit, that of one process.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ml.errors import UserError
from ml.scale.shares import Work, run_shares

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from sklearn.pipeline import Pipeline

    from ml.encode import Matrix
    from ml.params import Train

    Dealt = list[list[Any]]  # of each share: x and y to learn from, x and y held back

SETTING = "train.executor"
BLOCK_BYTES = 32 << 20
SHARE_ROWS = 100  # a worker with fewer has nothing to add
# of scikit-learn's form, or decided here; LightGBM knows the others under the same names
NOT_LIGHTGBMS = ("class_weight", "importance_type", "n_estimators", "n_jobs", "objective")


def fit_model(model: Pipeline, x: Matrix, y: NDArray[Any], params: Train) -> Pipeline:
    """The model, fitted here or on the workers of a cluster, as `train.executor` says.

    Args:
        model: unfitted.
        x: (n, k) encoded rows, which may be mapped from a file.
        y: (n,) class codes or values.
        params: the settings of training.

    Raises:
        UserError: of the cluster; see `run_shares`.
    """
    if params.executor == "local":
        return model.fit(x, y)
    return _fit_on_workers(model, x, y, params.workers)


def workers_of(model: Pipeline, params: Train) -> dict[str, int]:
    """`workers` whose rows a model learned from, where there were any."""
    if params.executor == "local":
        return {}
    return {"workers": int(model[-1].booster_.params["num_machines"])}


def refuse_others(params: Train) -> None:
    """Refuse `executor: dask` for a kind of model that one process fits.

    Raises:
        UserError: as said.
    """
    if params.executor == "dask" and params.model != "lightgbm":
        raise UserError(
            f"params.yaml: {SETTING} is dask, and train.model is {params.model}: of the kinds only"
            " lightgbm is fitted on workers",
            f"train.model: lightgbm, or {SETTING}: local; train.search.executor stays as it is",
        )


def _fit_on_workers(model: Pipeline, x: Matrix, y: NDArray[Any], workers: int) -> Pipeline:
    from ml.early_stopping import HELD_BACK, StoppingClassifier, StoppingRegressor, trees_to_keep
    from ml.pipeline.training.lightgbm_share import fit_share

    steps, estimator = _parts_of(model)
    stops = isinstance(estimator, (StoppingClassifier, StoppingRegressor))
    rows, on_workers = _through(steps, x, y)
    blocks = partial(dealt, rows, y, HELD_BACK if stops else 0.0, estimator.random_state)
    task = _task(estimator, on_workers, y)
    what = "what LightGBM adds up of the rows"
    learned = run_shares(SETTING, Work(blocks, fit_share, task, what, workers))
    print(f"train: workers that share the rows: {len(learned)}", flush=True)
    losses = [share.losses for share in learned if share.held]
    held = [share.held for share in learned if share.held]
    keep = trees_to_keep(np.average(losses, axis=0, weights=held)) if held else None
    _take(estimator, learned[0].text, keep, y)
    return model


def _parts_of(model: Any) -> tuple[Pipeline, Any]:
    """The steps before LightGBM's estimator, and the estimator.

    Raises:
        UserError: the model is no Pipeline that ends with one.
    """
    from lightgbm import LGBMModel
    from sklearn.pipeline import Pipeline

    last = model[-1] if isinstance(model, Pipeline) else model
    if last is model or not isinstance(last, LGBMModel):
        raise UserError(
            f"ml/model.py: make_model ends with {type(last).__name__}, which workers cannot fit",
            f"a Pipeline that ends with LightGBM's estimator, or {SETTING}: local",
        )
    return model[:-1], last


def _task(estimator: Any, steps: Any, y: NDArray[Any]) -> Any:
    """What every worker is told."""
    from sklearn.utils.class_weight import compute_class_weight

    from ml.pipeline.training.lightgbm_share import Task

    values, weights = estimator.get_params(), None
    params = {name: value for name, value in values.items() if name not in NOT_LIGHTGBMS}
    params["objective"] = values["objective"] or "regression"
    if hasattr(estimator, "predict_proba"):
        classes = np.arange(int(y.max()) + 1)
        several = {"objective": "multiclass", "num_class": len(classes)}
        params |= several if len(classes) > 2 else {"objective": values["objective"] or "binary"}
        if values["class_weight"]:
            weights = compute_class_weight(values["class_weight"], classes=classes, y=y)
    return Task(params, values["n_estimators"], steps, weights)


def _through(steps: Pipeline, x: Matrix, y: NDArray[Any]) -> tuple[Matrix, Any]:
    """The rows that go to the workers, and the fitted steps that they pass there.

    Levels written out as columns take many times the room of their codes, so workers do that, by
    steps that were fitted on a row of each level. Steps that learn more than that from the rows
    transform all of them here, in memory.
    """
    columns = _one_hot_columns(steps)
    if columns is None:
        return steps.fit_transform(x, y), None
    shown = rows_of_each_level(x, columns)
    return x, steps.fit(x[shown], y[shown])


def _one_hot_columns(steps: Pipeline) -> list[int] | None:
    """The columns whose levels are written out, where the steps do nothing else with any."""
    from sklearn.compose import ColumnTransformer

    if len(steps) != 1 or not isinstance(steps[0], ColumnTransformer):
        return None
    found: list[int] = []
    for _, step, columns in steps[0].transformers:
        if _writes_levels_out(step) and isinstance(columns, list):
            found += columns
        elif step != "passthrough":
            return None
    return found


def _writes_levels_out(step: Any) -> bool:
    """Whether a step learns which levels there are, and not how many rows have them."""
    from sklearn.preprocessing import OneHotEncoder

    counts = ("min_frequency", "max_categories")
    return isinstance(step, OneHotEncoder) and not any(getattr(step, name) for name in counts)


def rows_of_each_level(x: Matrix, columns: list[int]) -> NDArray[np.int64]:
    """Places of rows in which each value of these columns occurs, and of the first row."""
    first: dict[tuple[int, float], int] = {}
    for start, stop in _blocks(x):
        for column in columns:
            levels, places = np.unique(x[start:stop, column], return_index=True)
            for level, place in zip(levels.tolist(), places.tolist(), strict=True):
                first.setdefault((column, level), start + place)
    return np.array(sorted({0, *first.values()}))


def _blocks(x: Matrix) -> Iterator[tuple[int, int]]:
    """First and last place of blocks of rows."""
    size = max(1, BLOCK_BYTES // (4 * x.shape[1]))
    for start in range(0, len(x), size):
        yield start, min(start + size, len(x))


def dealt(x: Matrix, y: NDArray[Any], held_back: float, seed: int, shares: int) -> Iterator[Dealt]:
    """Each block's rows, dealt to the shares at random.

    Which are held back does not depend on how many shares there are.

    Args:
        x: (n, k) rows.
        y: (n,) targets.
        held_back: share of the rows that decide how many trees are kept.
        seed: of the draw.
        shares: how many there are.

    Raises:
        UserError: there are too few rows for so many.
    """
    if len(y) < SHARE_ROWS * shares:
        raise UserError(
            f"params.yaml: {SETTING} is dask, and {len(y)} rows are too few for {shares} workers",
            f"{SETTING}: local",
        )
    rng = np.random.default_rng(seed)
    for start, stop in _blocks(x):
        order = rng.permutation(stop - start)
        held, learned = np.split(order, [int(len(order) * held_back)])
        block_x, block_y = x[start:stop], y[start:stop]
        yield [
            [
                part
                for of in (learned, held)
                for part in _drawn(block_x, block_y, np.sort(of[i::shares]))
            ]
            for i in range(shares)
        ]


def _drawn(x: Matrix, y: NDArray[Any], places: NDArray[np.int64]) -> tuple[Any, Any]:
    return np.ascontiguousarray(x[places], dtype=np.float32), y[places]


def _take(estimator: Any, text: str, keep: int | None, y: NDArray[Any]) -> None:
    """Make an estimator the fitted one of a model's text, with as many of its trees as given.

    Its classes and sizes come from a fit of LightGBM's own on rows that teach nothing.
    """
    import lightgbm

    booster = lightgbm.Booster(model_str=text)
    classify = hasattr(estimator, "predict_proba")
    plain: Any = lightgbm.LGBMClassifier if classify else lightgbm.LGBMRegressor
    targets = np.unique(y) if classify else y[:2]
    plain.fit(estimator, np.zeros((len(targets), booster.num_feature())), targets)
    kept = booster.model_to_string(num_iteration=keep or booster.current_iteration())
    estimator._Booster = lightgbm.Booster(model_str=kept)
