"""Which settings suit the data: a seeded successive-halving search over `ml.model.search_space`.

Many settings are tried on few rows, the better third of them on three times as many, and so on
(Jamieson and Talwalkar 2016; scikit-learn's HalvingRandomSearchCV). Rows that are ordered in time
are cut in that order.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ml.metrics import GATE, answers, measure
from ml.model import make_model, search_space
from ml.pipeline.training.lightgbm_workers import fit_model
from ml.scale.joblib_backend import joblib_on

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from ml.contract import Contract
    from ml.encode import Matrix
    from ml.params import Train
    from ml.pipeline.training.halving import Halving
    from ml.pipeline.training.trial_log import Tell

FOLDS = 3
FACTOR = 3  # each round keeps a third of the settings and triples their rows
ROWS_AT_FIRST = 300  # fewer rank the settings by chance
CODE = (Path(__file__), Path(__file__).parents[2] / "model.py")  # that draws and scores
STEP = "estimator__"  # before the arguments of the Pipeline's last step


@dataclass(frozen=True)
class Searched:
    """What a search has tried."""

    digest: str | None = None  # of what was searched; None: nothing was
    trials: list[dict[str, Any]] = field(default_factory=list)  # settings, round, rows, score


def search(
    x: Matrix, y: NDArray[Any], contract: Contract, params: Train, tell: Tell | None = None
) -> tuple[Any, Searched]:
    """The best model, fitted on all rows, and every trial.

    The score is the task's gate metric.

    Args:
        x: (n, k) encoded training rows, in order of time where the contract names one.
        y: (n,) class codes or values.
        contract: what a row is.
        params: `params.search.trials` settings are drawn with `params.seed`.
        tell: is told of each trial when it ends, on a cluster in another thread.
    """
    from ml.pipeline.training.halving import Halving

    halving = Halving(
        estimator(contract, params),
        _distributions(contract, params),
        n_candidates=params.search.trials,
        factor=FACTOR,
        min_resources=_rows_at_first(len(y), params.search.trials),
        scoring=_scorer(contract),
        cv=folds_of(contract, params.seed),
        random_state=params.seed,
        error_score="raise",
        return_train_score=False,
        refit=params.executor == "local",
    )
    halving.one_by_one = params.search.executor == "local"
    digest = _digest(x, y, contract, params)
    ended = _watched(halving, partial(tell, digest)) if tell else None
    with joblib_on(params.search.executor, ended):
        halving.fit(x, y)
    searched = Searched(digest, _trials(halving.cv_results_))
    if params.executor == "local":
        return halving.best_estimator_, searched
    best = make_model(contract, params).set_params(**halving.best_params_)
    return fit_model(best, x, y, params), searched


def _watched(
    halving: Halving, tell: Callable[[int, dict[str, Any]], None]
) -> Callable[[Mapping[str, Any], dict[str, Any]], None]:
    """Have the search tell of each trial; what is to be called for each fold that a worker did."""
    from ml.pipeline.training.halving import Watch

    halving.watch = Watch(lambda number, row: tell(number, _trial(row)))
    return halving.watch.fold_ended


def _digest(x: Matrix, y: NDArray[Any], contract: Contract, params: Train) -> str:
    """What is searched: rows, contract, settings, and the code that draws and scores them.

    Where the trials run, and where the best is fitted, is no part of it.
    """
    digest = hashlib.sha256()
    for values in (x, y):
        digest.update(np.ascontiguousarray(values).data)
    digest.update(contract.model_dump_json().encode())
    where: Any = {"executor": True, "workers": True, "search": {"executor"}}
    digest.update(params.model_dump_json(exclude=where).encode())
    for code in CODE:
        digest.update(code.read_bytes())
    return digest.hexdigest()


def estimator(contract: Contract, params: Train) -> Any:
    """The model; on a cluster a trial is one worker's, which sends no trees to the others."""
    model = make_model(contract, params)
    if params.search.executor == "local":
        return model
    return model.set_params(**dict.fromkeys(_kinds_of_parallelism(model), 1))


def _kinds_of_parallelism(model: Any) -> list[str]:
    """The arguments `n_jobs`, without LogisticRegression's, which warns of any value."""
    from sklearn.linear_model import LogisticRegression

    values = model.get_params()
    owners = [name.removesuffix("__n_jobs") for name in values if name.endswith("__n_jobs")]
    return [f"{o}__n_jobs" for o in owners if not isinstance(values[o], LogisticRegression)]


def _distributions(contract: Contract, params: Train) -> dict[str, Any]:
    """The search space under the names that the Pipeline gives to its last step's arguments."""
    return {STEP + name: values for name, values in search_space(contract, params).items()}


def _rows_at_first(n: int, trials: int) -> int:
    """As many rows as let the last round see nearly all n."""
    rounds = int(math.log(trials, FACTOR) + 1e-9)
    return int(min(n, max(ROWS_AT_FIRST, n // FACTOR**rounds)))


def _scorer(contract: Contract) -> Callable[[Any, Matrix, NDArray[Any]], float]:
    metric = GATE[contract.target.task]
    return lambda model, x, y: measure(metric, y, answers(model, x, contract))


def folds_of(contract: Contract, seed: int) -> Any:
    """How training rows are cross-validated: in order of time where there is one."""
    from sklearn.model_selection import KFold, StratifiedKFold, TimeSeriesSplit

    if contract.time:
        return TimeSeriesSplit(FOLDS)
    kind = StratifiedKFold if contract.is_classification else KFold
    return kind(FOLDS, shuffle=True, random_state=seed)


def _trials(results: dict[str, Any]) -> list[dict[str, Any]]:
    from ml.pipeline.training.halving import SHOWN

    rows = zip(*(results[name] for name in SHOWN), strict=True)
    return [_trial(dict(zip(SHOWN, row, strict=True))) for row in rows]


def _trial(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "settings": _settings(row["params"]),
        "round": int(row["iter"]),
        "rows": int(row["n_resources"]),
        "score": float(row["mean_test_score"]),
    }


def _settings(arguments: dict[str, Any]) -> dict[str, Any]:
    return {name.removeprefix(STEP): _plain(value) for name, value in arguments.items()}


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value
