"""A test split under a corruption that is made while it is read, the same for every model."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from rlsel.data.corruption import corrupt
from rlsel.data.dataset import Dataset, ImageStore, MemoryImages, Split
from rlsel.errors import DataError
from rlsel.randomness import torch_generator

_BLOCK = 64
"""Images that are corrupted at a time; a batch of another store that starts at a multiple of it gives the same."""


@dataclass(frozen=True, kw_only=True)
class CorruptedImages:
    """Images that are corrupted when they are read.

    The draws belong to blocks of positions: a pass in order, in batches of a multiple of 64, sees the same images
    however often it is made and however large the batches are. All severities draw the same, so that a higher one is
    more of what a lower one is.

    Attributes:
        clean: What is corrupted.
        kind: One of `rlsel.data.corruption.KINDS`.
        severity: How strong, from 1 to 5.
        value_range: Black and white in the images' own units.
        seed: The data set's own.
    """

    clean: ImageStore
    kind: str
    severity: int
    value_range: tuple[float, float]
    seed: int

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.clean.shape

    def __len__(self) -> int:
        return len(self.clean)

    def batches(self, index_batches: Sequence[Tensor]) -> Iterator[Tensor]:
        for indices, images in zip(index_batches, self.clean.batches(index_batches), strict=True):
            blocks = zip(torch.split(indices, _BLOCK), torch.split(images, _BLOCK), strict=True)
            yield torch.cat([self._corrupted(block, int(places[0])) for places, block in blocks])

    def subset(self, indices: Tensor) -> CorruptedImages:
        return replace(self, clean=self.clean.subset(indices))

    def digest(self) -> bytes:
        own = repr((self.kind, self.severity, self.value_range, self.seed)).encode()
        return hashlib.sha256(self.clean.digest() + own).digest()

    def _corrupted(self, images: Tensor, first: int) -> Tensor:
        generator = torch_generator(self.seed, "corruption", self.kind, first)
        return corrupt(images, self.kind, self.severity, value_range=self.value_range, generator=generator)


def corrupted_test_split(dataset: Dataset, kind: str, severity: int, *, seed: int) -> Split:
    """Returns the test split of a data set under a corruption.

    Args:
        dataset: The data set; its images have at least 2 x 2 pixels.
        kind: One of `rlsel.data.corruption.KINDS`.
        severity: How strong, from 1 to 5.
        seed: The data set's own.

    Raises:
        DataError: if the test split holds no images.
    """
    test = dataset.test
    if not len(test) or min(test.images.shape[1:]) < 2:
        what = f"samples of {test.images.shape[1:]} pixels" if len(test) else "no test samples"
        raise DataError(
            f"{kind} must be made from test images of at least 2 x 2 pixels, but {dataset.name} has {what}: leave it "
            "out of evaluation.datasets"
        )
    images = CorruptedImages(
        clean=test.images, kind=kind, severity=severity, value_range=value_range(test.images), seed=seed
    )
    return replace(test, images=images)


def value_range(images: ImageStore) -> tuple[float, float]:
    """Returns what black and white are in the images' own units.

    Bytes go from 0 to 255. Floats that all lie in [0, 1] go from 0 to 1, and others from the lowest to the highest.
    """
    if not isinstance(images, MemoryImages) or not images.pixels.is_floating_point():
        return 0.0, 255.0
    low, high = (float(end) for end in images.pixels.aminmax())
    if (low >= 0 and high <= 1) or low == high:
        return 0.0, 1.0
    return low, high
