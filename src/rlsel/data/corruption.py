"""Damage to images: noise, blur and occlusion, over whole batches."""

from __future__ import annotations

from enum import Enum

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor


class Damage(Enum):
    """What happens to an image."""

    NOISE = 0
    """Gaussian noise, as strong as the data set's own deviation."""
    BLUR = 1
    """Each pixel becomes the mean of a square a quarter as wide as the image."""
    OCCLUSION = 2
    """A square half as wide as the image becomes the data set's mean."""


def damage(images: Tensor, kind: Damage, *, mean: Tensor, std: Tensor, generator: torch.Generator) -> Tensor:
    """Damages images.

    Args:
        images: (B, C, H, W), uint8 or float32, on the CPU.
        kind: The same for all of them.
        mean: (C,) channel means in the images' own units.
        std: (C,) channel deviations in the images' own units.
        generator: A CPU generator; blur draws nothing.

    Returns:
        (B, C, H, W) of the same type; uint8 is rounded and kept in [0, 255].
    """
    values = images.to(torch.float32)
    if kind is Damage.NOISE:
        values = values + std[:, None, None] * torch.randn(values.shape, generator=generator)
    elif kind is Damage.BLUR:
        values = _blur(values)
    else:
        values = torch.where(_square(values, generator), mean[:, None, None], values)
    return values.round().clamp(0, 255).to(torch.uint8) if images.dtype == torch.uint8 else values


def _blur(values: Tensor) -> Tensor:
    """Averages over squares of odd side; the border repeats."""
    reach = max(1, min(values.shape[2:]) // 8)
    blurred: Tensor = F.avg_pool2d(F.pad(values, [reach] * 4, mode="replicate"), 2 * reach + 1, stride=1)
    return blurred


def _square(values: Tensor, generator: torch.Generator) -> Tensor:
    """Returns (B, 1, H, W) bool: a square for each image, anywhere inside it."""
    count, _, height, width = values.shape
    side = max(1, min(height, width) // 2)
    draws = torch.rand(2, count, generator=generator, dtype=torch.float64)
    inside: list[Tensor] = []
    for draw, length in zip(draws, (height, width), strict=True):
        offset = torch.arange(length) - (draw * (length - side + 1)).long()[:, None]
        inside.append((offset >= 0) & (offset < side))
    return inside[0][:, None, :, None] & inside[1][:, None, None, :]
