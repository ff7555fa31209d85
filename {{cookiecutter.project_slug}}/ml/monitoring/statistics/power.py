"""Alpha that each test needs to reach its target power: the weights of Holm's procedure.

The tests share the allowance by these needs (`ml.monitoring.statistics.multiple_testing`): a wider
spread is by
far the hardest to see in few rows, while a moved mean loses next to nothing by a limit a hundred
times stricter. The needs follow from the distributions of the tests under a stated shift and from
the column itself (Spjøtvoll 1972; Roeder, Wasserman 2009), so they hold for any mix of columns, and
nothing is fitted to simulated windows.
"""

from __future__ import annotations

from functools import lru_cache

from scipy import stats

ROWS = 200  # of the window that the aims are for; larger windows see more
PSI = 0.2  # the shift to be seen, as stability index
WIDER, NARROWER = 1.5, 2.0  # the change of variance to be seen: times and divided by

# share of such windows that the test is to see; less where more would cost the other tests dearly
AIM = {
    "location": 0.98,
    "wider": 0.89,
    "narrower": 0.98,
    "shape": 0.75,
    "cell": 0.90,
    "two_levels": 0.98,
    "levels": 0.92,
    "many_levels": 0.25,
    "level": 0.93,
    "missing": 0.90,
}
RULE = 1e-6  # a rule's probability is 0 or 1: its share only has to be above zero


@lru_cache(maxsize=1024)
def required_alpha(test: str, reference: int, groups: int, cells: int) -> float:
    """The significance level at which `test` reaches its aim.

    Args:
        test: its name, as in AIM; others are rules.
        reference: rows of the reference.
        groups: groups of the chi-square test at ROWS rows.
        cells: cells of the column, of which the test of single ones picks the worst.
    """
    rows = 1 / (1 / ROWS + 1 / max(reference, 1))
    match test:
        case "wider":
            alpha = stats.chi2.sf(WIDER * stats.chi2.isf(AIM[test], rows), rows)
        case "narrower":
            alpha = stats.chi2.cdf(stats.chi2.ppf(AIM[test], rows) / NARROWER, rows)
        case "shape" | "two_levels" | "levels" | "many_levels":
            df = max(groups - 1, 1)
            alpha = stats.chi2.sf(stats.ncx2.isf(AIM[test], df, PSI * rows), df)
        case "cell" | "level":
            alpha = cells * _moved(AIM[test], rows)
        case "location" | "missing":
            alpha = _moved(AIM[test], rows)
        case _:
            alpha = RULE
    return float(min(max(alpha, RULE), 1.0))


def _moved(aim: float, rows: float) -> float:
    """Two-sided normal test of a mean that moved by √PSI standard deviations (Jeffreys 1946)."""
    return float(2 * stats.norm.sf((PSI * rows) ** 0.5 - stats.norm.ppf(aim)))
