"""`ml explain <prediction-id>`: why a recorded answer is what it is, by the model that gave it.

Reads: the journal, serving/releases/<version>/ of the answer's version, params.yaml (explain).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ml.bundle import CHAMPION, RELEASES, load_bundle
from ml.errors import RefusedError, UserError, printable
from ml.explain.explainer import Explainer
from ml.explain.references import ALL
from ml.explain.sentences import shown
from ml.journal.store import Journal
from ml.params import load_params
from ml.request_schema.rows import RequestSchema

if TYPE_CHECKING:
    from pathlib import Path

    from ml.bundle import Bundle
    from ml.journal.records import Prediction


def explain(prediction_id: str, reference: str = ALL, as_json: bool = False) -> None:
    """Print why a recorded answer is what it is.

    Args:
        prediction_id: as the service answered it.
        reference: what it is compared with.
        as_json: print what `POST /explain` answers, on one line.

    Raises:
        UserError: the prediction or its model is not here, or there is no such reference.
    """
    answered = _recorded(prediction_id)
    bundle = load_bundle(_folder(answered.version, prediction_id))
    found = _explained(bundle, answered, reference)
    if as_json:
        print(json.dumps({"prediction_id": prediction_id, **found}, ensure_ascii=False))
    else:
        print("\n".join(lines(found)))


def _recorded(prediction_id: str) -> Prediction:
    journal = Journal()
    try:
        found = journal.prediction(prediction_id)
    finally:
        journal.close()
    if found is None:
        raise UserError(
            f"{prediction_id}: the journal holds no such prediction",
            "ml journal export answers.parquet, which lists them",
        )
    return found


def _folder(version: str, prediction_id: str) -> Path:
    """The release that gave the answer, or the champion where it is that version."""
    release = RELEASES / version
    if release.is_dir():
        return release
    if CHAMPION.is_dir() and load_bundle(CHAMPION).version == version:
        return CHAMPION
    raise UserError(
        f"{prediction_id}: version {version} answered it, and {release} is not here",
        f"copy {release} from the machine that released it, or `ml pull` where it is the champion",
    )


def _explained(bundle: Bundle, answered: Prediction, reference: str) -> dict[str, Any]:
    try:
        row = RequestSchema(bundle.contract, 1).check(answered.features)
        return Explainer(bundle, load_params().explain).explain(row, reference)
    except RefusedError as error:
        raise UserError(str(error), "ml explain --help") from None


def lines(found: dict[str, Any]) -> list[str]:
    """An explanation as a person reads it."""
    reference, unit = found["reference"], found["explained"]["unit"]
    how = f"sampled in {found['draws']} draws" if found["draws"] else "exact"
    head = [
        found["sentence"],
        f"version {found['model_version']}; reference {printable(reference['name'])}, "
        f"{reference['rows']} rows ({reference['sha256'][:12]}); {how}; in units of {unit}",
        "",
    ]
    return [*head, *map(_line, found["contributions"]), *_counterfactual(found["counterfactual"])]


def _line(one: dict[str, Any]) -> str:
    error = f" ± {one['standard_error']:.2g}" if one["standard_error"] else ""
    name = f"{printable(one['column'])} = {shown(one['value'])}"
    return f"  {one['contribution']:+12.4g}{error:<10}  {name}"


def _counterfactual(found: dict[str, Any] | None) -> list[str]:
    if found is None:
        return []
    changes = " and ".join(
        f"{printable(change['column'])} were {shown(change['to'])}" for change in found["changes"]
    )
    return ["", f"It would be {printable(found['prediction'])} if {changes}."]
