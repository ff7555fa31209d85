"""MLflow's registry: registered versions and the aliases `champion` and `previous`.

Everything here can be killed and repeated: a version is found again by the bundle's hash. The
writes of a promotion are no transaction, so what they are to end in is written down before the
first (`begin_promotion`) and taken away after the last (`end_promotion`).
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version as installed
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from ml.contract import Contract
from ml.errors import UserError
from ml.pipeline.tracking import import_library
from ml.release.relocate import DATABASE, relocate
from ml.standalone import mlflow_model

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion
    from mlflow.tracking import MlflowClient

    from ml.ledger.chain import Entry

HASH = "bundle_hash"  # tag of runs and versions
SEALED = "sealed"  # tag of a version whose artifacts are complete
CARD = "card"  # tag of a version: its model card's place among the run's artifacts
ROLLED_BACK = "rolled_back"  # tag of a version that was taken out of service
PROMOTION = "promotion"  # tag of the registered model while the aliases move
LEDGER = "ledger"  # tag of the registered model: number and hash of the last decision's line
GATE = "gate"  # tag of a version: passed or refused; why: the tag below
GATE_REASON = "gate_reason"
# tag of a version that passed and waits for a person: the champion that it was compared with
WAITING = "waiting_beside"
# characters of a registered model's tag, as PostgreSQL keeps it
TAG_LENGTH = 5000
# of a model or version, of an alias
ABSENT = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")


@dataclass(frozen=True)
class Promotion:
    """What a release or a rollback makes of the aliases."""

    champion: str
    previous: str | None  # None: the alias stays as it is
    rolled_back: str | None = None  # a rollback's time: it takes `previous` out of service
    # the decision's line of the ledger, as `ml.ledger.chain.record` takes it; empty: it has none
    entry: dict[str, Any] = field(default_factory=dict)


def connect() -> MlflowClient:
    """A client on MLFLOW_TRACKING_URI.

    By default sqlite:///mlflow.db beside the project, with files under mlartifacts/.
    """
    import_library()
    import mlflow
    from mlflow.tracking import MlflowClient

    given = os.environ.get("MLFLOW_TRACKING_URI")
    # absolute, because MLflow keeps one connection for each address, wherever the process has moved
    # since
    own = f"sqlite:///{DATABASE.absolute()}"
    if not given or given in (own, f"sqlite:///{DATABASE}"):
        _make_database()
        relocate()
    mlflow.set_tracking_uri(given or own)
    # MLflow writes the address there too: the next call, from another project's folder, must not
    # find it
    if not given:
        os.environ.pop("MLFLOW_TRACKING_URI", None)
    return MlflowClient()


def exists() -> bool:
    """Whether there is a registry to ask: a server's address, or a database here."""
    return bool(os.environ.get("MLFLOW_TRACKING_URI")) or DATABASE.exists()


def _make_database() -> None:
    """Make mlflow.db under another name first.

    MLflow cannot go on with a database whose tables were made halfway.
    """
    from mlflow.tracking import MlflowClient

    if DATABASE.exists():
        return
    for old_draft in Path().glob(f"{DATABASE}.draft*"):
        old_draft.unlink()
    # a name of its own, because MLflow keeps the connection to a file that is removed
    draft = Path(f"{DATABASE}.draft-{uuid4().hex}").absolute()
    MlflowClient(f"sqlite:///{draft}").search_experiments(max_results=1)
    draft.replace(DATABASE)


def find_version(client: MlflowClient, name: str, bundle_hash: str) -> ModelVersion | None:
    """The registered version of this bundle."""
    versions = client.search_model_versions(f"name = '{name}'")
    return next((v for v in versions if v.tags.get(HASH) == bundle_hash), None)


def alias(client: MlflowClient, name: str, word: str) -> str | None:
    """The version that an alias names, None where there is no such alias or model."""
    from mlflow.exceptions import MlflowException

    try:
        return str(client.get_model_version_by_alias(name, word).version)
    except MlflowException as error:
        if error.error_code in ABSENT:
            return None
        raise


def begin_promotion(client: MlflowClient, name: str, promotion: Promotion) -> None:
    """Write down what the aliases are to be, before any of them moves.

    Figures that are too long for a tag are left out: they stand in serving/promotion.json.
    """
    written = json.dumps(asdict(promotion))
    if len(written) > TAG_LENGTH:
        short = {**promotion.entry, "evidence": {}}
        written = json.dumps(asdict(replace(promotion, entry=short)))
    client.set_registered_model_tag(name, PROMOTION, written)


def pending_promotion(client: MlflowClient, name: str) -> Promotion | None:
    """The promotion that was begun and not ended."""
    written = _model_tags(client, name).get(PROMOTION)
    return Promotion(**json.loads(written)) if written else None


def _model_tags(client: MlflowClient, name: str) -> dict[str, str]:
    """The registered model's tags; empty where there is no such model."""
    from mlflow.exceptions import MlflowException

    try:
        return dict(client.get_registered_model(name).tags)
    except MlflowException as error:
        if error.error_code in ABSENT:
            return {}
        raise


def version_tags(client: MlflowClient, name: str, version: str) -> dict[str, str] | None:
    """A version's tags; None where there is no such version."""
    from mlflow.exceptions import MlflowException

    try:
        return dict(client.get_model_version(name, version).tags)
    except MlflowException as error:
        if error.error_code in ABSENT:
            return None
        raise


def move_aliases(client: MlflowClient, name: str, promotion: Promotion) -> None:
    """The writes of a promotion; made again they change nothing."""
    if promotion.previous:
        client.set_registered_model_alias(name, "previous", promotion.previous)
        if promotion.rolled_back:
            client.set_model_version_tag(
                name, promotion.previous, ROLLED_BACK, promotion.rolled_back
            )
    client.set_registered_model_alias(name, "champion", promotion.champion)
    for tag in (ROLLED_BACK, WAITING):
        client.delete_model_version_tag(name, promotion.champion, tag)


def end_promotion(client: MlflowClient, name: str) -> None:
    """The last write of a promotion."""
    client.delete_registered_model_tag(name, PROMOTION)


def move_back(client: MlflowClient, name: str, promotion: Promotion) -> None:
    """Undo what `move_aliases` did: its champion's files are gone."""
    if alias(client, name, "champion") != promotion.champion:
        return
    client.delete_registered_model_alias(name, "champion")
    if promotion.previous:
        client.set_registered_model_alias(name, "champion", promotion.previous)
        client.delete_registered_model_alias(name, "previous")


def note_line(client: MlflowClient, name: str, entry: Entry) -> None:
    """Keep number and hash of the ledger's last line, so that lines missing at its end are seen."""
    client.set_registered_model_tag(name, LEDGER, f"{entry.number} {entry.hash}")


def noted_line(client: MlflowClient, name: str) -> tuple[int, str] | None:
    """Number and hash of the last line that was noted; None where there is none."""
    written = _model_tags(client, name).get(LEDGER)
    if not written:
        return None
    number, line_hash = written.split()
    return int(number), line_hash


def register(
    client: MlflowClient, name: str, run_id: str, model: Path, contract: Contract, bundle_hash: str
) -> str:
    """Log the model as MLflow serves it and register it; the version as text."""
    model_uri, model_id = _log_model(client, run_id, model, contract)
    _ensure_registered_model(client, name)
    # a server takes the address of a logged model only with the model's id beside it
    registered = client.create_model_version(
        name, model_uri, run_id, tags={HASH: bundle_hash}, model_id=model_id
    )
    return str(registered.version)


def _ensure_registered_model(client: MlflowClient, name: str) -> None:
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def _log_model(
    client: MlflowClient, run_id: str, model: Path, contract: Contract
) -> tuple[str, str]:
    """Log the model; its address and its id."""
    import mlflow
    from mlflow.models import Model

    packages = ("numpy", "onnx", "onnxruntime", "pydantic")
    with mlflow.start_run(run_id=run_id) as run:
        # of a call that was killed before it registered one
        for model_id in _logged_models(client, run.info):
            client.delete_logged_model(model_id)
        logged = Model.log(
            None,
            name="model",
            flavor=mlflow_model,
            flavor_name="onnx",
            model=model,
            contract=contract,
            onnx_execution_providers=["CPUExecutionProvider"],
            pip_requirements=[f"{package}=={installed(package)}" for package in packages],
        )
    return str(logged.model_uri), str(logged.model_id)


def _logged_models(client: MlflowClient, run: Any) -> list[str]:
    models = client.search_logged_models(
        [run.experiment_id], filter_string=f"source_run_id = '{run.run_id}'"
    )
    return [str(model.model_id) for model in models]


def download(client: MlflowClient, name: str, version: str, into: Path) -> Path:
    """Fetch the sealed bundle of a version's run into an empty folder; where it lies in there."""
    from mlflow.exceptions import MlflowException

    run_id = client.get_model_version(name, version).run_id
    try:
        return Path(client.download_artifacts(run_id, "bundle", str(into)))
    except MlflowException as error:
        if error.error_code not in ABSENT:
            raise
        what = f"registry: the files of version {version} of {name} are gone"
        raise UserError(what, "make flow release") from error
