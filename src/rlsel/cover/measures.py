"""Measures of redundancy beside E_c, for the ablation (RL-Selector, "ε-sample cover vs. other metrics").

All are high where a sample is not redundant, look at one class at a time, and are computed in tiles of bounded size.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from rlsel.checks import refuse
from rlsel.cover.coverage import class_members, coverage, distance_tiles
from rlsel.cover.distances import pairwise_distances
from rlsel.cover.landmarks import EXACT_UP_TO
from rlsel.cover.neighbours import nearest_neighbours_by_class
from rlsel.cover.settings import CoverSettings
from rlsel.processes import ALONE, Processes

_BANDWIDTH_SAMPLES = 1000
"""Samples of a class between which the median distance is measured; it changes little with more."""


def measure_redundancy(
    features: Tensor,
    labels: Tensor,
    settings: CoverSettings,
    *,
    num_classes: int,
    processes: Processes = ALONE,
) -> Tensor:
    """Measures how little redundant every sample is, in the way that the settings name.

    Args:
        features: (N, D).
        labels: (N,) int64 in [0, `num_classes`).
        settings: The measure and the distance.
        num_classes: C.
        processes: Share the distances of E_c; of other measures each computes all.

    Returns:
        (N,) float32 on the device of the features, high = not redundant; 0 for the only sample of a class.
    """
    match settings.measure:
        case "knn":
            return neighbour_distance(
                features, labels, settings.neighbours, num_classes=num_classes, distance=settings.distance
            )
        case "prototype":
            return prototype_distance(features, labels, num_classes=num_classes, distance=settings.distance)
        case "density":
            return negative_log_density(features, labels, num_classes=num_classes, distance=settings.distance)
        case "cover":
            return coverage(
                features,
                labels,
                num_classes=num_classes,
                distance=settings.distance,
                reduction=settings.reduction,
                processes=processes,
            )


def neighbour_distance(
    features: Tensor,
    labels: Tensor,
    k: int,
    *,
    num_classes: int,
    distance: Literal["euclidean", "cosine"] = "euclidean",
) -> Tensor:
    """Returns the mean distance of every sample to the k nearest others of its class, or to all where there are fewer.

    Args:
        features: (N, D).
        labels: (N,) int64 in [0, `num_classes`).
        k: At least 1.
        num_classes: C.
        distance: See `pairwise_distances`.

    Returns:
        (N,) float32; 0 for the only sample of a class.
    """
    distances = nearest_neighbours_by_class(features, labels, k, num_classes=num_classes, distance=distance).distances
    there = torch.isfinite(distances)
    sums = torch.where(there, distances, 0.0).sum(dim=1)
    return (sums / there.sum(dim=1).clamp_min(1)).float()


def prototype_distance(
    features: Tensor,
    labels: Tensor,
    *,
    num_classes: int,
    distance: Literal["euclidean", "cosine"] = "euclidean",
) -> Tensor:
    """Returns the distance of every sample to the mean of its class.

    Args:
        features: (N, D).
        labels: (N,) int64 in [0, `num_classes`).
        num_classes: C.
        distance: See `pairwise_distances`.

    Returns:
        (N,) float32; 0 for the only sample of a class.
    """
    result = torch.zeros(len(features), dtype=torch.float32, device=features.device)
    for members in class_members(labels, num_classes):
        if len(members) < 2:
            continue
        members = members.to(features.device)
        own = features[members]
        centre = own.mean(dim=0, keepdim=True)
        if distance == "euclidean":
            result[members] = (own - centre).norm(dim=1).float()
        else:
            result[members] = pairwise_distances(own, centre, distance)[:, 0].float()
    return result


def negative_log_density(
    features: Tensor,
    labels: Tensor,
    *,
    num_classes: int,
    distance: Literal["euclidean", "cosine"] = "euclidean",
) -> Tensor:
    """Returns minus the logarithm of the mean Gaussian kernel between every sample and the others of its class.

    The kernel of a distance d is exp(-d² / 2h²); h is the median distance within the class, between up to a thousand
    of its samples at even steps.

    Args:
        features: (N, D).
        labels: (N,) int64 in [0, `num_classes`).
        num_classes: C.
        distance: See `pairwise_distances`.

    Returns:
        (N,) float32; 0 for the only sample of a class, and where the median distance is 0.

    Raises:
        ConfigurationError: for a class above `EXACT_UP_TO` samples.
    """
    result = torch.zeros(len(features), dtype=torch.float32, device=features.device)
    for members in class_members(labels, num_classes):
        if len(members) > EXACT_UP_TO:
            allowed = f"cover, knn or prototype for a class above {EXACT_UP_TO} samples"
            raise refuse("cover.measure", allowed, "density", f"it would take all pairs of {len(members)}")
        members = members.to(features.device)
        own = features[members]
        bandwidth = _median_distance(own, distance)
        if bandwidth <= 0:
            continue
        for tile, distances in distance_tiles(own, distance):
            exponents = distances.square_().div_(-2 * bandwidth**2)
            rows = torch.arange(len(exponents), device=features.device)
            exponents[rows, rows + tile.start] = -math.inf
            mean = exponents.logsumexp(dim=1) - math.log(len(members) - 1)
            result[members[tile]] = -mean.float()
    return result


def _median_distance(features: Tensor, distance: Literal["euclidean", "cosine"]) -> float:
    """Returns the median distance between two samples of a class; 0 for fewer than two."""
    chosen = features[:: math.ceil(max(1, len(features)) / _BANDWIDTH_SAMPLES)]
    if len(chosen) < 2:
        return 0.0
    distances = torch.cat([tile for _, tile in distance_tiles(chosen, distance)])
    above = torch.triu_indices(len(chosen), len(chosen), offset=1, device=features.device)
    return float(distances[above[0], above[1]].median())
