"""Rank correlations and their intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch

_RESAMPLES = 1000


def rank_correlation(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Returns Spearman's rank correlation; None where a side is constant or has fewer than two numbers."""
    from scipy.stats import rankdata

    if len(set(first)) < 2 or len(set(second)) < 2:
        return None
    correlation = float(np.corrcoef(rankdata(first), rankdata(second))[0, 1])
    return correlation if math.isfinite(correlation) else None


def rank_correlation_interval(
    first: Sequence[float], second: Sequence[float], generator: torch.Generator
) -> tuple[float, float] | tuple[None, None]:
    """Returns the ends of the 95 % bootstrap interval of the rank correlation, over pairs of numbers.

    Args:
        first: P numbers.
        second: P numbers.
        generator: A CPU generator.

    Returns:
        The ends; None twice where there is no correlation.
    """
    from scipy.stats import rankdata

    redraws = torch.randint(len(first), (_RESAMPLES, len(first)), generator=generator).numpy()
    ranks = [rankdata(np.asarray(side, dtype=np.float64)[redraws], axis=1) for side in (first, second)]
    own, other = (side - side.mean(axis=1, keepdims=True) for side in ranks)
    norms = np.sqrt((own**2).sum(axis=1) * (other**2).sum(axis=1))
    known = norms > 0
    if known.mean() < 1 / 2:
        return None, None
    low, high = np.quantile((own * other).sum(axis=1)[known] / norms[known], (0.025, 0.975))
    return float(low), float(high)
