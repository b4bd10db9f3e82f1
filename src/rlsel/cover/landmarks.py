"""E_c of a large class without its n² distances: the mean distance to landmarks, drawn from the class at random.

The other samples of a class are a population, and landmarks are drawn from it without replacement. For a sample with
distances d to the n − 1 others, the mean over m landmarks is therefore an unbiased estimate of E_c, whose variance is
(1/m) (1 − m / (n − 1)) times the variance of d (Cochran, *Sampling Techniques*, section 2.6). For a landmark, the other
m − 1 are such a draw. All samples of a class are measured at the same landmarks, so that most of the error is common to
all and changes no order.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor

from rlsel.cover.distances import TILE_ELEMENTS, pairwise_distances
from rlsel.randomness import torch_generator

EXACT_UP_TO = 50_000
"""Samples of the largest class whose E_c is exact."""

LANDMARKS = 4096
"""Landmarks of a larger class: the standard error is 1/64 of the standard deviation of a sample's distances."""


class Estimate(NamedTuple):
    """The mean distance of each sample to the others of its class, estimated; each (n,) float32.

    Attributes:
        mean: The estimate.
        standard_error: Its standard error.
    """

    mean: Tensor
    standard_error: Tensor


def landmark_coverage(
    features: Tensor,
    landmarks: int = LANDMARKS,
    *,
    distance: Literal["euclidean", "cosine"] = "euclidean",
    seed: int = 0,
) -> Estimate:
    """Estimates E_c, as the mean distance to the others, of the samples of one class.

    Args:
        features: (n, D) of the class, n at least 3.
        landmarks: m, from 2 to n − 1; the work is n · m · D, and no array has more than n numbers but the tiles.
        distance: See `rlsel.cover.distances.pairwise_distances`.
        seed: Draws the landmarks; the same ones for as many samples.
    """
    size = len(features)
    chosen = torch.randperm(size, generator=torch_generator(seed, "cover", "landmarks"))[:landmarks].sort().values
    centre = features[chosen].mean(dim=0) if distance == "euclidean" else torch.zeros_like(features[0])
    columns = features[chosen.to(features.device)] - centre
    others = torch.full((size,), float(landmarks), device=features.device)
    others[chosen] -= 1
    sums, squares = torch.zeros_like(others), torch.zeros_like(others)
    rows = max(1, TILE_ELEMENTS // landmarks)
    for start in range(0, size, rows):
        tile = slice(start, min(start + rows, size))
        distances = pairwise_distances(features[tile] - centre, columns, distance)
        own = torch.nonzero((chosen >= tile.start) & (chosen < tile.stop)).flatten()
        distances[chosen[own] - start, own] = 0.0  # a landmark is no other sample of itself
        sums[tile] = distances.sum(dim=1).float()
        squares[tile] = distances.square_().sum(dim=1).float()
    mean = sums / others
    variance = ((squares - others * mean.square()) / (others - 1)).clamp_min(0)
    return Estimate(mean, (variance / others * (1 - others / (size - 1))).sqrt())


def landmarks_note(largest_class: int) -> str | None:
    """Says how exact E_c is, in a line for the user; None where it is exact.

    Args:
        largest_class: Samples of the largest class.
    """
    if largest_class <= EXACT_UP_TO:
        return None
    return (
        f"E_c of classes above {EXACT_UP_TO:,} samples is the mean distance to {LANDMARKS:,} of them: its standard "
        f"error is 1/{LANDMARKS**0.5:.0f} of the standard deviation of a sample's distances"
    )
