"""The statistics of a comparison: means over seeds, differences paired by seed, ranks, overlaps.

Runs of one seed share their selection's target training and their initial parameters, so that a difference is taken
seed by seed: what the seed does to both is gone from it.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.95
"""Coverage of the intervals."""

Name = TypeVar("Name")


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A mean over n runs.

    Attributes:
        n: Number of runs, at least 1.
        mean: Mean of the runs.
        standard_error: Their standard deviation (with n − 1) over √n; None for one run.
    """

    n: int
    mean: float
    standard_error: float | None


@dataclass(frozen=True, kw_only=True)
class PairedDifference:
    """A mean difference over n pairs, with the interval of the paired t-test.

    Attributes:
        n: Number of pairs, at least 1.
        mean: Mean of the differences.
        low: Lower end of the interval; None for one pair.
        high: Upper end of the interval; None for one pair.
    """

    n: int
    mean: float
    low: float | None
    high: float | None


def estimate(values: Sequence[float]) -> Estimate:
    """Returns the mean of at least one value and its standard error."""
    n = len(values)
    error = statistics.stdev(values) / math.sqrt(n) if n > 1 else None
    return Estimate(n=n, mean=statistics.fmean(values), standard_error=error)


def paired_difference(first: Mapping[int, float], second: Mapping[int, float]) -> PairedDifference | None:
    """Compares two methods over the seeds that both have.

    The interval is mean ± t · s/√n, with s the standard deviation of the n differences and t the quantile of Student's
    distribution with n − 1 degrees of freedom.

    Args:
        first: Values by seed.
        second: Values by seed.

    Returns:
        The difference first − second; None where no seed is in both.
    """
    from scipy.special import stdtrit

    seeds = sorted(first.keys() & second.keys())
    if not seeds:
        return None
    difference = estimate([first[seed] - second[seed] for seed in seeds])
    if difference.standard_error is None:
        return PairedDifference(n=1, mean=difference.mean, low=None, high=None)
    half = float(stdtrit(difference.n - 1, (1 + CONFIDENCE) / 2)) * difference.standard_error
    return PairedDifference(
        n=difference.n, mean=difference.mean, low=difference.mean - half, high=difference.mean + half
    )


def ranks(values: Mapping[Name, float]) -> dict[Name, int]:
    """Ranks from the highest value, which gets 1; equal values share the better rank."""
    return {name: 1 + sum(other > value for other in values.values()) for name, value in values.items()}


def mean_overlap(sets: Sequence[NDArray[np.int64]]) -> float | None:
    """Returns the mean of |A ∩ B| / K over all pairs of sets of K positions each.

    Args:
        sets: Arrays of unique positions, all of one length.

    Returns:
        In [0, 1]; None for fewer than two sets.
    """
    if len(sets) < 2:
        return None
    # a position that is in c of the sets is shared by c (c - 1) / 2 of the pairs
    _, counts = np.unique(np.concatenate(sets), return_counts=True)
    pairs = len(sets) * (len(sets) - 1)
    return float((counts * (counts - 1)).sum() / (pairs * len(sets[0])))


def jaccard(first: NDArray[np.int64], second: NDArray[np.int64]) -> float:
    """Returns |A ∩ B| / |A ∪ B| of two sets of unique positions, of which at least one holds something."""
    both = len(np.intersect1d(first, second, assume_unique=True))
    return both / (len(first) + len(second) - both)
