"""Influence on a selection: dropped against kept samples, and estimates against refits."""

from __future__ import annotations

import torch
from torch import Tensor

from rlsel.cover.neighbours import nearest_neighbours_by_class
from rlsel.randomness import Streams
from rlsel.theory.correlations import rank_correlation
from rlsel.theory.influence import ConvexHead, Probe, estimated_effects, estimated_shifts, exact_effect
from rlsel.theory.measured import InfluenceResult, Removals, Shifts

GROUP = 10
"""Samples that a group removal takes at once, where there are so many."""

_RESAMPLES = 1000


def influence_result(
    head: ConvexHead,
    probe: Probe,
    *,
    features: Tensor,
    labels: Tensor,
    kept: Tensor,
    removals: int,
    streams: Streams,
) -> InfluenceResult:
    """Measures what removals do to a convex head.

    Args:
        head: Fitted on all N samples.
        probe: What the loss is measured on.
        features: (N, D), for which samples are covered.
        labels: (N,) int64.
        kept: (N,) bool.
        removals: Most refits of single samples, half of them dropped where there are so many; and as many of groups.
        streams: Draw removals and bootstraps.
    """
    effects = estimated_effects(head, probe)
    epsilon, covered = covered_samples(features, labels)
    sides = [effects[covered & side].abs() for side in (~kept, kept)]
    means = [float(side.mean()) if len(side) else None for side in sides]
    both = bool(len(sides[0]) and len(sides[1]))
    low, high = difference_interval(sides[0], sides[1], streams.generator("difference")) if both else (None, None)
    groups = _drawn_groups(kept, removals, streams)
    return InfluenceResult(
        covered_epsilon=epsilon,
        dropped=len(sides[0]),
        kept=len(sides[1]),
        dropped_effect=means[0],
        kept_effect=means[1],
        difference=float(sides[0].mean() - sides[1].mean()) if both else None,
        difference_low=low,
        difference_high=high,
        shifts=_shifts(head, (covered & ~kept, covered & kept), removals, streams) if both else None,
        single=removal_result(head, probe, effects, [one[:1] for one in groups]),
        grouped=removal_result(head, probe, effects, groups),
    )


def _shifts(head: ConvexHead, sides: tuple[Tensor, Tensor], most: int, streams: Streams) -> Shifts:
    """Estimates the changes of the weights for drawn samples of both sides."""
    generator = streams.generator("shifts")
    dropped, kept = (
        estimated_shifts(head, places[torch.randperm(len(places), generator=generator)[:most]])
        for places in (side.nonzero()[:, 0] for side in sides)
    )
    low, high = difference_interval(dropped, kept, generator)
    return Shifts(
        dropped=float(dropped.mean()),
        kept=float(kept.mean()),
        difference=float(dropped.mean() - kept.mean()),
        difference_low=low,
        difference_high=high,
    )


def covered_samples(features: Tensor, labels: Tensor) -> tuple[float | None, Tensor]:
    """Says which samples count as covered: those with another of their class at most ε away.

    Args:
        features: (N, D).
        labels: (N,) int64.

    Returns:
        ε, the median distance to the nearest other of the class, None where no class has two samples; and (N,) bool.
    """
    nearest = nearest_neighbours_by_class(features, labels, 1, num_classes=int(labels.max()) + 1).distances[:, 0]
    reached = torch.isfinite(nearest)
    if not reached.any():
        return None, reached
    epsilon = float(nearest[reached].median())
    return epsilon, nearest <= epsilon


def _drawn_groups(kept: Tensor, removals: int, streams: Streams) -> list[Tensor]:
    """Draws groups, alternately of dropped and of kept samples while both have one."""
    sides = [side for side in ((~kept).nonzero()[:, 0], kept.nonzero()[:, 0]) if len(side)]
    generator = streams.generator("removals")
    size = min(GROUP, max(1, len(kept) // 4))
    groups = []
    for number in range(removals):
        side = sides[number % len(sides)]
        groups.append(side[torch.randperm(len(side), generator=generator)[:size]])
    return groups


def difference_interval(first: Tensor, second: Tensor, generator: torch.Generator) -> tuple[float, float]:
    """Returns the ends of the 95 % bootstrap interval of the difference of two means.

    Args:
        first: (A,), not empty.
        second: (B,), likewise.
        generator: A CPU generator.
    """
    differences = torch.stack([_redrawn(first, generator) - _redrawn(second, generator) for _ in range(_RESAMPLES)])
    low, high = differences.quantile(torch.tensor([0.025, 0.975], dtype=differences.dtype)).tolist()
    return low, high


def _redrawn(values: Tensor, generator: torch.Generator) -> Tensor:
    return values[torch.randint(len(values), (len(values),), generator=generator)].mean()


def removal_result(head: ConvexHead, probe: Probe, effects: Tensor, groups: list[Tensor]) -> Removals:
    """Refits the head without each group, and compares with the sum of the estimates.

    Args:
        head: Fitted on all N samples.
        probe: What the loss is measured on.
        effects: (N,) estimates of single removals.
        groups: Positions of each; at least one group.
    """
    estimated = [float(effects[group].sum()) for group in groups]
    refits = [exact_effect(head, probe, group) for group in groups]
    exact = [change for change, _ in refits]
    return Removals(
        size=max(len(group) for group in groups),
        estimated=tuple(estimated),
        exact=tuple(exact),
        shifts=tuple(shift for _, shift in refits),
        rank_correlation=rank_correlation(estimated, exact),
    )
