"""Tiny-ImageNet (Le & Yang, 2015): 100000 + 10000 colour images of 64 x 64 pixels in 200 classes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch

from rlsel.data.augmentation import Augmentation
from rlsel.data.class_folders import Listing, class_numbers, list_images
from rlsel.data.classes import require_two_samples
from rlsel.data.dataset import Dataset
from rlsel.data.files import decode_all
from rlsel.data.locations import cache_folder, check_location, existing_folder, first_line
from rlsel.data.statistics import channel_statistics
from rlsel.errors import DataError
from rlsel.files import stays_below

FOLDER = "tiny-imagenet-200"
_SIZE = (64, 64)


@dataclass(frozen=True, kw_only=True)
class TinyImageNet:
    """Tiny-ImageNet from its unpacked archive, decoded to memory; classes and files in torchvision's order.

    Attributes:
        root: `tiny-imagenet-200`, or the folder that holds it; None for the cache folder.
    """

    name: ClassVar[str] = "tiny_imagenet"

    root: Path | None = None

    def __post_init__(self) -> None:
        check_location("dataset.root", self.root)

    def load(self) -> Dataset:
        """Reads and decodes the data set.

        Raises:
            DataError: if it is not there, incomplete, or a file is damaged.
        """
        root = self._find()
        wnids = tuple(sorted(_read_lines(root / "wnids.txt")))
        train = list_images(root, "train", wnids, dataset=self.name)
        require_two_samples(self.name, train.labels, wnids)
        test = _list_validation(root, wnids)
        splits = [part.split(decode_all(root, part.paths, _SIZE)) for part in (train, test)]
        mean, std = channel_statistics(splits[0].images)
        return Dataset(
            name=self.name,
            train=splits[0],
            test=splits[1],
            class_names=_class_names(root, wnids),
            mean=mean,
            std=std,
            augmentation=Augmentation(crop_padding=8, flip=True),
            given=train.source(splits[0].images),
            label_values=class_numbers(root / "train"),
            notes=(*train.notes, *test.notes),
        )

    def _find(self) -> Path:
        place = existing_folder(self.root, self.name) if self.root is not None else cache_folder()
        for folder in (place, place / FOLDER):
            if (folder / "wnids.txt").is_file():
                return folder
        raise DataError(
            f"tiny_imagenet was not found in {place} or {place / FOLDER}, which needs wnids.txt: unpack "
            "http://cs231n.stanford.edu/tiny-imagenet-200.zip and give dataset.root=<folder>"
        )


def _list_validation(root: Path, wnids: tuple[str, ...]) -> Listing:
    """Reads which validation image shows what: lines of file name, class and box, separated by tabs."""
    annotations = root / "val" / "val_annotations.txt"
    labels = {wnid: label for label, wnid in enumerate(wnids)}
    found = []
    for line in _read_lines(annotations):
        name, _, rest = line.partition("\t")
        wnid = rest.partition("\t")[0]
        if wnid not in labels:
            raise DataError(
                f"tiny_imagenet: {annotations} must name classes of wnids.txt, got {wnid!r}: unpack it again"
            )
        if not stays_below(name):
            raise DataError(
                f"tiny_imagenet: {annotations} must name files in {annotations.parent / 'images'}, got {name!r}: "
                "unpack it again"
            )
        found.append((f"val/images/{name}", labels[wnid]))
    return Listing(
        root=root, listed=tuple(path for path, _ in found), listed_labels=torch.tensor([label for _, label in found])
    )


def _class_names(root: Path, wnids: tuple[str, ...]) -> tuple[str, ...]:
    """Returns the words for each class; `words.txt` has them for many more, separated by a tab."""
    words = dict(line.split("\t", 1) for line in _read_lines(root / "words.txt") if "\t" in line)
    return tuple(words.get(wnid, wnid) for wnid in wnids)


def _read_lines(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"tiny_imagenet: {path} cannot be read ({first_line(error)}): unpack the archive again"
        ) from error
    return [line for line in lines if line.strip()]
