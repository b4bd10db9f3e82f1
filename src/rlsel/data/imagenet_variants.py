"""Further test images for models trained on ImageNet-1k: ImageNet-A, ImageNet-R and ImageNet-Hard.

A class of ImageNet-1k is known by its WordNet id (`n01440764`), which is the name of its folder in all of these data
sets, and so the name of the class in the data set that was trained on.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from pathlib import Path

import torch

from rlsel.data.class_folders import Listing, class_folders, list_images
from rlsel.data.dataset import Dataset, MemoryImages, Split
from rlsel.data.files import read_headers
from rlsel.data.further import FurtherSplit
from rlsel.data.locations import cache_folder, existing_folder, first_line
from rlsel.errors import DataError
from rlsel.files import stays_below

FOLDERS_OF_CLASSES = {
    "imagenet_a": "https://people.eecs.berkeley.edu/~hendrycks/imagenet-a.tar",
    "imagenet_r": "https://people.eecs.berkeley.edu/~hendrycks/imagenet-r.tar",
}
"""Data sets with a folder for each of their 200 classes, and their archives."""

HARD = "imagenet_hard"
LABELS_FILE = "labels.csv"
IMAGENET_VARIANTS = (*FOLDERS_OF_CLASSES, HARD)

_SETTING = "evaluation.root"
_WORDNET_ID = re.compile(r"n\d{8}")


def read_imagenet_variant(name: str, root: Path | None, trained: Dataset) -> FurtherSplit:
    """Lists the images of a data set and reads the header of each; nothing is decoded.

    ImageNet-A and ImageNet-R (Hendrycks et al., 2021a and 2021b) are measured among their 200 classes only, as their
    authors do; ImageNet-Hard (Taesiri et al., 2023) among all, where one of several right answers is enough.

    Args:
        name: One of `IMAGENET_VARIANTS`.
        root: The folder that holds `imagenet-a`, `imagenet-r` or `imagenet-hard`; None for the cache folder.
        trained: What the model is trained on; says how images are brought to size, and numbers the classes.

    Raises:
        DataError: if the data set is not there, empty or damaged, or `trained` lacks a class of it.
    """
    _require_colour_bytes(name, trained)
    place = cache_folder() if root is None else existing_folder(root, name, setting=_SETTING)
    names = (name.replace("_", "-"), name)
    folder = next((place / one for one in names if (place / one).is_dir()), None)
    if folder is None:
        raise DataError(
            f"{name} was not found in {place}, which needs {names[0]}/{_layout(name)}, and give {_SETTING}=<folder>"
        )
    return _read_hard(folder, trained) if name == HARD else _read_class_folders(name, folder, trained)


def _layout(name: str) -> str:
    if name == HARD:
        return f"{LABELS_FILE} and its images: make them from the parquet files as rlsel/data/README.md says"
    return f"<WordNet id>/*.jpg: unpack {FOLDERS_OF_CLASSES[name]} in it"


def _require_colour_bytes(name: str, trained: Dataset) -> None:
    images = trained.train.images
    floats = isinstance(images, MemoryImages) and images.pixels.is_floating_point()
    if images.shape[0] != 3 or floats:
        kind = f"{images.shape[0]} channels" + (" of floats" if floats else "")
        raise DataError(
            f"{name} must be measured with a model of colour images stored as bytes, but {trained.name} has {kind}: "
            "train on imagenet or an imagefolder of its classes, or leave it out of evaluation.datasets"
        )


def _read_class_folders(name: str, folder: Path, trained: Dataset) -> FurtherSplit:
    given = class_folders(folder)
    _require_classes(name, given, trained)
    listing = list_images(folder, ".", trained.class_names, dataset=name)
    among = torch.tensor([class_name in set(given) for class_name in trained.class_names])
    return FurtherSplit(name=name, split=_split(listing, trained), answers=listing.labels[:, None], among=among)


def _require_classes(name: str, needed: Sequence[str], trained: Dataset) -> None:
    missing = sorted(set(needed) - set(trained.class_names))
    if missing:
        raise DataError(
            f"{name}: all of its {len(set(needed))} classes must be classes of {trained.name}, which lacks "
            f"{len(missing)}, for example {missing[0]!r}: train on data whose class names are the WordNet ids of "
            "ImageNet-1k"
        )


def _read_hard(folder: Path, trained: Dataset) -> FurtherSplit:
    """Reads `labels.csv`: a line `path,labels` for each image, with the right classes separated by spaces."""
    file = folder / LABELS_FILE
    rows = _read_rows(file)
    numbered = _numbered(trained.class_names)
    ids = [row["labels"].split() for row in rows]
    for row, own in zip(rows, ids, strict=True):
        if not row["path"] or not own:
            raise DataError(f"{HARD}: each line of {file} must have a path and a class, got {dict(row)}: mend the file")
        if not stays_below(row["path"]):
            raise DataError(f"{HARD}: paths in {file} must lie below its folder, got {row['path']!r}: mend the file")
    _require_classes(HARD, sorted({one for own in ids for one in own} - numbered.keys()), trained)
    answers = torch.full((len(rows), max(map(len, ids))), -1)
    for answer, own in zip(answers, ids, strict=True):
        answer[: len(own)] = torch.tensor([numbered[one] for one in own])
    listing = Listing(root=folder, listed=tuple(row["path"] for row in rows), listed_labels=answers[:, 0].clone())
    return FurtherSplit(name=HARD, split=_split(listing, trained), answers=answers)


def _read_rows(file: Path) -> list[dict[str, str]]:
    try:
        with file.open(encoding="utf-8", newline="") as lines:
            reader = csv.DictReader(lines, restval="")
            rows = list(reader)
            names = reader.fieldnames or ()
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{HARD}: {file} cannot be read ({first_line(error)}): see rlsel/data/README.md") from error
    if not {"path", "labels"} <= set(names) or not rows:
        got = "no lines" if {"path", "labels"} <= set(names) else f"the columns {','.join(names) or 'none'}"
        raise DataError(f"{HARD}: {file} must have the columns path,labels and a line for each image, got {got}")
    return rows


def _numbered(class_names: Sequence[str]) -> dict[str, int]:
    """Returns the number of each class, by its name and, in ImageNet-1k, by that number itself."""
    numbered = {name: number for number, name in enumerate(class_names)}
    if len(class_names) == 1000 and all(map(_WORDNET_ID.fullmatch, class_names)):
        numbered |= {str(number): number for number in range(1000)}
    return numbered


def _split(listing: Listing, trained: Dataset) -> Split:
    """Returns the images at the size at which the training images are kept."""
    _, height, width = trained.train.images.shape
    return listing.split(listing.files(read_headers(listing.root, listing.paths).file_bytes, (height, width)))
