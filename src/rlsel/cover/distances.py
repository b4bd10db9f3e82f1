"""Distances between two sets of features, as a matrix product gives them."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

TILE_ELEMENTS = 4_000_000
"""Of one block of distances: 16 MB."""


def pairwise_distances(rows: Tensor, columns: Tensor, distance: Literal["euclidean", "cosine"] = "euclidean") -> Tensor:
    """Returns the (R, S) distances between (R, D) and (S, D) features.

    Args:
        rows: (R, D) features.
        columns: (S, D) features.
        distance: `euclidean`, or `cosine` for one minus the cosine similarity (in [0, 2]; a zero vector is at
            distance one from everything).
    """
    if distance == "cosine":
        unit_rows, unit_columns = torch.nn.functional.normalize(rows), torch.nn.functional.normalize(columns)
        return (1 - unit_rows @ unit_columns.T).clamp_min_(0)
    # squares through a matrix product, exact to about 1e-3 of the feature scale for near duplicates in float32
    return torch.cdist(rows, columns, compute_mode="use_mm_for_euclid_dist")
