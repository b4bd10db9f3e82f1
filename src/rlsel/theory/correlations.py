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
    own, other = np.asarray(first), np.asarray(second)
    redraws = torch.randint(len(own), (_RESAMPLES, len(own)), generator=generator).numpy()
    found = [rank_correlation(own[drawn].tolist(), other[drawn].tolist()) for drawn in redraws]
    known = [correlation for correlation in found if correlation is not None]
    if len(known) < len(found) / 2:
        return None, None
    low, high = np.quantile(known, (0.025, 0.975))
    return float(low), float(high)
