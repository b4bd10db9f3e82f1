"""A classification data set: a training and a test split whose items keep their position."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from rlsel.data.augmentation import Augmentation


class ImageStore(Protocol):
    """Where the raw images of a split come from: memory or files."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of every image that `batches` yields."""
        ...

    def __len__(self) -> int: ...

    def batches(self, index_batches: Sequence[Tensor]) -> Iterator[Tensor]:
        """Yields the (B, C, H, W) images, uint8 or float32, of each (B,) batch of positions, in order."""
        ...

    def subset(self, indices: Tensor) -> ImageStore:
        """Returns a store with the images at the (K,) positions, in that order."""
        ...

    def digest(self) -> bytes:
        """Returns a digest of the content: of the pixels in memory, of the relative paths and sizes of files."""
        ...


@dataclass(frozen=True, kw_only=True)
class Split:
    """Images with labels; position i of each belongs together.

    Attributes:
        images: The N images.
        labels: (N,) int64 class of each image, on the CPU.
        paths: Where each image lies, relative to the data set's root; None for images that have no file.
        positions: (N,) int64, ascending: where each sample lies in what the user gave (see `Source`); None where the
            split is all of it.
        mislabelled: (N,) bool, True where `label_noise` replaced the label; None where it was not used.
        corrupted: (N,) bool, True where `corruption` damaged the image; None where it was not used.
    """

    images: ImageStore
    labels: Tensor
    paths: tuple[str, ...] | None = None
    positions: Tensor | None = None
    mislabelled: Tensor | None = None
    corrupted: Tensor | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def in_source(self) -> Tensor:
        """Returns the (N,) positions in what the user gave."""
        return torch.arange(len(self)) if self.positions is None else self.positions

    def subset(self, indices: Tensor) -> Split:
        """Returns the split at the (K,) positions, in that order."""
        return replace(
            self,
            images=self.images.subset(indices),
            labels=self.labels[indices],
            paths=None if self.paths is None else tuple(self.paths[i] for i in indices.tolist()),
            positions=self.in_source()[indices],
            mislabelled=None if self.mislabelled is None else self.mislabelled[indices],
            corrupted=None if self.corrupted is None else self.corrupted[indices],
        )


@dataclass(frozen=True, kw_only=True)
class Source:
    """What the user gave as training data, in its own order, which every position in a result counts in.

    The candidates of a selection may be fewer: a part, a smaller size, what was not held out.

    Attributes:
        labels: (N,) int64 class of each sample; -1 for one that has a place in the order and is not read.
        paths: Where each image lies, as in `Split`.
        images_digest: Digest of the images, as `ImageStore.digest` gives it.
    """

    labels: Tensor
    paths: tuple[str, ...] | None = None
    images_digest: bytes

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A named classification data set.

    Attributes:
        name: The name on the command line.
        train: What is selected from: the candidates.
        test: What a model is measured on; never used to choose anything. Empty where there is nothing to measure on.
        class_names: C names.
        mean: C_in channel means that images scaled to [0, 1] are normalised with.
        std: C_in channel standard deviations.
        augmentation: What a training batch goes through.
        crop: Side of the centre crop that evaluation takes; None for the whole image.
        test_from_train: Whether the test split was cut off from what the user gave as training data.
        given: What the user gave as training data; None where that is the training split, whole and unchanged.
        label_values: How each of the C classes is written in the user's own labels; None for the numbers 0 to C - 1.
        labelled: Whether the user gave labels; without them there is a single class, or pseudo-classes of features.
        pixel_range: Lowest and highest pixel of the training images, scaled to [0, 1] where they are stored as bytes.
        notes: What the user should know of how the data was read, a line each.
        learn_on: Most samples that a model and a policy learn on, for rows of features; None for all.
    """

    name: str
    train: Split
    test: Split
    class_names: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    augmentation: Augmentation = field(default_factory=Augmentation)
    crop: int | None = None
    test_from_train: bool = False
    given: Source | None = None
    label_values: tuple[str, ...] | None = None
    labelled: bool = True
    pixel_range: tuple[float, float] = (0.0, 1.0)
    notes: tuple[str, ...] = ()
    learn_on: int | None = None

    @property
    def num_classes(self) -> int:
        return len(self.class_names)

    @cached_property
    def source(self) -> Source:
        """What the user gave as training data."""
        if self.given is not None:
            return self.given
        train = self.train
        return Source(labels=train.labels, paths=train.paths, images_digest=train.images.digest())

    @property
    def held_out(self) -> Tensor:
        """(M,) int64 positions in `source` of the test split where that was cut off from it; else none."""
        return self.test.in_source() if self.test_from_train else torch.arange(0)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W) that the model sees."""
        channels, height, width = self.train.images.shape
        return (channels, self.crop, self.crop) if self.crop else (channels, height, width)

    @cached_property
    def fingerprint(self) -> str:
        """64 hexadecimal digits that change with what the user gave: its images, its labels or their order.

        Labels and images that a variation changes count as well; which samples are candidates does not.
        """
        digest = hashlib.sha256(self.source.images_digest)
        labels = self.source.labels.clone()
        # what stands for labels is no part of what the user gave
        labels[self.train.in_source()] = self.train.labels if self.labelled else 0
        digest.update(labels.numpy().astype("<i8").tobytes())
        if self.train.corrupted is not None:
            digest.update(self.train.images.digest())
        return digest.hexdigest()

    def places_in_train(self, positions: Tensor) -> Tensor:
        """Returns where (K,) positions in `source` lie in the training split; -1 for those that are no candidates."""
        places = torch.full((len(self.source),), -1)
        places[self.train.in_source()] = torch.arange(len(self.train))
        return places[positions]

    def class_counts(self, indices: Tensor | None = None) -> list[int]:
        """Returns how many training samples (of those at `indices`) each of the C classes has."""
        labels = self.train.labels if indices is None else self.train.labels[indices]
        return [int(count) for count in torch.bincount(labels, minlength=self.num_classes)]


@dataclass(frozen=True)
class MemoryImages:
    """Images that live in one tensor.

    Attributes:
        pixels: (N, C, H, W), uint8 in [0, 255] or float32; batches are read fastest from channels-last memory.
    """

    pixels: Tensor

    @property
    def shape(self) -> tuple[int, int, int]:
        _, channels, height, width = self.pixels.shape
        return channels, height, width

    def __len__(self) -> int:
        return len(self.pixels)

    def batches(self, index_batches: Sequence[Tensor]) -> Iterator[Tensor]:
        return map(self._at, index_batches)

    def subset(self, indices: Tensor) -> MemoryImages:
        return MemoryImages(self._at(indices))

    def digest(self) -> bytes:
        digest = hashlib.sha256(repr((tuple(self.pixels.shape), str(self.pixels.dtype))).encode())
        for block in torch.split(self.pixels, 1024):
            digest.update(np.ascontiguousarray(block.numpy()).data)
        return digest.digest()

    def _at(self, indices: Tensor) -> Tensor:
        return self.pixels.permute(0, 2, 3, 1).index_select(0, indices).permute(0, 3, 1, 2)
