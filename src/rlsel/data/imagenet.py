"""ImageNet-1k (Deng et al., 2009), or any part of it, streamed from class folders."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from rlsel.checks import positive_int
from rlsel.data.augmentation import Augmentation
from rlsel.data.class_folders import class_folders, class_numbers, list_images
from rlsel.data.classes import require_two_samples
from rlsel.data.dataset import Dataset
from rlsel.data.files import read_headers
from rlsel.data.locations import cache_folder, check_location, existing_folder
from rlsel.data.statistics import IMAGENET
from rlsel.errors import DataError


def stored_side(image_size: int) -> int:
    """Returns the side that crops of `image_size` are taken from: 256 for 224."""
    return round(image_size * 8 / 7)


@dataclass(frozen=True, kw_only=True)
class ImageNet:
    """ImageNet from `train/<wnid>/*.JPEG` and `val/<wnid>/*.JPEG`, in torchvision's order of classes and files.

    Attributes:
        root: The folder with `train` and `val`; None for `imagenet` in the cache folder.
        image_size: Side of the images that the model sees.
    """

    name: ClassVar[str] = "imagenet"

    root: Path | None = None
    image_size: int = 224

    def __post_init__(self) -> None:
        check_location("dataset.root", self.root)
        positive_int("dataset.image_size", self.image_size)

    def load(self) -> Dataset:
        """Lists the files and reads the header of each; nothing is decoded.

        Raises:
            DataError: if the folders are not there, or a file is no image.
        """
        root = existing_folder(self.root, self.name) if self.root is not None else cache_folder() / self.name
        classes = class_folders(root / "train")
        if not classes or not class_folders(root / "val"):
            raise DataError(
                f"imagenet was not found in {root}, which needs train/<class>/*.JPEG and val/<class>/*.JPEG: get it "
                "from https://image-net.org, sort val into class folders, and give dataset.root=<folder>"
            )
        train, test = (list_images(root, part, classes, dataset=self.name) for part in ("train", "val"))
        require_two_samples(self.name, train.labels, classes)
        side = stored_side(self.image_size)
        train_split, test_split = (
            part.split(part.files(read_headers(root, part.paths).file_bytes, (side, side))) for part in (train, test)
        )
        return Dataset(
            name=self.name,
            train=train_split,
            test=test_split,
            class_names=classes,
            mean=IMAGENET.mean,
            std=IMAGENET.std,
            augmentation=Augmentation(crop=self.image_size, flip=True),
            crop=self.image_size,
            given=train.source(train_split.images),
            label_values=class_numbers(root / "train"),
            notes=(*train.notes, *test.notes),
        )
