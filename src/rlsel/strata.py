"""Strata of a score: parts of equal width, drawn from evenly (CCS, Zheng et al., ICLR 2023). NumPy only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

STRATA = 50
"""Parts of equal width that CCS cuts the range of the score into (Zheng et al. 2023)."""


def pick_from_strata(
    pool: NDArray[np.int64], values: NDArray[np.floating], keys: NDArray[np.int64], *, count: int
) -> NDArray[np.int64]:
    """Draws evenly over equal-width strata of the pool's own range (CCS, Zheng et al. 2023, Algorithm 1).

    Args:
        pool: (P,) positions to draw from.
        values: (N,) scores.
        keys: (N,) ranks; in a stratum, the lowest are taken.
        count: How many, at most P.

    Returns:
        (`count`,) positions.
    """
    stratum = strata(values[pool])
    order = np.lexsort((keys[pool], stratum))
    sizes = np.bincount(stratum, minlength=STRATA)
    position = np.arange(len(pool)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return pool[order[position < np.repeat(strata_budgets(count, sizes), sizes)]]


def strata(values: NDArray[np.floating]) -> NDArray[np.int64]:
    """Cuts the range of (n,) scores into `STRATA` parts of equal width; returns the (n,) part of each score."""
    if len(values) == 0:
        return np.zeros(0, dtype=np.int64)
    exact = values.astype(np.float64)
    low, high = float(exact.min()), float(exact.max())
    if low == high:
        return np.zeros(len(values), dtype=np.int64)
    part: NDArray[np.float64] = (exact - low) / (high - low) * STRATA
    return np.minimum(part.astype(np.int64), STRATA - 1)


def strata_budgets(total: int, sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Spreads a budget evenly over strata; what a small one cannot use goes to the larger ones.

    From the smallest to the largest, a stratum gets an equal part of what is left, or all it has (CCS, Algorithm 1).
    The rounding down of a part is handed on with the rest, so the largest one takes up all remainders.

    Args:
        total: At most `sizes.sum()`.
        sizes: (B,) samples in each stratum.

    Returns:
        (B,) budgets; sums to `total`, never above `sizes`.
    """
    budgets = np.zeros_like(sizes)
    remaining = total
    for position, stratum in enumerate(np.argsort(sizes, kind="stable")):
        budgets[stratum] = min(int(sizes[stratum]), remaining // (len(sizes) - position))
        remaining -= int(budgets[stratum])
    return budgets
