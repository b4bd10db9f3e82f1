"""What a costly step says before it starts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from rlsel.checks import refuse
from rlsel.training.reporting import Reporter

MOST_PAIRS = 10**11
"""Pairs within groups that a method may look at: a quarter of an hour or more on one core."""

_WORTH_A_NOTE = 10.0  # seconds


def announce_cost(reporter: Reporter, name: str, *, seconds: float, megabytes: float) -> None:
    """Notes the expected time on one core and the expected memory, where the wait is worth a word.

    Args:
        reporter: Receives the note.
        name: Name of the method.
        seconds: A rough estimate.
        megabytes: Memory that is needed beyond the features.
    """
    if seconds > _WORTH_A_NOTE:
        reporter.note(f"{name}: about {_duration(seconds)} on one core and {megabytes:.0f} MB of memory")


def pair_seconds(sizes: Iterable[int], *, dimensions: int, per_pair: float, per_product: float = 3e-11) -> float:
    """Estimates the time of a method that looks at all pairs within groups.

    Args:
        sizes: Samples in each group.
        dimensions: Dimensions of the features.
        per_pair: Seconds for each pair.
        per_product: Seconds for each pair and dimension; the default is that of a large matrix product.
    """
    return sum(size**2 for size in sizes) * (dimensions * per_product + per_pair)


def require_few_pairs(name: str, sizes: Sequence[int], *, remedy: str) -> None:
    """Refuses groups in which a method would look at more than `MOST_PAIRS` pairs.

    Args:
        name: Name of the method.
        sizes: Samples in each group.
        remedy: What to do instead.

    Raises:
        ConfigurationError: in that case, with the size up to which the method works.
    """
    pairs = sum(size**2 for size in sizes)
    if pairs > MOST_PAIRS:
        alike = math.isqrt(MOST_PAIRS // max(1, len(sizes)))
        raise refuse(
            f"selector={name}",
            f"for {len(sizes)} groups of up to {alike} samples each, as it looks at all pairs of a group",
            max(sizes),
            remedy,
        )


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
