"""Shares of counted rows, and how sure they are."""

from __future__ import annotations

import math

from ml.statistics.influence import Z


def wilson(hits: int, n: int) -> tuple[float, float]:
    """The 95 % interval of a share of n rows (Wilson 1927); (0, 1) of no rows."""
    if n == 0:
        return 0.0, 1.0
    share, square = hits / n, Z * Z
    middle = (share + square / (2 * n)) / (1 + square / n)
    reach = Z * math.sqrt(share * (1 - share) / n + square / (4 * n * n)) / (1 + square / n)
    return max(middle - reach, 0.0), min(middle + reach, 1.0)
