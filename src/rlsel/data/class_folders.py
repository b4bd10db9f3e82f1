"""Folders with one folder for each class, listed in the order of torchvision's `ImageFolder`."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rlsel.data.dataset import ImageStore, Source, Split
from rlsel.data.files import FileImages
from rlsel.data.locations import first_line
from rlsel.data.walking import walk, worth_reading
from rlsel.errors import DataError

EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")
"""What counts as an image, as in torchvision; other files are passed over."""

OTHER_EXTENSIONS = (
    ".gif", ".jfif", ".avif", ".heic", ".heif", ".jp2", ".svg", ".psd", ".raw", ".dng", ".cr2", ".nef", ".arw",
)  # fmt: skip
"""What a person may take for an image of the data set, and is told of."""

_NOT_READ = -1


@dataclass(frozen=True, kw_only=True)
class Listing:
    """The files of a split: all that have a place in the order, and those of them that are read.

    Attributes:
        root: The data set's folder.
        listed: N files, relative to the root, with forward slashes.
        listed_labels: (N,) int64; -1 for a file that is not read.
        notes: What was not read, a line each.
    """

    root: Path
    listed: tuple[str, ...]
    listed_labels: Tensor
    notes: tuple[str, ...] = ()

    @cached_property
    def positions(self) -> Tensor:
        """(M,) int64 places of the files that are read."""
        return torch.nonzero(self.listed_labels != _NOT_READ).flatten()

    @cached_property
    def paths(self) -> tuple[str, ...]:
        """The M files that are read."""
        return tuple(self.listed[i] for i in self.positions.tolist())

    @cached_property
    def labels(self) -> Tensor:
        """(M,) int64 classes of the files that are read."""
        return self.listed_labels[self.positions]

    def files(self, file_bytes: NDArray[np.int64], size: tuple[int, int]) -> FileImages:
        """Returns the M images, brought to a size (H, W), without decoding them yet."""
        return FileImages(root=self.root, paths=self.paths, file_bytes=file_bytes, size=size)

    def split(self, images: ImageStore) -> Split:
        """Returns the split with these M images."""
        whole = len(self.paths) == len(self.listed)
        return Split(images=images, labels=self.labels, paths=self.paths, positions=None if whole else self.positions)

    def source(self, images: ImageStore) -> Source | None:
        """Returns what the user gave, of which these M images are read; None where they are all of it."""
        if len(self.paths) == len(self.listed):
            return None
        return Source(labels=self.listed_labels, paths=self.listed, images_digest=images.digest())


def class_folders(folder: Path) -> tuple[str, ...]:
    """Returns the sorted names of the folders in a folder, hidden ones left out; none where it does not exist."""
    return tuple(name for name in _every_folder(folder) if not name.startswith("."))


def class_numbers(folder: Path) -> tuple[str, ...]:
    """Returns how torchvision numbers each of the `class_folders`, as text; it counts hidden ones as classes too."""
    return tuple(str(number) for number, name in enumerate(_every_folder(folder)) if not name.startswith("."))


def loose_images(folder: Path) -> list[str]:
    """Returns the sorted names of the images that lie in a folder itself, hidden ones left out."""
    return sorted(
        entry.name
        for entry in _entries(folder)
        if entry.name.lower().endswith(EXTENSIONS) and not entry.name.startswith(".") and not entry.is_dir()
    )


def list_images(root: Path, folder: str, classes: tuple[str, ...], *, dataset: str) -> Listing:
    """Lists the images below the class folders of one folder.

    Hidden files, hidden folders, and folders that links lead to a second time have their place and are not read.

    Args:
        root: The data set's folder.
        folder: The folder of the classes, relative to the root.
        classes: The C class names; the folder may lack some, and may have no others.
        dataset: Name of the data set, for messages.

    Raises:
        DataError: if the folder has a class of another name, or no image that is read.
    """
    base = root / folder
    unknown = sorted(set(class_folders(base)) - set(classes))
    if unknown:
        raise DataError(
            f"{dataset}: {base} must have the classes of the training split, got {unknown[0]!r}: "
            "rename the folder or take it away"
        )
    listing = _list_below(root, base, _every_folder(base), {name: i for i, name in enumerate(classes)}, dataset)
    if not listing.paths:
        raise DataError(f"{dataset}: {base} must have class folders with images ({' '.join(EXTENSIONS)}), got none")
    loose = loose_images(base)
    if not loose:
        return listing
    note = f"{dataset}: {len(loose)} images in no class folder of {base} are not read, such as {loose[0]}"
    return replace(listing, notes=(*listing.notes, note))


def list_unlabelled(root: Path, *, dataset: str) -> Listing:
    """Lists the images in a folder and in the folders below it as one class, by folder and name.

    What is hidden, or reached a second time through a link, has no place here: no other tool gives it one.

    Args:
        root: The folder.
        dataset: Name of the data set, for messages.

    Raises:
        DataError: if a folder cannot be listed.
    """
    whole = _list_below(root, root, [""], {"": 0}, dataset)
    return Listing(root=root, listed=whole.paths, listed_labels=whole.labels, notes=whole.notes)


def _list_below(root: Path, base: Path, tops: Sequence[str], numbers: Mapping[str, int], dataset: str) -> Listing:
    """Lists what is below some folders of a base; what is below a folder without a number is not read."""
    places = walk(base, tops)
    paths: list[str] = []
    labels: list[int] = []
    hidden: list[str] = []
    again: list[str] = []
    others: Counter[str] = Counter()
    for place, reading in zip(places, worth_reading(places), strict=True):
        folder = place.path.relative_to(root)
        for name in place.names:
            readable = reading and not name.startswith(".")
            if not name.lower().endswith(EXTENSIONS):
                others.update(ending for ending in OTHER_EXTENSIONS if readable and name.lower().endswith(ending))
                continue
            path = (folder / name).as_posix()
            paths.append(path)
            labels.append(numbers[place.top] if readable else _NOT_READ)
            if not readable:
                (hidden if place.hidden or reading else again).append(path)
    notes = _notes(f"{dataset}: ", base, hidden, again, others)
    return Listing(root=root, listed=tuple(paths), listed_labels=torch.tensor(labels, dtype=torch.int64), notes=notes)


def _notes(
    start: str, base: Path, hidden: Sequence[str], again: Sequence[str], others: Counter[str]
) -> tuple[str, ...]:
    notes = []
    if hidden:
        notes.append(f"{start}{len(hidden)} images of {base} are hidden and not read, such as {hidden[0]}")
    if again:
        notes.append(
            f"{start}{len(again)} images of {base} are not read, as links lead to their folders a second time, "
            f"such as {again[0]}"
        )
    if others:
        counts = ", ".join(f"{count} {ending}" for ending, count in sorted(others.items()))
        notes.append(f"{start}files in {base} that may be images are not read: {counts} (convert them to .png)")
    return tuple(notes)


def _every_folder(folder: Path) -> list[str]:
    """Returns the sorted names of the folders in a folder, hidden ones as well; none where it does not exist."""
    return sorted(entry.name for entry in _entries(folder) if entry.is_dir())


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    if not folder.is_dir():
        return []
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError as error:
        raise DataError(f"{folder} cannot be listed ({first_line(error)}): make it readable") from error
