"""Augmentation of whole batches on the device, with a draw of its own for each image.

Inside, a batch is a tensor (B, H, W * C): in this order, which is channels last, moves and masks run over long
contiguous rows, several times as fast on a CPU as over three interleaved channels.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from rlsel.checks import int_at_least, positive_int


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """What a training batch goes through, in this order; the zero of each is off.

    Attributes:
        crop_padding: Pixels of padding on each side before a random crop of the original size.
        flip: Whether half of the images are mirrored left to right.
        cutout: Side of a square that is set to the mean, at a random place (DeVries & Taylor, 2017).
        crop: Side of a random crop from a larger image; None for crops of the image's own size.
    """

    crop_padding: int = 0
    flip: bool = False
    cutout: int = 0
    crop: int | None = None

    def __post_init__(self) -> None:
        int_at_least("augmentation.crop_padding", self.crop_padding, 0)
        int_at_least("augmentation.cutout", self.cutout, 0)
        if self.crop is not None:
            positive_int("augmentation.crop", self.crop)


def augment(
    images: Tensor,
    settings: Augmentation,
    generator: torch.Generator,
    *,
    rows: slice | None = None,
    of: int | None = None,
) -> Tensor:
    """Augments a batch, with independent draws for each image.

    The same five numbers are drawn for an image whatever is switched on, so that the crops of a run with cutout are
    those of the run without.

    Args:
        images: (B, C, H, W) float, normalised: zero is the mean of the data set, and what is padded or cut out.
        settings: What is done.
        generator: A CPU generator; the images may be on any device.
        rows: Which of a larger batch the images are: they are changed as they would be among all. None for all.
        of: The size of that batch.

    Returns:
        (B, C, H', W') where H' and W' are `settings.crop`, or H and W without it; channels last in memory. The input
        is not changed.
    """
    count, channels, height, width = images.shape
    draws = torch.rand(5, count if of is None else of, generator=generator, dtype=torch.float64)
    if rows is not None:
        draws = draws[:, rows]
    pixels = images.permute(0, 2, 3, 1).reshape(count, height, width * channels)
    if settings.crop_padding or settings.flip or settings.crop is not None:
        pixels = _crop_and_flip(pixels, channels, settings, draws[:3])
    if settings.cutout:
        pixels = _cut_out(pixels, channels, settings.cutout, draws[3:])
    return pixels.view(count, pixels.shape[1], -1, channels).permute(0, 3, 1, 2)


def _crop_and_flip(rows: Tensor, channels: int, settings: Augmentation, draws: Tensor) -> Tensor:
    """Takes one window of each image, which zeros surround; (3, B) draws place it and decide whether it is mirrored."""
    padding, side = settings.crop_padding, settings.crop
    height, width = (side, side) if side is not None else (rows.shape[1], rows.shape[2] // channels)
    if padding:
        rows = F.pad(rows, [padding * channels, padding * channels, padding, padding])
    padded_height, padded_width = rows.shape[1], rows.shape[2] // channels
    if height > padded_height or width > padded_width:
        raise ValueError(f"a crop of {height} x {width} does not fit into {padded_height} x {padded_width} pixels")
    top = (draws[0] * (padded_height - height + 1)).long().to(rows.device)
    left = (draws[1] * (padded_width - width + 1)).long().to(rows.device)
    mirrored = (draws[2] < (0.5 if settings.flip else 0.0)).to(rows.device)

    columns = torch.arange(width, device=rows.device)
    columns = left[:, None] + torch.where(mirrored[:, None], columns.flip(0), columns)
    across = (columns[:, :, None] * channels + torch.arange(channels, device=rows.device)).flatten(1)
    down = (top[:, None] + torch.arange(height, device=rows.device)) * rows.shape[2]
    places = down[:, :, None] + across[:, None, :]
    return rows.flatten(1).gather(1, places.flatten(1)).view(places.shape)


def _cut_out(rows: Tensor, channels: int, side: int, draws: Tensor) -> Tensor:
    """Sets a square to zero whose centre lies anywhere in the image, so that the border may cut the square off."""
    height, width = rows.shape[1], rows.shape[2] // channels
    inside: list[Tensor] = []
    for draw, length in zip(draws, (height, width), strict=True):
        first = (draw * length).long() - side // 2
        offset = torch.arange(length) - first[:, None]
        inside.append(((offset >= 0) & (offset < side)).to(rows.device, rows.dtype))
    columns = inside[1].repeat_interleave(channels, dim=1)
    kept = (inside[0][:, :, None] * columns[:, None, :]).neg_().add_(1)
    return kept.mul_(rows)
