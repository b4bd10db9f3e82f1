"""From positions in a split to batches that a model can take."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from rlsel.data.augmentation import Augmentation, augment
from rlsel.data.dataset import Dataset, Split


class ImageBatch(NamedTuple):
    """A batch of a split.

    Attributes:
        indices: (B,) int64 positions in the split, on the CPU.
        images: (B, C, H, W) float32, normalised, on the device, channels last in memory.
        labels: (B,) int64, on the device.
    """

    indices: Tensor
    images: Tensor
    labels: Tensor


def normalise(images: Tensor, dataset: Dataset) -> Tensor:
    """Subtracts the data set's channel means and divides by its standard deviations.

    Args:
        images: (B, C, H, W), uint8, which is scaled to [0, 1] first, or float, which is taken as it is.
        dataset: Gives the means and deviations.

    Returns:
        (B, C, H, W) float32 on the same device, channels last in memory.
    """
    count, channels, height, width = images.shape
    largest = 1.0 if images.is_floating_point() else 255.0
    mean = torch.tensor(dataset.mean, device=images.device)
    std = torch.tensor(dataset.std, device=images.device)
    # In place over rows of pixels: broadcasting over three interleaved channels is many times slower on a CPU.
    rows = images.permute(0, 2, 3, 1).reshape(count, height, width * channels).to(torch.float32, copy=True)
    rows.mul_((1 / (largest * std)).repeat(width)).sub_((mean / std).repeat(width))
    return rows.view(count, height, width, channels).permute(0, 3, 1, 2)


def centre_crop(images: Tensor, side: int) -> Tensor:
    """Returns the (B, C, side, side) middle of (B, C, H, W) images, as a view."""
    top, left = (images.shape[2] - side) // 2, (images.shape[3] - side) // 2
    return images[:, :, top : top + side, left : left + side]


def load_batches(
    dataset: Dataset,
    split: Split,
    index_batches: Sequence[Tensor],
    *,
    device: torch.device,
    augmentation: Augmentation | None,
    generator: torch.Generator | None,
    own_rows: Callable[[int], slice] | None = None,
) -> Iterator[ImageBatch]:
    """Yields normalised batches of a split, in order.

    Raw images go to the device as they are stored; all arithmetic is done there, on whole batches.

    Args:
        dataset: Gives the normalisation and the centre crop.
        split: Its training or test split.
        index_batches: (B,) int64 positions of each batch, on the CPU.
        device: Where the model is.
        augmentation: What the images go through; None for clean images, cropped in the middle where the data set
            has a crop.
        generator: A CPU generator for the augmentation.
        own_rows: Returns, of a batch of so many samples, those to load; each is changed by the augmentation as it would
            be among all. None for all.

    Raises:
        DataError: if a file cannot be read.
    """
    if augmentation is not None and generator is None:
        raise ValueError("an augmentation needs a generator")
    rows = [slice(0, len(batch)) if own_rows is None else own_rows(len(batch)) for batch in index_batches]
    parts = [batch[own] for batch, own in zip(index_batches, rows, strict=True)]
    for indices, raw, own, whole in zip(parts, split.images.batches(parts), rows, index_batches, strict=True):
        images = raw.to(device, non_blocking=True)
        if dataset.crop is not None and (augmentation is None or augmentation.crop is None):
            images = centre_crop(images, dataset.crop)
        images = normalise(images, dataset)
        if augmentation is not None and generator is not None:
            images = augment(images, augmentation, generator, rows=own, of=len(whole))
        yield ImageBatch(indices, images, split.labels[indices].to(device, non_blocking=True))
