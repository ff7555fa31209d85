"""params.yaml as one frozen, typed object. An unknown key is an error that names the nearest."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from ml.contract import read_yaml
from ml.errors import UserError, closest, printable

PARAMS = Path("params.yaml")

Metric = Literal["auto", "roc_auc", "average_precision", "balanced_accuracy", "accuracy", "r2"]
Share = Field(ge=0, le=1)


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Validate(_Frozen):
    max_out_of_range: float = Share


class Split(_Frozen):
    test_share: float = Field(gt=0, lt=1)
    seed: int


class Boosting(_Frozen):
    learning_rate: float = Field(gt=0)
    max_iter: int = Field(ge=1)
    max_leaf_nodes: int = Field(ge=2)
    min_samples_leaf: int = Field(ge=1)
    l2_regularization: float = Field(ge=0)
    early_stopping: bool


class LightGBM(_Frozen):  # with defaults: a params.yaml from before it has no such block
    learning_rate: float = Field(default=0.06, gt=0)
    n_estimators: int = Field(default=300, ge=1)
    num_leaves: int = Field(default=15, ge=2)
    min_child_samples: int = Field(default=20, ge=1)
    reg_lambda: float = Field(default=1.0, ge=0)
    early_stopping: bool = True


class Linear(_Frozen):
    penalty: float = Field(gt=0)


class Forest(_Frozen):
    n_estimators: int = Field(ge=1)
    min_samples_leaf: int = Field(ge=1)
    max_leaf_nodes: int = Field(ge=2)


class Search(_Frozen):
    trials: int = Field(ge=0)
    executor: Literal["local", "dask"] = "local"


class Train(_Frozen):
    model: Literal["auto", "boosting", "lightgbm", "linear", "forest", "ensemble"]
    seed: int
    class_weight: Literal["balanced"] | None
    executor: Literal["local", "dask"] = "local"
    workers: int = Field(default=0, ge=0)
    search: Search
    boosting: Boosting
    lightgbm: LightGBM = LightGBM()
    linear: Linear
    forest: Forest


class Evaluate(_Frozen):
    metric: Metric
    slices: int = Field(ge=0)
    min_slice_rows: int = Field(ge=1)


class Export(_Frozen):
    tolerance: float = Field(gt=0)
    golden_rows: int = Field(ge=1)


class Release(_Frozen):
    min_gain_over_baseline: float | None = Field(ge=0)
    min_rows: int = Field(ge=0)
    min_gain: float | None = Field(ge=0)
    min_gain_after_decay: float | None = Field(ge=0)
    max_slice_loss: float | None = Field(ge=0)
    max_calibration_loss: float | None = Field(ge=0)
    may_alarm: bool
    max_flips: float | None = Share
    max_latency_ms: float | None = Field(gt=0)


class Objective(_Frozen):
    p99_ms: float | None = Field(default=None, gt=0)
    rate: float | None = Field(default=None, gt=0)


class Serve(_Frozen):
    port: int = Field(ge=0, le=65535)
    max_rows: int = Field(ge=1)
    max_body_bytes: int = Field(ge=1024)
    max_days_ahead: float | None = Field(ge=0)
    max_waiting_rows: int = Field(ge=1)
    max_requests: int = Field(ge=1)
    max_held_bytes: int = Field(ge=0)
    max_connections: int = Field(ge=0)
    journal_connections: int = Field(default=4, ge=1)
    deadline_seconds: float = Field(gt=0)
    rate_per_key: float = Field(ge=0)
    challenger: Literal["off", "shadow", "canary"]
    canary_share: float = Share
    log_answers: bool
    objective: Objective = Objective()

    @field_validator("max_held_bytes")
    @classmethod
    def _holds_a_body(cls, value: int, info: ValidationInfo) -> int:
        if 0 < value < info.data.get("max_body_bytes", 0):
            raise ValueError("less than max_body_bytes: such a body would always be refused")
        return value


class Explain(_Frozen):
    rows: int = Field(ge=0)
    reference_rows: int = Field(ge=1)
    draws: int = Field(ge=1)
    fixed: tuple[str, ...]
    max_rows: int = Field(ge=1)
    max_waiting: int = Field(ge=0)


class JournalKeeping(_Frozen):
    keep_days: float = Field(ge=0)
    whole_months: bool


class Monitor(_Frozen):
    window_days: float = Field(gt=0)
    window_rows: int = Field(ge=0)
    min_rows: int = Field(ge=1)
    max_faulty: float = Share
    false_alarm: float = Field(gt=0, lt=1)
    min_psi: float = Field(ge=0)
    max_loss: float = Field(ge=0)
    workspace_windows: int = Field(ge=0)


class LabelCoverage(_Frozen):
    min_share: float = Share
    max_drop: float = Share
    false_alarm: float = Field(gt=0, lt=1)


class Probation(_Frozen):
    max_days: float = Field(ge=0)
    min_requests: int = Field(ge=1)
    max_failures: float = Share
    max_slow: float = Share
    max_out_of_range: float = Share
    min_labels: int = Field(ge=0)
    max_loss: float = Field(gt=0)


class Loop(_Frozen):
    service: str | None
    every_hours: float = Field(gt=0)
    retrain_share: float = Field(ge=0)
    every_days: float = Field(ge=0)
    min_new_rows: int = Field(ge=200)
    cool_down_days: float = Field(ge=0)
    max_per_day: int = Field(ge=0)
    approval: bool
    coverage: LabelCoverage
    probation: Probation


class Tolerance(_Frozen):
    selection_rate: float | None = Field(ge=0)
    true_positive_rate: float | None = Field(ge=0)
    false_positive_rate: float | None = Field(ge=0)
    calibration: float | None = Field(ge=0)
    error: float | None = Field(ge=0)

    @property
    def stated(self) -> dict[str, float]:
        """The figures that have a tolerance."""
        return {name: value for name, value in self.model_dump().items() if value is not None}


class Fairness(_Frozen):
    columns: tuple[str, ...]
    edges: dict[str, tuple[float, ...]]
    positive: str | None
    min_rows: int = Field(ge=1)
    search: bool
    tolerance: Tolerance

    @field_validator("edges")
    @classmethod
    def _rising(cls, edges: dict[str, tuple[float, ...]]) -> dict[str, tuple[float, ...]]:
        for name, at in edges.items():
            if not at or list(at) != sorted(set(at)):
                raise ValueError(f"of {name}: one number or more, each larger than the one before")
        return edges


class Card(_Frozen):
    required: Literal["off", "written", "filled"]
    intended_use: str | None
    out_of_scope: str | None
    data_origin: str | None
    considerations: str | None
    known_limits: str | None
    contact: str | None

    @property
    def words(self) -> dict[str, str | None]:
        """What people wrote, by setting."""
        return self.model_dump(exclude={"required"})


class Params(_Frozen):
    """Every setting; meanings, units and off-switches stand as comments in params.yaml."""

    name: str = Field(min_length=1)
    validate_: Validate = Field(alias="validate")
    split: Split
    train: Train
    evaluate: Evaluate
    export: Export
    release: Release
    card: Card
    fairness: Fairness
    serve: Serve
    explain: Explain
    journal: JournalKeeping
    monitor: Monitor
    loop: Loop


def load_params(path: Path = PARAMS) -> Params:
    """Read and check params.yaml.

    Raises:
        UserError: missing file, invalid YAML, an unknown or missing key, a value out of bounds; it
            names the key.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such file here ({Path.cwd()})", "cd to the project's folder")
    try:
        return Params.model_validate(read_yaml(path))
    except ValidationError as error:
        raise UserError(
            f"{path}: {_problem(error)}", f"mend {path}, or `git diff {path}`"
        ) from None


def _problem(error: ValidationError) -> str:
    problems = error.errors(include_url=False)
    # an unknown key often explains a missing one, so it comes first
    first = next((p for p in problems if p["type"] == "extra_forbidden"), problems[0])
    key, value = ".".join(map(str, first["loc"])), printable(repr(first["input"]))
    if first["type"] != "extra_forbidden":
        return f"{key}: {first['msg']} (given: {value})"
    return f"unknown key {key!r} (value {value}){_hint(first['loc'])}"


def _hint(loc: tuple[int | str, ...]) -> str:
    near = closest(str(loc[-1]), _keys_beside(loc))
    return f"; did you mean {near[0]!r}?" if near else ""


def _keys_beside(loc: tuple[int | str, ...]) -> list[str]:
    """The keys of the block that holds the key at `loc`."""
    model: type[BaseModel] = Params
    for part in loc[:-1]:
        block = _block(model, part)
        if block is None:
            return []
        model = block
    return [field.alias or name for name, field in model.model_fields.items()]


def _block(model: type[BaseModel], key: int | str) -> type[BaseModel] | None:
    """The model of the block under a key; None where the key holds a plain value."""
    fields = model.model_fields.items()
    kind = next((field.annotation for name, field in fields if key in (name, field.alias)), None)
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None
