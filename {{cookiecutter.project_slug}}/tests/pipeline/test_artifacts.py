"""A stored model creates only the types that ml/model.py lists: crafted files are refused unrun."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import skops.io
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.contract import Categorical, Contract, Target
from ml.dataset.frame import encode_frame
from ml.encode import Encoder
from ml.errors import UserError
from ml.model import ONE_HOT_LEVELS, STORED_TYPES
from ml.params import Params, Search
from ml.pipeline.artifacts import load_model, save_model
from ml.pipeline.train import fit

State = dict[str, Any]

RUN_STRING = ("numpy.testing._private.utils", "runstring")  # exec(code, names)
RUN_SCRIPT = ("sklearn.utils._testing", "assert_run_python_script_without_output")


def _node(loader: str, module: str, name: str, **more: Any) -> State:
    return {"__loader__": loader, "__module__": module, "__class__": name, **more}


def _text(value: str) -> State:
    return _node("JsonNode", "builtins", "str", content=json.dumps(value), is_json=True)


def _tuple(*values: State) -> State:
    return _node("TupleNode", "builtins", "tuple", content=list(values))


def _list(*values: State) -> State:
    return _node("ListNode", "builtins", "list", content=list(values))


def _dict(key_type: State, **content: State) -> State:
    return _node("DictNode", "builtins", "dict", key_types=_list(key_type), content=content)


EMPTY = _node("DictNode", "builtins", "dict", key_types=_list(), content={})


def _call(function: tuple[str, str], *arguments: State) -> State:
    return _node("ConstructorFromReduceNode", *function, content=_tuple(*arguments))


def _partial(code: str) -> State:
    """A dictionary whose key is the code and whose type of key is a prepared call of exec."""
    prepared = {
        "func": _node("FunctionNode", *RUN_STRING),
        "args": _tuple(),
        "kwds": _dict(_node("TypeNode", "builtins", "str"), dict=EMPTY),
        "namespace": EMPTY,
    }
    return _dict(
        _node("PartialNode", "functools", "partial", content=prepared), **{code: _text("")}
    )


def _in_an_estimator(code: str) -> State:
    """The call hidden among the settings of an estimator that is trusted."""
    settings = _dict(_node("TypeNode", "builtins", "str"), C=_call(RUN_STRING, _text(code), EMPTY))
    return _node(
        "ObjectNode", "sklearn.linear_model._logistic", "LogisticRegression", content=settings
    )


def _method(code: str) -> State:
    bound = _node("ObjectNode", "sklearn.dummy", "DummyClassifier", content=None)
    content = {"func": "fit", "obj": bound}
    method = _node("MethodNode", "sklearn.dummy", "DummyClassifier", content=content)
    return _dict(method, **{code: _text("")})


def _old_function(code: str) -> State:
    """A function as files of skops' first protocol name it: the node's own name is harmless."""
    content = {"module_path": "builtins", "function": "exec"}
    return _dict(_node("FunctionNode", "builtins", "str", content=content), **{code: _text("")})


ATTACKS: dict[str, tuple[int, Callable[[str], State]]] = {
    "numpy's exec": (2, lambda code: _call(RUN_STRING, _text(code), EMPTY)),
    "scikit-learn's script runner": (2, lambda code: _call(RUN_SCRIPT, _text(code))),
    "exec as a type of list": (
        2,
        lambda code: _node("ListNode", *RUN_SCRIPT, content=[_text(code)]),
    ),
    "a random state": (
        2,
        lambda _code: _node("RandomStateNode", "numpy", "show_config", content=EMPTY),
    ),
    "a function as a type of key": (
        2,
        lambda code: _dict(_node("FunctionNode", *RUN_SCRIPT), **{code: _text("")}),
    ),
    "an object by its name": (2, lambda _code: _node("TypeNode", "sklearn.conftest", "environ")),
    "partial": (2, _partial),
    "in an estimator": (2, _in_an_estimator),
    "a method": (2, _method),
    "an old protocol": (0, _old_function),
    "eval": (2, lambda code: _call(("builtins", "eval"), _text(code))),
    "operator": (
        2,
        lambda code: _node("OperatorFuncNode", "operator", "call", attrs=_tuple(_text(code))),
    ),
}


def _write(path: Path, state: State, protocol: int = 2) -> None:
    schema = {**state, "protocol": protocol, "_skops_version": skops.__version__}
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("schema.json", json.dumps(schema))


@pytest.mark.parametrize("name", ATTACKS)
def test_a_crafted_model_is_refused_before_it_runs(name: str, tmp_path: Path) -> None:
    """Two files that named callables of NumPy and scikit-learn ran code when they were loaded."""
    ran, path = tmp_path / "ran", tmp_path / "model.skops"
    protocol, attack = ATTACKS[name]
    _write(path, attack(f"open({str(ran)!r}, 'w').close()"), protocol)
    with pytest.raises(UserError, match="holds types that"):
        load_model(path, STORED_TYPES)
    assert not ran.exists()


NAMES = st.sampled_from(
    ["numpy", "numpy.testing", "sklearn.utils", "builtins", "os", "sklearn.tree._tree", "operator"]
)
LOADERS = st.sampled_from(
    [
        *("TypeNode", "FunctionNode", "MethodNode", "PartialNode", "OperatorFuncNode", "Unknown"),
        *("ObjectNode", "ConstructorFromReduceNode", "LossNode", "RandomStateNode", "DTypeNode"),
        *("ListNode", "SetNode", "TupleNode"),
    ]
)


@settings(max_examples=200, deadline=None)
@given(loader=LOADERS, module=NAMES, name=st.text(max_size=20), protocol=st.integers(-1, 3))
def test_any_other_name_is_refused(
    tmp_path_factory: pytest.TempPathFactory, loader: str, module: str, name: str, protocol: int
) -> None:
    path = tmp_path_factory.mktemp("crafted") / "model.skops"
    state = _node(loader, module, f"x{name}", content=EMPTY, attrs=EMPTY)
    _write(path, state, protocol)
    with pytest.raises(UserError):
        load_model(path, STORED_TYPES)


@settings(max_examples=50, deadline=None)
@given(content=st.binary(max_size=200))
def test_a_file_of_any_bytes_is_a_mistake_and_no_crash(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.mktemp("bytes") / "model.skops"
    path.write_bytes(content)
    with pytest.raises(UserError, match="is not a stored model"):
        load_model(path, STORED_TYPES)


def test_a_model_cut_short_is_a_mistake(tmp_path: Path) -> None:
    path = tmp_path / "model.skops"
    save_model(np.arange(5), path)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(UserError, match="is not a stored model"):
        load_model(path, STORED_TYPES)


class Foreign:
    """A type that ml/model.py does not list."""

    value: Any = 1


def test_an_unlisted_type_is_named_with_the_place_to_add_it(tmp_path: Path) -> None:
    save_model(Foreign(), tmp_path / "model.skops")
    with pytest.raises(UserError, match=r"test_artifacts.Foreign\n.*STORED_TYPES in ml/model.py"):
        load_model(tmp_path / "model.skops", STORED_TYPES)


@pytest.mark.parametrize("trials", [0, 4])
@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
@pytest.mark.parametrize("kind", ["boosting", "linear", "forest"])
def test_every_model_of_the_project_loads(
    task: str,
    kind: str,
    trials: int,
    contract: Contract,
    params: Params,
    make_frame: Callable[..., pd.DataFrame],
    tmp_path: Path,
) -> None:
    """With one-hot and target-encoded levels, with and without a search."""
    shops = tuple(f"shop {i}" for i in range(ONE_HOT_LEVELS + 1))
    shop = Categorical(name="shop", kind="categorical", levels=shops, unseen="pool")
    classes = {"binary": ("a", "b"), "multiclass": ("a", "b", "c"), "regression": ()}[task]
    target = Target(name="left", task=task, classes=classes)
    asked = contract.model_copy(update={"target": target, "columns": (*contract.columns, shop)})
    frame = make_frame(900)
    frame["shop"] = np.array(shops, dtype=object)[np.arange(900) % len(shops)]
    x = encode_frame(frame, Encoder(asked))
    y = np.arange(900) % len(classes) if classes else np.linspace(0, 1, 900)
    train = params.train.model_copy(
        update={
            "model": kind,
            "search": Search(trials=trials),
            "forest": params.train.forest.model_copy(update={"n_estimators": 5}),
            "boosting": params.train.boosting.model_copy(update={"max_iter": 5}),
        }
    )
    for name, model in fit(x, y, asked, train).models.items():
        save_model(model, tmp_path / f"{name}.skops")
        loaded = load_model(tmp_path / f"{name}.skops", STORED_TYPES)
        np.testing.assert_allclose(loaded.predict(x), model.predict(x), rtol=1e-12)
