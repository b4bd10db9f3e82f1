"""Pairs of samples over the whole range of their distances, without a distance for every pair there is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from rlsel.cover.coverage import class_members

Kind = Literal["same class", "other class", "random"]
"""Which pairs: of one class, as the cover has them; of two classes; or whatever is drawn."""

KINDS: tuple[Kind, ...] = ("same class", "other class", "random")

_DRAWN_FOR_EACH = 16
"""Pairs that are drawn for each that is taken, so that the shortest and the longest distances are among them."""

_TILE_ELEMENTS = 4_000_000  # features of one side of a block of pairs: 16 MB


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """Pairs of samples, the nearest first.

    Attributes:
        first: (P,) int64 positions.
        second: (P,) int64 positions, each another than in `first`.
        distances: (P,) float64 Euclidean distances ε of their features, ascending.
    """

    first: Tensor
    second: Tensor
    distances: Tensor

    def __len__(self) -> int:
        return len(self.first)

    def at(self, places: Tensor) -> Pairs:
        """Returns the pairs at some ascending places."""
        return Pairs(first=self.first[places], second=self.second[places], distances=self.distances[places])


def sample_pairs(features: Tensor, labels: Tensor, kind: Kind, *, count: int, generator: torch.Generator) -> Pairs:
    """Draws pairs, and takes half of them at even quantiles and half at even steps of the distance.

    Quantiles alone would leave the sparse ends of the range to a few pairs. Sixteen times `count` are drawn at random
    first; memory grows with `count`, never with the square of N.

    Args:
        features: (N, D).
        labels: (N,) int64, at least 0.
        kind: Which pairs.
        count: Most pairs that are taken; those at the same place of the order count once, so that there may be fewer.
        generator: A CPU generator.

    Returns:
        The pairs; none where the data has none of the kind.
    """
    first = torch.randint(len(labels), (_DRAWN_FOR_EACH * count,), generator=generator)
    if kind == "same class":
        second = _classmates(first, labels, generator)
    else:
        second = torch.randint(len(labels), (len(first),), generator=generator)
    fits = first != second
    if kind == "other class":
        fits &= labels[first] != labels[second]
    first, second = first[fits], second[fits]
    distances, order = pair_distances(features, first, second).sort()
    drawn = Pairs(first=first[order], second=second[order], distances=distances)
    return drawn if len(drawn) <= count else drawn.at(_spread(distances, count))


def _classmates(first: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
    """Draws a sample of the same class for each, which may be the sample itself."""
    members = class_members(labels, int(labels.max()) + 1)
    sizes = torch.tensor([len(own) for own in members])
    starts = sizes.cumsum(0) - sizes
    own = labels[first]
    places = (torch.rand(len(first), generator=generator, dtype=torch.float64) * sizes[own]).long()
    return torch.cat(members)[starts[own] + places.minimum(sizes[own] - 1)]


def _spread(distances: Tensor, count: int) -> Tensor:
    """Returns ascending places in (M,) ascending distances: half at even ranks, half at even steps."""
    ranks = torch.linspace(0, len(distances) - 1, count - count // 2).round().long()
    low, high = float(distances[0]), float(distances[-1])
    steps = torch.linspace(low, high, count // 2, dtype=distances.dtype)
    at_steps = torch.searchsorted(distances, steps).clamp_max(len(distances) - 1)
    places = torch.zeros(len(distances), dtype=torch.bool)
    places[torch.cat([ranks, at_steps])] = True
    return places.nonzero()[:, 0]


def pair_distances(features: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """Returns the (P,) float64 distances of pairs of rows of (N, D) features, exact for near duplicates too."""
    rows = max(1, _TILE_ELEMENTS // max(1, features.shape[1]))
    tiles = zip(torch.split(first, rows), torch.split(second, rows), strict=True)
    return torch.cat([(features[a].double() - features[b].double()).norm(dim=1) for a, b in tiles])
