"""A user's own images, one folder for each class."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from rlsel.checks import one_of, positive_int
from rlsel.data.augmentation import Augmentation
from rlsel.data.class_folders import (
    Listing,
    class_folders,
    class_numbers,
    list_images,
    list_unlabelled,
    loose_images,
)
from rlsel.data.dataset import Dataset, ImageStore
from rlsel.data.files import decode_all, read_headers
from rlsel.data.imagenet import stored_side
from rlsel.data.locations import check_location, existing_folder
from rlsel.data.statistics import checked_statistics
from rlsel.errors import DataError

MEMORY_LIMIT = 2**30
"""Bytes of decoded images up to which a data set is held in memory."""

LARGEST_SIDE = 224
"""Side in pixels above which images are made smaller, unless the user says otherwise."""

_STATISTICS_SAMPLE = 2048


class Geometry(NamedTuple):
    """How images of many sizes become images of one.

    Attributes:
        size: (H, W) in which they are kept.
        crop: Side of what the model sees of them; None for all.
        padding: Padding of the random crop in training, where `crop` is None.
    """

    size: tuple[int, int]
    crop: int | None
    padding: int


@dataclass(frozen=True, kw_only=True)
class ImageFolder:
    """Class folders in `root/train` and, where they are there, `root/test` or `root/val`; or right in `root`.

    Without a test folder the test split is empty. A folder `test` or `val` counts only if it has a class folder of
    the training split. Classes and files are listed as torchvision's `ImageFolder` lists them; what is hidden, and
    what a link leads to a second time, keeps its position there and is not read.

    A pixel is what a viewer shows: grey of more than 8 bits is scaled by its depth, transparent parts show a white
    background, and the orientation that a camera noted is applied.

    A root that has images and no class folders is read without labels, for `rlsel apply` and `rlsel features`.

    Attributes:
        root: The folder.
        image_size: Side of the square that the model sees; None keeps images that all have one size, up to 224
            pixels, as they are, and otherwise takes the median shorter side, up to 224 pixels.
        storage: `memory`, `files` (decoded by worker processes when needed), or `auto`: in memory up to 1 GiB.
    """

    name: ClassVar[str] = "imagefolder"

    root: Path | None = None
    image_size: int | None = None
    storage: Literal["auto", "memory", "files"] = "auto"

    def __post_init__(self) -> None:
        check_location("dataset.root", self.root)
        if self.image_size is not None:
            positive_int("dataset.image_size", self.image_size)
        one_of("dataset.storage", self.storage, ("auto", "memory", "files"))

    def load(self) -> Dataset:
        """Reads the header of every file, and decodes every file where they are held in memory.

        Raises:
            DataError: if the folder is not there, has no images, files cannot be read, or most images are the same.
        """
        if self.root is None:
            raise DataError("imagefolder: dataset.root must name a folder, got nothing: give dataset.root=<folder>")
        root = existing_folder(self.root, self.name)
        contents = _contents(root)
        train, test = contents.train, contents.test
        headers = [read_headers(root, part.paths) for part in (train, test)]
        geometry = choose_geometry(headers[0].sides, self.image_size)
        images: list[ImageStore]
        if self._in_memory(sum(len(part.paths) for part in (train, test)), geometry.size):
            images = [decode_all(root, part.paths, geometry.size) for part in (train, test)]
        else:
            images = [
                part.files(header.file_bytes, geometry.size)
                for part, header in zip((train, test), headers, strict=True)
            ]
        mean, std = checked_statistics(images[0], self.name, at_most=_STATISTICS_SAMPLE)
        return Dataset(
            name=self.name,
            train=train.split(images[0]),
            test=test.split(images[1]),
            class_names=contents.class_names,
            mean=mean,
            std=std,
            augmentation=Augmentation(crop_padding=geometry.padding, crop=geometry.crop, flip=True),
            crop=geometry.crop,
            given=train.source(images[0]),
            label_values=contents.label_values,
            labelled=contents.labelled,
            notes=(*train.notes, *test.notes),
        )

    def _in_memory(self, count: int, size: tuple[int, int]) -> bool:
        needed = count * 3 * math.prod(size)
        return self.storage == "memory" or (self.storage == "auto" and needed <= MEMORY_LIMIT)


class _Contents(NamedTuple):
    """What a folder holds, before a file is opened."""

    train: Listing
    test: Listing
    class_names: tuple[str, ...]
    label_values: tuple[str, ...]
    labelled: bool


def _contents(root: Path) -> _Contents:
    folder = "train" if class_folders(root / "train") else "."
    classes = class_folders(root / folder)
    if not classes and not loose_images(root):
        raise DataError(
            f"imagefolder: {root} must have a folder of images for each class, got none: "
            "sort the images into <class>/ or train/<class>/"
        )
    if not classes:
        train = list_unlabelled(root, dataset=ImageFolder.name)
        return _Contents(train, _nothing(root), ("all",), ("",), labelled=False)
    train = list_images(root, folder, classes, dataset=ImageFolder.name)
    test = _nothing(root)
    for part in ("test", "val") if folder == "train" else ():
        if set(class_folders(root / part)) & set(classes):
            test = list_images(root, part, classes, dataset=ImageFolder.name)
            break
    return _Contents(train, test, classes, class_numbers(root / folder), labelled=True)


def _nothing(root: Path) -> Listing:
    return Listing(root=root, listed=(), listed_labels=torch.arange(0))


def choose_geometry(sides: NDArray[np.int64], image_size: int | None) -> Geometry:
    """Decides in which size images are kept and what the model sees of them.

    Images that are larger than needed are kept a seventh larger than the model sees them, and cropped; others are
    padded for the random crop.

    Args:
        sides: (N, 2) heights and widths of the training images.
        image_size: The size as the user gave it.
    """
    height, width = (int(side) for side in sides[0])
    if image_size is None and (sides == sides[0]).all() and max(height, width) <= LARGEST_SIDE:
        return Geometry((height, width), None, min(height, width) // 8)
    shorter = int(np.median(sides.min(axis=1)))
    side = image_size if image_size is not None else min(shorter, LARGEST_SIDE)
    larger = stored_side(side)
    if shorter >= larger:
        return Geometry((larger, larger), side, 0)
    return Geometry((side, side), None, side // 8)
