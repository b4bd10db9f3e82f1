"""The group effect: how much the value of a sample depends on what else is kept."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from rlsel.cover.distances import pairwise_distances
from rlsel.theory.influence import ConvexHead, Probe, exact_effect


@dataclass(frozen=True, kw_only=True)
class GroupEffect:
    """What the removal of pairs does, against what the removals of their two samples do.

    Attributes:
        pairs: How many were removed.
        together: Mean change of the probe's loss when both go.
        apart: Mean sum of the changes when each goes alone.
        share: Mean |together - apart| over the mean |apart|: 0 where values add up; None where nothing changes.
    """

    pairs: int
    together: float
    apart: float
    share: float | None


def group_effect(
    head: ConvexHead, probe: Probe, members: Tensor, *, pairs: int, generator: torch.Generator
) -> GroupEffect | None:
    """Removes drawn samples of a group, each alone and together with the nearest other of the group.

    Nearest, since a sample that stands in for another is what the cover speaks of.

    Args:
        head: The head with all samples.
        probe: What the loss is measured on.
        members: (G,) positions of the group.
        pairs: Most pairs.
        generator: A CPU generator.

    Returns:
        The effect; None for a group of fewer than two.
    """
    if len(members) < 2:
        return None
    places = torch.randperm(len(members), generator=generator)[:pairs]
    distances = pairwise_distances(head.inputs[members[places]], head.inputs[members])
    distances[torch.arange(len(places)), places] = torch.inf
    partners = members[distances.argmin(dim=1)]
    together, apart = [], []
    for one, other in zip(members[places], partners, strict=True):
        together.append(exact_effect(head, probe, torch.stack([one, other]))[0])
        apart.append(sum(exact_effect(head, probe, sample[None])[0] for sample in (one, other)))
    both, single = torch.tensor(together, dtype=torch.float64), torch.tensor(apart, dtype=torch.float64)
    scale = float(single.abs().mean())
    return GroupEffect(
        pairs=len(places),
        together=float(both.mean()),
        apart=float(single.mean()),
        share=float((both - single).abs().mean()) / scale if scale > 0 else None,
    )
