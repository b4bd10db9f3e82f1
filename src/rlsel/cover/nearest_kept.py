"""How well a selection covers what it drops: the nearest kept sample of the same class (RL-Selector, "ε-sample cover").

The smallest ε for which the kept samples ε-cover a dropped one is its distance to the nearest of them.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from rlsel.cover.coverage import class_members
from rlsel.cover.neighbours import nearest_neighbours


class NearestKept(NamedTuple):
    """The nearest kept sample of the same class, of each dropped one.

    Attributes:
        distances: (N,) of the features' dtype; NaN for a kept sample, infinite where the class has no kept sample.
        positions: (N,) int64; -1 where there is none.
    """

    distances: Tensor
    positions: Tensor


def nearest_kept(
    features: Tensor,
    labels: Tensor,
    kept: Tensor,
    *,
    num_classes: int,
    distance: Literal["euclidean", "cosine"] = "euclidean",
) -> NearestKept:
    """Finds what covers each dropped sample, class by class; see `nearest_neighbours` for the memory that it takes.

    Args:
        features: (N, D).
        labels: (N,) int64 in [0, `num_classes`).
        kept: (N,) bool.
        num_classes: C.
        distance: See `rlsel.cover.distances.pairwise_distances`.
    """
    distances = features.new_full((len(features),), math.nan)
    positions = torch.full((len(features),), -1, dtype=torch.int64, device=features.device)
    for members in class_members(labels, num_classes):
        members = members.to(features.device)
        inside = kept.to(features.device)[members]
        dropped, covering = members[~inside], members[inside]
        if not len(covering):
            distances[dropped] = math.inf
            continue
        found = nearest_neighbours(features[dropped], features[covering], 1, distance=distance)
        distances[dropped] = found.distances[:, 0]
        positions[dropped] = covering[found.indices[:, 0]]
    return NearestKept(distances, positions)
