"""Near-duplicates: samples that lie much closer together than their surroundings would put them.

The ε of the ε-sample cover (RL-Selector, section "ε-sample cover") is local here. The distance to the tenth neighbour
says how densely a sample's surroundings are filled; how often two different samples lie within a share t of it depends
on the dimension m that the features fill: of ten neighbours that are spread evenly, each of the nine nearer ones does
with the probability t^m. The share t is the one at which this happens to one sample in 200, at most one half, and m is
measured from the distances themselves (after Levina & Bickel, NIPS 2004).

On 5,000 images of Fashion-MNIST, 0.4 % of the samples have such a neighbour; of copies with some noise all are found,
of darker copies 96 %, of copies that are shifted by a pixel 18 %.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from rlsel.cover.coverage import class_members
from rlsel.cover.neighbours import Neighbours, Rows, nearest_neighbours_by_class

_NEIGHBOURS = 10
"""Neighbours whose distance is the scale of a sample's surroundings: more than most groups of copies have members."""

_MIDDLE = 5
"""The nearer of the two neighbours whose distances tell the dimension."""

_CHANCE = 0.005
"""Share of the samples of evenly filled surroundings that have a neighbour which counts as a near-duplicate."""

_NEAREST = 0.5
"""Share of the scale beyond which two samples are no near-duplicates, whatever the dimension."""

_LEAST_SCALE = 0.5
"""Share of the median scale of the class below which no scale counts: a large group of copies is its own surroundings.
"""


def near_duplicate_groups(
    features: Rows,
    labels: Tensor,
    *,
    num_classes: int,
    distance: Literal["euclidean", "cosine"] = "euclidean",
) -> Tensor:
    """Finds the groups of samples of a class that are near-duplicates of one another.

    Two samples belong together if their distance is at most the share t (see the module) of the smaller of their two
    scales, or if they are connected by samples that do. The scale of a sample is the distance to its tenth neighbour in
    the class, at least half of the median scale of the class. More than half of a class of four or more makes no group.

    Args:
        features: (N, D).
        labels: (N,) int64 in [0, `num_classes`).
        num_classes: C.
        distance: See `rlsel.cover.distances.pairwise_distances`.

    Returns:
        (N,) int64 on the CPU: the lowest position in the sample's group, its own where it is alone.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    size = len(features)
    near = nearest_neighbours_by_class(features, labels, _NEIGHBOURS, num_classes=num_classes, distance=distance)
    scale = _scale(near, labels, num_classes)
    other = near.indices
    share = near_share(dimension(near.distances))
    together = near.distances <= share * torch.minimum(scale[:, None], scale[other])
    first, place = together.nonzero(as_tuple=True)
    second = other[first, place]
    # SciPy 1.11 finds the components of a graph whose nodes are numbered by 32 bits only
    ends = (first.int().cpu().numpy(), second.int().cpu().numpy())
    edges = coo_array((np.ones(len(first), dtype=bool), ends), shape=(size, size))
    component = torch.from_numpy(connected_components(edges, directed=False)[1]).long()
    positions = torch.arange(size)
    lowest = torch.full((size,), size).scatter_reduce(0, component, positions, reduce="amin")[component]
    # what most of a class is like is the class, as where its features are all the same
    in_group, in_class = component.bincount()[component], labels.cpu().bincount(minlength=num_classes)[labels.cpu()]
    return torch.where(2 * in_group > in_class.clamp_min(4), positions, lowest)


def dimension(distances: Tensor) -> float:
    """Estimates the dimension m that features fill, as the median over the samples.

    The logarithm of the ratio of the tenth distance to the fifth has the mean (1/5 + ... + 1/9) / m. The nearer ones
    are left out: where each sample has a copy, they say nothing about the dimension.

    Args:
        distances: (N, 10) from each sample to its ten nearest neighbours, ascending; infinite where there are none.

    Returns:
        The estimate, 0 where no sample has ten neighbours, or half of its ten are equal to it.
    """
    middle, last = distances[:, _MIDDLE - 1].double(), distances[:, -1].double()
    known = (middle > 0) & last.isfinite()
    if not known.any():
        return 0.0
    logarithm = (last[known] / middle[known]).log().median()
    return sum(1 / rank for rank in range(_MIDDLE, _NEIGHBOURS)) / max(float(logarithm), 1e-6)


def near_share(dimension: float) -> float:
    """Returns the share of its scale within which a neighbour of a sample is a near-duplicate, in [0, ½]."""
    if dimension == 0:
        return 0.0
    return min(_NEAREST, math.pow(_CHANCE / (_NEIGHBOURS - 1), 1 / dimension))


def _scale(near: Neighbours, labels: Tensor, num_classes: int) -> Tensor:
    """Returns the (N,) scales; 0 in a class that has no tenth neighbour, where only equal samples belong together."""
    farthest = near.distances[:, -1]
    scale = torch.where(farthest.isfinite(), farthest, torch.zeros_like(farthest))
    for members in class_members(labels.to(scale.device), num_classes):
        if len(members):
            scale[members] = scale[members].clamp_min(_LEAST_SCALE * float(scale[members].median()))
    return scale
