"""Channel means and standard deviations: known ones and computed ones."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from rlsel.data.dataset import ImageStore
from rlsel.errors import DataError

_BATCH = 256
_COMPARED = 2048
"""Most images that are compared, to find out whether they are copies of each other."""


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
    positions = _spread(len(images), at_most)
    return _moments(images.batches(torch.split(positions, _BATCH))).usable()


def checked_statistics(images: ImageStore, dataset_name: str, *, at_most: int | None = None) -> ChannelStatistics:
    """Computes `channel_statistics` and checks that there is something to learn from; each image is read once.

    Args:
        images: At least one image.
        dataset_name: Name of the data set, for messages.
        at_most: Most images to look at, as in `channel_statistics`; no more than 2048 of these are compared.

    Raises:
        DataError: if no channel ever changes, or more than half of the images are identical.
    """
    positions = _spread(len(images), at_most)
    compared = torch.zeros(len(positions), dtype=torch.bool)
    compared[_spread(len(positions), _COMPARED)] = True
    copies: Counter[bytes] = Counter()

    def counting_copies() -> Iterator[Tensor]:
        batches = images.batches(torch.split(positions, _BATCH))
        for batch, chosen in zip(batches, torch.split(compared, _BATCH), strict=True):
            copies.update(hashlib.sha256(image.numpy().tobytes()).digest() for image in batch[chosen])
            yield batch

    moments = _moments(counting_copies())
    if not (moments.std > 0).any():
        raise DataError(
            f"{dataset_name}: samples must differ, got the same value in every pixel of the {len(positions)} looked "
            "at: see where they come from"
        )
    most, looked_at = max(copies.values()), copies.total()
    if most > max(1, looked_at / 2):
        raise DataError(
            f"{dataset_name}: most samples must differ, got {most} of {looked_at} that are identical: see where "
            "they come from, and leave the copies out"
        )
    return moments.usable()


class _Moments(NamedTuple):
    """(C,) mean and deviation of each channel, 0 where it never changes; the largest value that a pixel may have."""

    mean: Tensor
    std: Tensor
    largest: float

    def usable(self) -> ChannelStatistics:
        std = torch.where(self.std > 0, self.std / self.largest, 1.0)
        return ChannelStatistics(tuple((self.mean / self.largest).tolist()), tuple(std.tolist()))


def _spread(available: int, at_most: int | None) -> Tensor:
    """Returns the positions to look at, evenly spread."""
    count = available if at_most is None else min(at_most, available)
    return torch.arange(count) * available // count


def _moments(batches: Iterable[Tensor]) -> _Moments:
    total = squares = torch.zeros((), dtype=torch.float64)
    pixels, largest = 0, 1.0
    for batch in batches:
        largest = 1.0 if batch.is_floating_point() else 255.0
        values = batch.to(torch.float64)
        total = total + values.sum(dim=(0, 2, 3))
        squares = squares + values.square().sum(dim=(0, 2, 3))
        pixels += values[:, 0].numel()
    mean = total / pixels
    std = (squares / pixels - mean.square()).clamp(min=0).sqrt()
    # Far below this share of the mean, the difference of the two sums is rounding error.
    std[std <= 1e-6 * mean.abs()] = 0
    return _Moments(mean, std, largest)
