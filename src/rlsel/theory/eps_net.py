"""How many samples cover a class at each ε: the greedy ε-net, by farthest-point traversal."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from rlsel.cover.coverage import class_members

MOST_POINTS = 2000
"""Passes over a class at most; a larger class has the rest of its curve left out."""


@dataclass(frozen=True, kw_only=True)
class NetCurve:
    """The size of the greedy ε-net of a class against ε.

    Attributes:
        size: Samples of the class.
        radii: (K,) not ascending: with the first k + 1 points of the traversal every sample is within `radii[k]` of
            one of them. K is the size, or `MOST_POINTS`.
        bend: Points at the bend: where the curve of radii, both axes scaled to [0, 1], is farthest below its chord.
        bend_epsilon: The radius there.
    """

    size: int
    radii: tuple[float, ...]
    bend: int
    bend_epsilon: float

    def size_at(self, epsilon: float) -> int:
        """Returns how many points cover the class at ε; K where the curve ends before."""
        return min(len(self.radii), 1 + sum(radius > epsilon for radius in self.radii))


def net_curves(features: Tensor, labels: Tensor, *, num_classes: int, most: int = MOST_POINTS) -> tuple[NetCurve, ...]:
    """Computes the curve of each class that has samples.

    Args:
        features: (N, D).
        labels: (N,) int64 in [0, `num_classes`).
        num_classes: C.
        most: Passes over a class, at least 1.
    """
    curves = []
    for members in class_members(labels, num_classes):
        if len(members):
            radii = farthest_point_radii(features[members], most)
            bend = bend_of(radii)
            curves.append(
                NetCurve(size=len(members), radii=tuple(radii.tolist()), bend=bend + 1, bend_epsilon=float(radii[bend]))
            )
    return tuple(curves)


def farthest_point_radii(features: Tensor, most: int) -> Tensor:
    """Takes the sample that is farthest from those taken before, again and again.

    The first is the nearest to the mean. The points taken until the radius is at most ε are a greedy ε-net: they cover
    every sample, and are more than ε apart, so that one traversal gives the net of every ε.

    Args:
        features: (N, D), N at least 1.
        most: Points at most.

    Returns:
        (K,) float64, the largest distance of any sample to the points so far.
    """
    own = features.double()
    taken = int((own - own.mean(dim=0)).norm(dim=1).argmin())
    nearest = torch.full((len(own),), torch.inf, dtype=torch.float64)
    radii = []
    for _ in range(min(len(own), most)):
        nearest = torch.minimum(nearest, (own - own[taken]).norm(dim=1))
        taken = int(nearest.argmax())
        radii.append(nearest[taken])
    return torch.stack(radii)


def bend_of(radii: Tensor) -> int:
    """Returns the place in (K,) falling values that is farthest below the chord from the first to the last."""
    span = float(radii[0] - radii[-1])
    if span <= 0:
        return 0
    across = torch.linspace(0, 1, len(radii), dtype=torch.float64)
    return int((1 - across - (radii - radii[-1]) / span).argmax())
