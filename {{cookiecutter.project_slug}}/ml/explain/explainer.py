"""The explanation of a row, as `POST /explain` answers it and `ml explain` prints it.

What is explained is the number that is served: of two classes the probability of the positive one
(the contract's last), of more that of the predicted class, of a regression the value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ml.contract import Contract
from ml.encode import Encoder, Matrix
from ml.explain.counterfactual import Change, Search, movable
from ml.explain.references import ALL, Reference, References
from ml.explain.sentences import sentence
from ml.explain.shapley import Contributions, Game, contributions

if TYPE_CHECKING:
    from ml.bundle import Bundle
    from ml.params import Explain

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Explained:
    """Which number of the model's answer is explained.

    Args:
        place: in the answer.
        prediction: the class, or the value.
        label: the class whose probability is explained; None: a regression.
        unit: `probability`, or the target's name: the value has its unit.
    """

    place: int
    prediction: Any
    label: str | None
    unit: str


class Explainer:
    """Explains the answers of one bundle.

    Args:
        bundle: a verified model.
        params: the block `explain` of params.yaml.

    Raises:
        RefusedError: the bundle holds no rows to compare with.
    """

    def __init__(self, bundle: Bundle, params: Explain) -> None:
        self.bundle = bundle
        self.params = params
        self._encoder = Encoder(bundle.contract)
        self._references = References(bundle, params.reference_rows)
        self._owner, self._columns = _owners(self._encoder)

    @cached_property
    def _movable(self) -> list[Any]:
        return movable(self.bundle.contract, self._references.pool, self.params.fixed)

    def explain(self, row: Mapping[str, Any], name: str = ALL) -> dict[str, Any]:
        """Why the model answers a valid row as it does.

        Args:
            row: as a request has it.
            name: of the reference.

        Raises:
            RefusedError: there is no reference of that name.
            ArithmeticError: the model's answer is no finite number.
        """
        reference = self._references.named(name)
        encoded = self._encoder.rows([row])
        answer = self.bundle.answer(encoded)[0]
        if not np.isfinite(answer).all():
            raise ArithmeticError(f"version {self.bundle.version} answers no finite number")
        explained = _explained(answer, self.bundle.contract)
        # what is served: the shortest number that is this float32
        value = float(str(answer[explained.place]))
        found = self._contributions(encoded[0], value, reference, explained.place)
        return {
            "model_version": self.bundle.version,
            "prediction": explained.prediction,
            **self._told(row, value, explained, reference, found),
            "counterfactual": self._counterfactual(encoded[0], row),
        }

    def _contributions(
        self, row: Matrix, value: float, reference: Reference, place: int
    ) -> Contributions:
        def answer(x: Matrix) -> Floats:
            return self.bundle.answer(x)[:, place].astype(np.float64)

        base = reference.answers[:, place]
        game = Game(answer, row, value, reference.rows, base, self._owner)
        return contributions(game, self.params.draws)

    def _told(
        self,
        row: Mapping[str, Any],
        value: float,
        explained: Explained,
        reference: Reference,
        found: Contributions,
    ) -> dict[str, Any]:
        base = float(reference.answers[:, explained.place].mean())
        listed = self._listed(row, found)
        target, label = self.bundle.contract.target.name, explained.label
        what = target if label is None else f"{target}={label}"
        return {
            "explained": {"unit": explained.unit, "class": label, "answer": value},
            "base_value": base,
            "reference": {
                "name": reference.name,
                "rows": len(reference.rows),
                "sha256": reference.sha256,
            },
            "method": "sampled" if found.draws else "exact",
            "draws": found.draws,
            "residual": value - base - float(found.values.sum()),
            "contributions": listed,
            "sentence": sentence(what, value, base, label is not None, listed),
        }

    def _listed(self, row: Mapping[str, Any], found: Contributions) -> list[dict[str, Any]]:
        """Each column with what it contributes, the largest first."""
        listed = [
            {"column": name, "value": row.get(name), "contribution": value, "standard_error": error}
            for name, value, error in zip(
                self._columns, found.values.tolist(), found.standard_errors.tolist(), strict=True
            )
        ]
        return sorted(listed, key=lambda one: -abs(one["contribution"]))

    def _counterfactual(self, encoded: Matrix, row: Mapping[str, Any]) -> dict[str, Any] | None:
        """The nearest change that changes the class; None: a regression, or none was found."""
        contract = self.bundle.contract
        if not contract.is_classification:
            return None
        search = Search(self.bundle.answer, encoded, self._movable)
        change = search.nearest()
        if change is None:
            return None
        shares = search.answers([change])[0]
        code = int(shares.argmax())
        return {
            "changes": _changes(change, row),
            "prediction": contract.target.classes[code],
            "probability": float(str(shares[code])),
        }


def _owners(encoder: Encoder) -> tuple[NDArray[np.intp], list[str]]:
    """For each encoded value the place of its column, and the columns that are features."""
    columns = list(dict.fromkeys(feature.column for feature in encoder.features))
    places = {name: i for i, name in enumerate(columns)}
    return np.array([places[feature.column] for feature in encoder.features]), columns


def _explained(answer: Matrix, contract: Contract) -> Explained:
    target = contract.target
    if not contract.is_classification:
        return Explained(0, float(str(answer[0])), None, target.name)
    predicted = int(answer.argmax())
    place = 1 if target.task == "binary" else predicted
    return Explained(place, target.classes[predicted], target.classes[place], "probability")


def _changes(change: Change, row: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {"column": m.column.name, "from": row.get(m.column.name), "to": m.as_json(value)}
        for m, value in change
    ]
