"""scikit-learn's successive halving, whose candidates can be seen while it runs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from sklearn.experimental import enable_halving_search_cv  # noqa: F401  (it makes the next import work)
from sklearn.model_selection import HalvingRandomSearchCV

Results = dict[str, Any]  # as `cv_results_`
SHOWN = ("params", "iter", "n_resources", "mean_test_score")


class Watch:
    """Shows each candidate once, when its last fold is scored.

    Args:
        look: is called with a candidate's number and its values of `SHOWN`.
    """

    def __init__(self, look: Callable[[int, Results], None]) -> None:
        self._look = look
        self._shown: set[int] = set()
        self._first = 0  # number of the first candidate that is being scored
        self._about: Results = {}
        self._scores: defaultdict[int, dict[int, float]] = defaultdict(dict)  # by candidate, fold

    def begin(self, candidates: list[Any], about: Results) -> None:
        """These are scored next; `about` has a list of values for each of its names."""
        self._first += len(self._about.get("params", ()))
        self._about = {**about, "params": candidates}
        self._scores.clear()

    def fold_ended(self, call: Mapping[str, Any], result: Results) -> None:
        """Take the score of a fold, and show its candidate if that was the last one.

        Args:
            call: the arguments with which scikit-learn has it scored.
            result: what came of it.
        """
        if "candidate_progress" not in call:  # what a fit in this process does in parallel
            return
        place, folds = call["candidate_progress"][0], call["split_progress"][1]
        scores = self._scores[place]
        scores[call["split_progress"][0]] = result["test_scores"]
        if len(scores) == folds:
            mean = np.mean([scores[fold] for fold in range(folds)])
            about = {name: values[place] for name, values in self._about.items()}
            self._show(self._first + place, {**about, "mean_test_score": mean})

    def end(self, results: Results) -> None:
        """Show those of all results so far that were not."""
        for number in range(self._first, len(results["params"])):
            self._show(number, {name: results[name][number] for name in SHOWN})

    def _show(self, number: int, row: Results) -> None:
        if number not in self._shown:
            self._shown.add(number)
            self._look(number, row)


class Halving(HalvingRandomSearchCV):  # type: ignore[misc]  # published without types
    """The same candidates, scores and choice as without anybody who watches."""

    watch: Watch | None = None
    # score one candidate after another, or all of a round at the same time
    one_by_one = True

    def __getstate__(self) -> dict[str, Any]:
        """Without `watch`, which is of this process: each trial takes the search to its worker."""
        state: dict[str, Any] = super().__getstate__()
        return {name: value for name, value in state.items() if name != "watch"}

    def _run_search(
        self, evaluate_candidates: Callable[..., Results], *, callback_ctx: Any
    ) -> None:
        watch, evaluate = self.watch, evaluate_candidates
        if watch is None:
            super()._run_search(evaluate_candidates, callback_ctx=callback_ctx)
            return

        def watched(
            drawn: Iterable[Any], cv: Any, more_results: dict[str, list[Any]], **_: Any
        ) -> Results:
            candidates = list(drawn)
            step = 1 if self.one_by_one else len(candidates)
            for begin in range(0, len(candidates), step):
                part = slice(begin, begin + step)
                about = {name: values[part] for name, values in more_results.items()}
                watch.begin(candidates[part], about)
                results = evaluate(candidates[part], cv, more_results=about)
                watch.end(results)
            return results

        super()._run_search(watched, callback_ctx=callback_ctx)
