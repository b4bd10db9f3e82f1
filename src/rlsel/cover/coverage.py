"""The ε-sample cover (RL-Selector, section "ε-sample cover").

A sample x_i is ε-covered by x_j if both have the same class and their features are at most ε apart. The coverage of a
sample is E_c(x_ki) = Σ_j D_kij, the sum of its distances D to the samples of its class k: a small E_c means that many
samples are near, so that the sample is redundant.

    paper        here
    x̃_i          features[i], a penultimate feature of the target model
    D_kij        `pairwise_distances` within a class
    E_c          `coverage`
    ε            the argument `epsilon` of `cover_counts`; E_c itself needs none

Everything is computed in tiles of bounded size: no array grows with the square of a class. E_c of a class above 50,000
samples is estimated (`rlsel.cover.landmarks`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import torch
from torch import Tensor

from rlsel.cover.distances import TILE_ELEMENTS, pairwise_distances
from rlsel.cover.landmarks import EXACT_UP_TO, landmark_coverage
from rlsel.cover.sums import sums_of_distances
from rlsel.processes import ALONE, Processes


def class_members(labels: Tensor, num_classes: int) -> list[Tensor]:
    """Returns, for each class, the ascending positions of its samples."""
    order = torch.argsort(labels, stable=True)
    return list(torch.split(order, torch.bincount(labels, minlength=num_classes).tolist()))


def coverage(
    features: Tensor,
    labels: Tensor,
    *,
    num_classes: int,
    distance: Literal["euclidean", "cosine"] = "euclidean",
    reduction: Literal["mean", "sum"] = "mean",
    processes: Processes = ALONE,
) -> Tensor:
    """Computes E_c, the coverage of every sample by its class; an estimate for a class above `EXACT_UP_TO` samples.

    Args:
        features: (N, D).
        labels: (N,) int64 in [0, `num_classes`).
        num_classes: C.
        distance: See `pairwise_distances`.
        reduction: `sum` over the class as in the paper, or `mean` over the other samples of the class.
        processes: Share the distances; the rounding of the sums depends on how many they are.

    Returns:
        (N,) float32 on the device of the features; 0 for the only sample of a class.
    """
    result = torch.zeros(len(features), dtype=torch.float32, device=features.device)
    for turn, members in enumerate(class_members(labels, num_classes)):
        members = members.to(features.device)
        # the first block of each class in turn: small classes have no other, and an estimate has one piece
        own = (processes.rank - turn) % processes.size
        if len(members) > EXACT_UP_TO:
            if own == 0:
                result[members] = landmark_coverage(features[members], distance=distance).mean * (len(members) - 1)
            continue
        result[members] = sums_of_distances(features, members, distance, every=(own, processes.size)).float()
    result = processes.sum(result)
    for members in class_members(labels, num_classes):
        if reduction == "mean" and len(members) > 1:
            result[members] /= len(members) - 1
    return result


def cover_counts(
    features: Tensor,
    labels: Tensor,
    epsilon: float,
    *,
    num_classes: int,
    distance: Literal["euclidean", "cosine"] = "euclidean",
) -> Tensor:
    """Counts by how many other samples of its class each sample is ε-covered.

    Args:
        features: (N, D).
        labels: (N,) int64 in [0, `num_classes`).
        epsilon: The largest distance at which one sample covers another; at least 0.
        num_classes: C.
        distance: See `pairwise_distances`.

    Returns:
        (N,) int64.
    """
    result = torch.zeros(len(features), dtype=torch.int64, device=features.device)
    for members in class_members(labels, num_classes):
        members = members.to(features.device)
        for tile, distances in distance_tiles(features[members], distance):
            result[members[tile]] = (distances <= epsilon).sum(dim=1)
    return result - 1 if epsilon >= 0 else result


def distance_tiles(
    features: Tensor,
    distance: Literal["euclidean", "cosine"],
) -> Iterator[tuple[slice, Tensor]]:
    """Yields row slices of the distance matrix of one class, with an exact zero between a sample and itself.

    Args:
        features: (n, D) of the class.
        distance: See `pairwise_distances`.
    """
    if distance == "euclidean" and len(features):
        features = features - features.mean(dim=0)  # the rounding of matrix products grows with the distance from zero
    size = len(features)
    rows = max(1, TILE_ELEMENTS // max(1, size))
    for start in range(0, size, rows):
        tile = slice(start, min(start + rows, size))
        distances = pairwise_distances(features[tile], features, distance)
        own = torch.arange(tile.stop - tile.start, device=features.device)
        distances[own, own + start] = 0.0
        yield tile, distances


def standardise_within_classes(values: Tensor, labels: Tensor, *, num_classes: int) -> Tensor:
    """Subtracts the mean and divides by the standard deviation of each sample's class.

    This takes the spread of the classes out of E_c, so that no class is dropped as a whole.

    Args:
        values: (N,).
        labels: (N,) int64 in [0, `num_classes`).
        num_classes: C.

    Returns:
        (N,) of the values' dtype; 0 where a class has no spread.
    """
    counts = torch.bincount(labels, minlength=num_classes).clamp_min(1).to(values.dtype)
    zeros = torch.zeros(num_classes, dtype=values.dtype, device=values.device)
    centred = values - (zeros.index_add(0, labels, values) / counts)[labels]
    deviation = (zeros.index_add(0, labels, centred**2) / counts).sqrt()[labels]
    floor = 1e-6 * values.abs().max().clamp_min(1e-12)
    return torch.where(deviation > floor, centred / deviation.clamp_min(floor), 0.0)
