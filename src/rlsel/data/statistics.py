"""Channel means and standard deviations: known ones and computed ones."""

from __future__ import annotations

from typing import NamedTuple

import torch

from rlsel.data.dataset import ImageStore


class ChannelStatistics(NamedTuple):
    """What images are normalised with; of images scaled to [0, 1] where they are stored as bytes."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


FASHION_MNIST = ChannelStatistics((0.2860,), (0.3530,))
CIFAR10 = ChannelStatistics((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616))
CIFAR100 = ChannelStatistics((0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762))
IMAGENET = ChannelStatistics((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def channel_statistics(images: ImageStore, *, at_most: int | None = None) -> ChannelStatistics:
    """Computes the mean and standard deviation of each channel over all pixels.

    Args:
        images: At least one image.
        at_most: Looks at no more than so many images, evenly spread; None looks at all.

    Returns:
        The statistics; a channel that never changes gets the deviation 1, so that it can be divided by.
    """
    count = len(images) if at_most is None else min(at_most, len(images))
    positions = torch.arange(count) * len(images) // count
    total = torch.zeros(images.shape[0], dtype=torch.float64)
    squares = torch.zeros_like(total)
    largest = 1.0
    for batch in images.batches(torch.split(positions, 256)):
        largest = 1.0 if batch.is_floating_point() else 255.0
        values = batch.to(torch.float64)
        total += values.sum(dim=(0, 2, 3))
        squares += values.square().sum(dim=(0, 2, 3))
    pixels = count * images.shape[1] * images.shape[2]
    mean = total / pixels
    std = (squares / pixels - mean.square()).clamp(min=0).sqrt()
    # Far below this share of the mean, the difference of the two sums is rounding error.
    std[std <= 1e-6 * mean.abs()] = largest
    return ChannelStatistics(tuple((mean / largest).tolist()), tuple((std / largest).tolist()))
