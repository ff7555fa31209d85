"""scikit-learn's successive halving, whose results can be seen while it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from sklearn.experimental import enable_halving_search_cv  # noqa: F401  (it makes the next import work)
from sklearn.model_selection import HalvingRandomSearchCV

Results = dict[str, Any]  # as `cv_results_`


class Halving(HalvingRandomSearchCV):  # type: ignore[misc]  # published without types
    """The same candidates, scores and choice as without anybody who looks."""

    look: Callable[[Results], None] | None = None  # is shown all results so far
    # after each candidate, or after each round, whose candidates are scored at the same time
    one_by_one = True

    def __getstate__(self) -> dict[str, Any]:
        """Without `look`, which is of this process: each trial takes the search to its worker."""
        state: dict[str, Any] = super().__getstate__()
        return {name: value for name, value in state.items() if name != "look"}

    def _run_search(
        self, evaluate_candidates: Callable[..., Results], *, callback_ctx: Any
    ) -> None:
        look, evaluate = self.look, evaluate_candidates
        if look is None:
            super()._run_search(evaluate_candidates, callback_ctx=callback_ctx)
            return

        def seen(
            drawn: Iterable[Any], cv: Any, more_results: dict[str, list[Any]], **_: Any
        ) -> Results:
            candidates = list(drawn)
            step = 1 if self.one_by_one else len(candidates)
            for begin in range(0, len(candidates), step):
                part = slice(begin, begin + step)
                about = {name: values[part] for name, values in more_results.items()}
                results = evaluate(candidates[part], cv, more_results=about)
                look(results)
            return results

        super()._run_search(seen, callback_ctx=callback_ctx)
