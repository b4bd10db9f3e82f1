"""Clouds for images of fog: the diamond-square algorithm (Fournier, Fussell & Carpenter 1982), on a torus."""

from __future__ import annotations

import torch
from torch import Tensor


def plasma_fractal(count: int, side: int, decay: float, generator: torch.Generator) -> Tensor:
    """Draws height maps.

    Starting from a single point, a grid is refined until it is as fine as asked for: each new point is the mean of its
    four neighbours and a uniform draw, whose range shrinks by `decay` squared with each refinement, as in the code that
    made ImageNet-C.

    Args:
        count: Number of maps, B.
        side: Pixels of each side, at least 2.
        decay: Above 1; the larger, the smoother.
        generator: A CPU generator.

    Returns:
        (B, side, side) float32; each map goes from 0 to 1.
    """
    heights = torch.zeros(count, 1, 1)
    reach = 1.0
    while heights.shape[1] < side:
        size = heights.shape[1]
        draws = reach * (2 * torch.rand(3, count, size, size, generator=generator) - 1)
        below, right = heights.roll(-1, dims=1), heights.roll(-1, dims=2)
        centres = (heights + below + right + below.roll(-1, dims=2)) / 4 + draws[0]
        across = (heights + right + centres + centres.roll(1, dims=1)) / 4 + draws[1]
        down = (heights + below + centres + centres.roll(1, dims=2)) / 4 + draws[2]
        even, odd = torch.stack([heights, across], dim=3), torch.stack([down, centres], dim=3)
        heights = torch.stack([even.flatten(2), odd.flatten(2)], dim=2).view(count, 2 * size, 2 * size)
        reach /= decay**2
    low, high = heights.amin(dim=(1, 2), keepdim=True), heights.amax(dim=(1, 2), keepdim=True)
    return ((heights - low) / (high - low))[:, :side, :side]
