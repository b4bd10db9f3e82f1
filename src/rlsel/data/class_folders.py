"""Folders with one folder for each class, read in the order of torchvision's `ImageFolder`."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rlsel.data.dataset import ImageStore, Split
from rlsel.data.files import FileImages
from rlsel.errors import DataError

EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")
"""What counts as an image, as in torchvision; other files are passed over."""


@dataclass(frozen=True, kw_only=True)
class Listing:
    """The files of a split.

    Attributes:
        root: The data set's folder.
        paths: N files, relative to the root, with forward slashes.
        labels: (N,) int64.
    """

    root: Path
    paths: tuple[str, ...]
    labels: Tensor

    def at(self, positions: Tensor) -> Listing:
        """Returns the files at the (K,) positions."""
        return Listing(
            root=self.root, paths=tuple(self.paths[i] for i in positions.tolist()), labels=self.labels[positions]
        )

    def files(self, file_bytes: NDArray[np.int64], size: tuple[int, int]) -> FileImages:
        """Returns the images, brought to a size (H, W), without decoding them yet."""
        return FileImages(root=self.root, paths=self.paths, file_bytes=file_bytes, size=size)

    def split(self, images: ImageStore) -> Split:
        """Returns the split with these images."""
        return Split(images=images, labels=self.labels, paths=self.paths)


def class_folders(folder: Path) -> tuple[str, ...]:
    """Returns the sorted names of the folders in a folder, hidden ones left out; none where it does not exist."""
    if not folder.is_dir():
        return ()
    return tuple(sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith(".")))


def list_images(root: Path, folder: str, classes: tuple[str, ...], *, dataset: str) -> Listing:
    """Lists the images below the class folders of one folder.

    Args:
        root: The data set's folder.
        folder: The folder of the classes, relative to the root.
        classes: The C class names; the folder may lack some, and may have no others.
        dataset: Name of the data set, for messages.

    Raises:
        DataError: if the folder has a class of another name, or no image.
    """
    base = root / folder
    unknown = sorted(set(class_folders(base)) - set(classes))
    if unknown:
        raise DataError(
            f"{dataset}: {base} must have the classes of the training split, got {unknown[0]!r}: "
            "rename the folder or take it away"
        )
    paths: list[str] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        found = _images_below(base / name)
        paths += [path.relative_to(root).as_posix() for path in found]
        labels += [label] * len(found)
    if not paths:
        raise DataError(f"{dataset}: {base} must have class folders with images ({' '.join(EXTENSIONS)}), got none")
    return Listing(root=root, paths=tuple(paths), labels=torch.tensor(labels))


def _images_below(folder: Path) -> list[Path]:
    return [
        Path(place, name)
        for place, _, names in sorted(os.walk(folder, followlinks=True))
        for name in sorted(names)
        if name.lower().endswith(EXTENSIONS) and not name.startswith(".")
    ]
