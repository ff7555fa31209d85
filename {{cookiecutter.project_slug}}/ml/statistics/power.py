"""Alpha that each test needs to reach its target power: the weights of Holm's procedure.

The tests share the allowance by these needs (`ml.statistics.multiple_testing`): a wider
spread is by far the hardest to see in few rows, while a test for a moved mean loses almost no power
by a limit a hundred times stricter. The needs follow from the distributions of the tests under a
stated shift and from the column itself (Spjøtvoll 1972; Roeder, Wasserman 2009), so they hold for
any mix of columns, and nothing is fitted to simulated windows.
"""

from __future__ import annotations

from functools import lru_cache

from scipy import special

ROWS = 200  # of the window that the aims are for; in larger windows the tests have more power
PSI = 0.2  # the shift that the aims are for, as stability index
WIDER, NARROWER = 1.5, 2.0  # the change of variance that the aims are for: times and divided by

# power of each test in such windows; lower where more would cost the other tests much power
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
RULE = 1e-6  # a rule's p-value is 0 or 1: its share only has to be above zero


@lru_cache(maxsize=1024)
def required_alpha(test: str, reference: int, groups: int, cells: int) -> float:
    """The significance level at which `test` reaches its aim.

    Args:
        test: its name, as in AIM; others are rules.
        reference: rows of the reference.
        groups: groups of the chi-square test at ROWS rows.
        cells: cells of the column, of which the test of single ones picks the worst.
    """
    if test not in AIM:
        return RULE
    rows = 1 / (1 / ROWS + 1 / max(reference, 1))
    return float(min(max(_alpha(test, rows, groups, cells), RULE), 1.0))


def _alpha(test: str, rows: float, groups: int, cells: int) -> float:
    aim = AIM[test]
    match test:
        case "location" | "missing":
            return _alpha_mean(aim, rows)
        case "wider":
            return _alpha_wider(aim, rows)
        case "narrower":
            return _alpha_narrower(aim, rows)
        case "cell" | "level":
            return cells * _alpha_mean(aim, rows)
        case _:
            return _alpha_chi_square(aim, rows, max(groups - 1, 1))


def _alpha_mean(aim: float, rows: float) -> float:
    """Two-sided normal test of a mean that moved by √PSI standard deviations (Jeffreys 1946)."""
    return float(2 * special.ndtr(special.ndtri(aim) - (PSI * rows) ** 0.5))


def _alpha_wider(aim: float, rows: float) -> float:
    """One-sided chi-square test of a variance that is WIDER times as large."""
    return float(special.chdtrc(rows, WIDER * special.chdtri(rows, aim)))


def _alpha_narrower(aim: float, rows: float) -> float:
    """One-sided chi-square test of a variance divided by NARROWER."""
    quantile = 2 * special.gammaincinv(rows / 2, aim)
    return float(special.chdtr(rows, quantile / NARROWER))


def _alpha_chi_square(aim: float, rows: float, df: int) -> float:
    """Chi-square test over cells whose shares moved by PSI."""
    return float(special.chdtrc(df, _quantile_above(aim, df, PSI * rows)))


def _quantile_above(share: float, df: int, noncentrality: float) -> float:
    """The value that a noncentral chi-square variable exceeds with this probability."""
    try:  # what scipy.stats calls, without the second that its import takes
        from scipy.special._ufuncs import _ncx2_isf
    except ImportError:  # not public: another version of SciPy may have it elsewhere
        from scipy import stats

        return float(stats.ncx2.isf(share, df, noncentrality))
    return float(_ncx2_isf(share, df, noncentrality))
