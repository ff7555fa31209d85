"""The model: a scikit-learn Pipeline over the encoder's float32 matrix. Yours to change.

`make_model` is the one place where an estimator is chosen. Whatever it returns must convert to ONNX
and
answer alike there: `ml.pipeline.export` refuses it otherwise.
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

# What a stored model may hold beside plain values and scikit-learn's public estimators, by exact
# name. Loading creates what the file names, so add the types of a new estimator one by one, after
# a look at each; never a function. `ml.pipeline.train.load_model` names what is not listed.
STORED_TYPES = (
    "numpy.dtype",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.model_selection._split.KFold",
    "sklearn.tree._tree.Tree",
)


def make_model(contract: Contract, params: Train) -> Pipeline:
    """An unfitted Pipeline whose last step is the estimator that `params.model` names.

    Its input is the (n, k) float32 matrix of `ml.encode.Encoder`, its target class codes (0…) or
    floats.
    Trees get numbers unscaled: a scaler would round in float32 before the split, and ONNX rounds
        elsewhere.
    """
    from sklearn.pipeline import Pipeline

    classify = contract.is_classification
    match params.model:
        case "boosting":
            return Pipeline(
                [
                    ("columns", _columns(contract, "passthrough")),
                    ("estimator", _boosting(classify, params)),
                ]
            )
        case "forest":
            return Pipeline(
                [
                    ("columns", _columns(contract, _imputed())),
                    ("estimator", _forest(classify, params)),
                ]
            )
        case "linear":
            return Pipeline(
                [
                    ("columns", _columns(contract, _scaled())),
                    ("estimator", _linear(classify, params)),
                ]
            )


def make_baseline(contract: Contract) -> Any:
    """The naive answer that any model must beat: class shares of the training rows, or their mean."""
    from sklearn.dummy import DummyClassifier, DummyRegressor

    return (
        DummyClassifier(strategy="prior")
        if contract.is_classification
        else DummyRegressor(strategy="mean")
    )


def search_space(contract: Contract, params: Train) -> dict[str, Any]:
    """Where `train.search` looks: the estimator's arguments and their distributions. Yours to change."""
    from scipy.stats import loguniform, randint

    match params.model:
        case "boosting":
            return {
                "learning_rate": loguniform(0.02, 0.3),
                "max_leaf_nodes": randint(4, 64),
                "min_samples_leaf": randint(5, 100),
                "l2_regularization": loguniform(0.01, 100),
            }
        case "forest":
            return {"min_samples_leaf": randint(1, 30), "max_features": loguniform(0.1, 1)}
        case "linear":
            return {"C" if contract.is_classification else "alpha": loguniform(1e-3, 1e3)}


def _columns(contract: Contract, numbers: Any) -> Any:
    from sklearn.compose import ColumnTransformer
    from sklearn.model_selection import KFold
    from sklearn.preprocessing import OneHotEncoder, TargetEncoder

    made = features(contract)
    numeric = [i for i, f in enumerate(made) if not f.levels]
    few = [i for i, f in enumerate(made) if 0 < f.levels <= ONE_HOT_LEVELS]
    many = [i for i, f in enumerate(made) if f.levels > ONE_HOT_LEVELS]
    one_hot = OneHotEncoder(handle_unknown="ignore", sparse_output=False, dtype=np.float32)
    blocks = [("numbers", numbers, numeric), ("levels", one_hot, few)]
    if many:
        folds = KFold(5, shuffle=True, random_state=0)
        # counts are no classes
        kind = "continuous" if contract.target.task == "regression" else contract.target.task
        blocks.append(("many_levels", TargetEncoder(target_type=kind, cv=folds), many))
    return ColumnTransformer([block for block in blocks if block[2]])


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
