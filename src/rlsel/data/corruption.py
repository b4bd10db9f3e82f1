"""What spoils images, over whole batches: the damage of training images, and the corruptions of test images.

The corruptions are those of Hendrycks & Dietterich (2019) that need neither a photograph of frost nor a library of
graphics. Their strengths are the published ones of CIFAR-10-C, Tiny-ImageNet-C or ImageNet-C, whichever was made for
images of about the same size.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from rlsel.data.plasma_fractal import plasma_fractal


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
        values = _with_noise(values, std[:, None, None], generator)
    elif kind is Damage.BLUR:
        values = _blur(values)
    else:
        values = torch.where(_square(values, generator), mean[:, None, None], values)
    return _as_stored(values, images)


def _with_noise(values: Tensor, deviation: Tensor | float, generator: torch.Generator) -> Tensor:
    return values + deviation * torch.randn(values.shape, generator=generator)


def _as_stored(values: Tensor, images: Tensor) -> Tensor:
    """Returns float values in the type of the images that they were made from."""
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


SEVERITIES = (1, 2, 3, 4, 5)

Strength = tuple[float, ...]
"""The parameters of a corruption at one severity."""


def corrupt(
    images: Tensor, kind: str, severity: int, *, value_range: tuple[float, float], generator: torch.Generator
) -> Tensor:
    """Corrupts images.

    Args:
        images: (B, C, H, W), uint8 or float32, on the CPU, at least 2 x 2 pixels.
        kind: One of `KINDS`.
        severity: One of `SEVERITIES`.
        value_range: What black and white are in the images' own units; nothing leaves this range.
        generator: A CPU generator; only the kinds of noise, the motion blur and the fog draw.

    Returns:
        (B, C, H, W) of the same type; uint8 is rounded.
    """
    low, high = value_range
    form = KINDS[kind]
    strength = form.strengths(min(images.shape[2:]))[severity - 1]
    values = form.apply((images.to(torch.float32) - low) / (high - low), strength, generator)
    return _as_stored(values.clamp(0, 1) * (high - low) + low, images)


def _gaussian_noise(values: Tensor, strength: Strength, generator: torch.Generator) -> Tensor:
    return _with_noise(values, strength[0], generator)


def _shot_noise(values: Tensor, strength: Strength, generator: torch.Generator) -> Tensor:
    """Counts photons: white sends `strength` of them."""
    (photons,) = strength
    return torch.poisson(values.clamp(min=0) * photons, generator=generator) / photons


def _impulse_noise(values: Tensor, strength: Strength, generator: torch.Generator) -> Tensor:
    """Turns a share of the values black or white, each half of it."""
    (share,) = strength
    draws = torch.rand(values.shape, generator=generator)
    return values.masked_fill(draws < share / 2, 0.0).masked_fill(draws >= 1 - share / 2, 1.0)


def _gaussian_blur(values: Tensor, strength: Strength, _generator: torch.Generator) -> Tensor:
    (deviation,) = strength
    weights = _bell(math.floor(4 * deviation + 0.5), deviation)
    return _filtered(_filtered(values, weights[None, :]), weights[:, None])


def _defocus_blur(values: Tensor, strength: Strength, _generator: torch.Generator) -> Tensor:
    """Spreads each pixel over a disk whose edge is softened."""
    radius, softness = strength
    edge = _bell(1 if radius <= 8 else 2, softness)
    reach = math.floor(radius) + len(edge) // 2
    offsets = torch.arange(-reach, reach + 1)
    disk = (offsets[:, None].square() + offsets[None, :].square() <= radius**2).float()[None, None]
    soft = F.conv2d(disk, edge[:, None] * edge[None, :][None, None], padding="same")[0, 0]
    return _filtered(values, soft / soft.sum())


def _motion_blur(values: Tensor, strength: Strength, generator: torch.Generator) -> Tensor:
    """Drags each image along a direction of its own, up to 45 degrees from the horizontal, ever fainter."""
    radius, deviation = strength
    angles = (torch.rand(len(values), generator=generator, dtype=torch.float64) - 0.5) * (math.pi / 2)
    # what is more than four deviations away weighs less than a level of 8 bits
    reach = min(2 * int(radius), math.ceil(4 * deviation))
    weights = _half_bell(reach + 1, deviation)
    distances, offsets = torch.arange(reach + 1), torch.arange(-reach, reach + 1)
    # a point between pixels belongs to its neighbours in proportion, on both axes
    down, across = (
        (1 - (part[:, None, None] * distances[:, None] - offsets).abs()).clamp(min=0).float()
        for part in (angles.sin(), angles.cos())
    )
    kernels = torch.einsum("t,bty,btx->byx", weights, down, across)[:, :, reach:]  # nothing lies to the left
    padded = F.pad(values, [0, reach, reach, reach], mode="replicate")
    return F.conv2d(padded.transpose(0, 1), kernels[:, None], groups=len(values)).transpose(0, 1)


def _fog(values: Tensor, strength: Strength, generator: torch.Generator) -> Tensor:
    """Lays clouds over each image, and scales it back so that white stays where it was."""
    thickness, decay = strength
    height, width = values.shape[2:]
    clouds = plasma_fractal(len(values), max(height, width), decay, generator)[:, None, :height, :width]
    brightest = values.amax(dim=(1, 2, 3), keepdim=True)
    return (values + thickness * clouds) * brightest / (brightest + thickness)


def _brightness(values: Tensor, strength: Strength, _generator: torch.Generator) -> Tensor:
    """Raises the largest channel, the value of the HSV cone, and keeps hue and saturation."""
    largest = values.amax(dim=1, keepdim=True)
    raised = (largest + strength[0]).clamp(max=1)
    return torch.where(largest > 0, values * raised / largest.clamp(min=1e-12), raised)


def _contrast(values: Tensor, strength: Strength, _generator: torch.Generator) -> Tensor:
    """Draws each channel of an image towards its mean."""
    mean = values.mean(dim=(2, 3), keepdim=True)
    return mean + strength[0] * (values - mean)


def _pixelate(values: Tensor, strength: Strength, _generator: torch.Generator) -> Tensor:
    """Makes fewer pixels of each image, each the mean of a block, and the old number of them again."""
    down, across = (_coarse(side, strength[0]) for side in values.shape[2:])
    return down @ values @ across.T


def _jpeg_compression(values: Tensor, strength: Strength, _generator: torch.Generator) -> Tensor:
    """Writes and reads each image as JPEG; one that is neither gray nor RGB channel by channel."""
    levels = (values.clamp(0, 1) * 255).round().to(torch.uint8)
    # (pictures, H, W, channels) for RGB, (pictures, H, W) for gray
    pictures = levels.permute(0, 2, 3, 1).contiguous() if levels.shape[1] == 3 else levels.flatten(0, 1)
    read = torch.stack([_through_jpeg(picture, int(strength[0])) for picture in pictures]) / 255
    return read.permute(0, 3, 1, 2) if levels.shape[1] == 3 else read.view(values.shape)


def _through_jpeg(picture: Tensor, quality: int) -> Tensor:
    """Returns a (H, W) or (H, W, 3) uint8 picture as JPEG keeps it."""
    from PIL import Image

    with io.BytesIO() as file:
        Image.fromarray(picture.numpy()).save(file, "JPEG", quality=quality)
        with Image.open(file) as image:
            return torch.from_numpy(np.array(image))


def _coarse(side: int, share: float) -> Tensor:
    """Returns the (side, side) matrix that gives each pixel of a line the mean of its block."""
    blocks = max(1, int(side * share))
    edges = (torch.arange(blocks + 1, dtype=torch.float64) * side / blocks + 0.5).long()
    block_of = torch.searchsorted(edges, torch.arange(side), right=True) - 1
    means = F.one_hot(block_of, blocks).float()
    means = means / means.sum(dim=0)
    nearest = ((torch.arange(side, dtype=torch.float64) + 0.5) * blocks / side).long()
    return means.T[nearest]


def _bell(reach: int, deviation: float) -> Tensor:
    """Returns the (2 * reach + 1,) weights of a Gaussian, whose sum is 1."""
    half = _half_bell(reach + 1, deviation)
    weights = torch.cat([half.flip(0), half[1:]])
    return weights / weights.sum()


def _half_bell(count: int, deviation: float) -> Tensor:
    """Returns the (count,) weights of a Gaussian from its peak on, whose sum is 1."""
    weights = torch.exp(-torch.arange(count, dtype=torch.float64).square() / (2 * deviation**2))
    return (weights / weights.sum()).float()


def _filtered(values: Tensor, weights: Tensor) -> Tensor:
    """Takes weighted means around each pixel, with (h, w) weights of odd sides; the border repeats."""
    count, channels, height, width = values.shape
    down, across = weights.shape[0] // 2, weights.shape[1] // 2
    padded = F.pad(values.reshape(-1, 1, height, width), [across, across, down, down], mode="replicate")
    return F.conv2d(padded, weights[None, None]).view(count, channels, height, width)


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A corruption.

    Attributes:
        apply: Gives the corrupted (B, C, H, W) values, which may leave [0, 1], of values in [0, 1].
        small: Its strengths for images below 48 pixels, those of CIFAR-10-C, made for 32.
        medium: Below 128 pixels, those of Tiny-ImageNet-C, made for 64.
        large: From 128 pixels on, those of ImageNet-C, made for 224.
    """

    apply: Callable[[Tensor, Strength, torch.Generator], Tensor]
    small: tuple[Strength, ...]
    medium: tuple[Strength, ...]
    large: tuple[Strength, ...]

    def strengths(self, side: int) -> tuple[Strength, ...]:
        """Returns the strengths of the five severities for images whose shorter side has so many pixels."""
        return self.small if side < 48 else self.medium if side < 128 else self.large


def _each(*values: float) -> tuple[Strength, ...]:
    return tuple((value,) for value in values)


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "gaussian_noise": Kind(
            apply=_gaussian_noise,
            small=_each(0.04, 0.06, 0.08, 0.09, 0.1),
            medium=_each(0.04, 0.08, 0.12, 0.15, 0.18),
            large=_each(0.08, 0.12, 0.18, 0.26, 0.38),
        ),
        "shot_noise": Kind(
            apply=_shot_noise,
            small=_each(500, 250, 100, 75, 50),
            medium=_each(250, 100, 50, 30, 15),
            large=_each(60, 25, 12, 5, 3),
        ),
        "impulse_noise": Kind(
            apply=_impulse_noise,
            small=_each(0.01, 0.02, 0.03, 0.05, 0.07),
            medium=_each(0.01, 0.02, 0.05, 0.08, 0.14),
            large=_each(0.03, 0.06, 0.09, 0.17, 0.27),
        ),
        "gaussian_blur": Kind(
            apply=_gaussian_blur,
            small=_each(0.4, 0.6, 0.7, 0.8, 1),
            medium=_each(0.5, 0.75, 1, 1.25, 1.5),
            large=_each(1, 2, 3, 4, 6),
        ),
        "defocus_blur": Kind(
            apply=_defocus_blur,
            small=((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1)),
            medium=((0.5, 0.6), (1, 0.1), (1.5, 0.1), (2.5, 0.01), (3, 0.1)),
            large=((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5)),
        ),
        "motion_blur": Kind(
            apply=_motion_blur,
            small=((6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5)),
            medium=((10, 1), (10, 1.5), (10, 2), (10, 2.5), (12, 3)),
            large=((10, 3), (15, 5), (15, 8), (15, 12), (20, 15)),
        ),
        "fog": Kind(
            apply=_fog,
            small=((0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75)),
            medium=((0.4, 3), (0.7, 3), (1, 2.5), (1.5, 2), (2, 1.75)),
            large=((1.5, 2), (2, 2), (2.5, 1.7), (2.5, 1.5), (3, 1.4)),
        ),
        "brightness": Kind(
            apply=_brightness,
            small=_each(0.05, 0.1, 0.15, 0.2, 0.3),
            medium=_each(0.1, 0.2, 0.3, 0.4, 0.5),
            large=_each(0.1, 0.2, 0.3, 0.4, 0.5),
        ),
        "contrast": Kind(
            apply=_contrast,
            small=_each(0.75, 0.5, 0.4, 0.3, 0.15),
            medium=_each(0.4, 0.3, 0.2, 0.1, 0.05),
            large=_each(0.4, 0.3, 0.2, 0.1, 0.05),
        ),
        "pixelate": Kind(
            apply=_pixelate,
            small=_each(0.95, 0.9, 0.85, 0.75, 0.65),
            medium=_each(0.9, 0.8, 0.7, 0.6, 0.5),
            large=_each(0.6, 0.5, 0.4, 0.3, 0.25),
        ),
        "jpeg_compression": Kind(
            apply=_jpeg_compression,
            small=_each(80, 65, 58, 50, 40),
            medium=_each(65, 58, 50, 40, 25),
            large=_each(25, 18, 15, 10, 7),
        ),
    }
)
"""The corruptions by name."""
