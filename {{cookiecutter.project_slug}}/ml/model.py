"""The model: a scikit-learn Pipeline over the encoder's float32 matrix. Yours to change.

`make_model` is the one place where an estimator is chosen. Whatever it returns must convert to ONNX
and answer alike there: the train stage refuses it otherwise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ml.encode import features

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

    from ml.contract import Contract
    from ml.params import Train

# more levels than this are target-encoded: one column instead of one for each level
ONE_HOT_LEVELS = 40


def make_model(contract: Contract, params: Train) -> Pipeline:
    """An unfitted Pipeline whose last step is the estimator that `params.model` names.

    Its input is the (n, k) float32 matrix of `ml.encode.Encoder`, its target class codes (0…) or
    floats. Trees get numbers unscaled: a scaler would round in float32 before the split, and ONNX
    rounds elsewhere.
    """
    from sklearn.pipeline import Pipeline

    classify = contract.is_classification
    numbers: Any  # what is done to the numeric columns
    match params.model:
        case "boosting" | "auto":  # what `auto` means is decided by ml.pipeline.training.candidates
            numbers, estimator = "passthrough", _boosting(classify, params)
        case "lightgbm":
            numbers, estimator = "passthrough", _lightgbm(classify, params)
        case "forest":
            numbers, estimator = _imputed(), _forest(classify, params)
        case "linear":
            numbers, estimator = _scaled(), _linear(classify, params)
        case "ensemble":
            return _ensemble(contract, params)
    return Pipeline([("columns", _columns(contract, numbers)), ("estimator", estimator)])


def _ensemble(contract: Contract, params: Train) -> Pipeline:
    """Boosting, forest and linear, weighed by a linear model of their answers (stacking)."""
    from sklearn.ensemble import StackingClassifier, StackingRegressor
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.pipeline import Pipeline

    parts = [
        (kind, make_model(contract, params.model_copy(update={"model": kind})))
        for kind in ("boosting", "forest", "linear")
    ]
    stacked = (
        StackingClassifier(parts, LogisticRegression(max_iter=2000), cv=3)
        if contract.is_classification
        else StackingRegressor(parts, Ridge(), cv=3)
    )
    return Pipeline([("estimator", stacked)])


def search_space(contract: Contract, params: Train) -> dict[str, Any]:
    """Where `train.search` looks: arguments and their distributions. Yours to change."""
    from scipy.stats import loguniform, randint

    match params.model:
        case "boosting" | "auto":
            return {
                "learning_rate": loguniform(0.02, 0.3),
                "max_leaf_nodes": randint(4, 64),
                "min_samples_leaf": randint(5, 100),
                "l2_regularization": loguniform(0.01, 100),
            }
        case "lightgbm":
            return {
                "learning_rate": loguniform(0.02, 0.3),
                "num_leaves": randint(4, 64),
                "min_child_samples": randint(5, 100),
                "reg_lambda": loguniform(0.01, 100),
            }
        case "forest":
            return {"min_samples_leaf": randint(1, 30), "max_features": loguniform(0.1, 1)}
        case "linear":
            return {"C" if contract.is_classification else "alpha": loguniform(1e-3, 1e3)}
        case "ensemble":
            return {"boosting__estimator__learning_rate": loguniform(0.02, 0.3)}


def _columns(contract: Contract, numbers: Any) -> Any:
    """Numbers as `numbers` says, few levels one-hot, many levels by the target's mean."""
    from sklearn.compose import ColumnTransformer

    levels = [feature.levels for feature in features(contract)]
    numeric = [i for i, n in enumerate(levels) if not n]
    few = [i for i, n in enumerate(levels) if 0 < n <= ONE_HOT_LEVELS]
    many = [i for i, n in enumerate(levels) if n > ONE_HOT_LEVELS]
    blocks = [("numbers", numbers, numeric), ("levels", _one_hot(), few)]
    if many:
        blocks.append(("many_levels", _target_encoder(contract.target.task), many))
    return ColumnTransformer([block for block in blocks if block[2]])


def _one_hot() -> Any:
    from sklearn.preprocessing import OneHotEncoder

    return OneHotEncoder(handle_unknown="ignore", sparse_output=False, dtype=np.float32)


def _target_encoder(task: str) -> Any:
    from sklearn.model_selection import KFold
    from sklearn.preprocessing import TargetEncoder

    # named, because scikit-learn would take a regression's whole numbers for classes
    kind = "continuous" if task == "regression" else task
    return TargetEncoder(target_type=kind, cv=KFold(5, shuffle=True, random_state=0))


def _imputed() -> Any:
    from sklearn.impute import SimpleImputer

    return SimpleImputer(strategy="median", keep_empty_features=True)


def _scaled() -> Any:
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(_imputed(), StandardScaler())


def _boosting(classify: bool, params: Train) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    estimator = HistGradientBoostingClassifier if classify else HistGradientBoostingRegressor
    weights = {"class_weight": params.class_weight} if classify else {}
    return estimator(random_state=params.seed, **params.boosting.model_dump(), **weights)


def _lightgbm(classify: bool, params: Train) -> Any:
    from lightgbm import LGBMClassifier, LGBMRegressor

    from ml.early_stopping import StoppingClassifier, StoppingRegressor

    settings: dict[str, Any] = params.lightgbm.model_dump()
    stops = settings.pop("early_stopping")
    estimator: Any = (
        (StoppingClassifier if stops else LGBMClassifier)
        if classify
        else (StoppingRegressor if stops else LGBMRegressor)
    )
    if classify:
        settings["class_weight"] = params.class_weight
    # the same trees from any number of threads; n_jobs=0: as many as OpenMP is allowed to use
    same: dict[str, Any] = {"deterministic": True, "force_row_wise": True}
    return estimator(random_state=params.seed, n_jobs=0, verbose=-1, **same, **settings)


def _forest(classify: bool, params: Train) -> Any:
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    estimator = RandomForestClassifier if classify else RandomForestRegressor
    weights = {"class_weight": params.class_weight} if classify else {}
    return estimator(random_state=params.seed, n_jobs=-1, **params.forest.model_dump(), **weights)


def _linear(classify: bool, params: Train) -> Any:
    from sklearn.linear_model import LogisticRegression, Ridge

    if classify:
        return LogisticRegression(
            C=1 / params.linear.penalty, max_iter=2000, class_weight=params.class_weight
        )
    return Ridge(alpha=params.linear.penalty)
