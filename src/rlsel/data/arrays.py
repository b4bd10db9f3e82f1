"""A user's own images in one NumPy file."""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rlsel.data.classes import NamedLabels, divide, number_classes, require_two_samples
from rlsel.data.dataset import Dataset, MemoryImages, Split
from rlsel.data.locations import check_location, existing_file, one_line
from rlsel.data.statistics import channel_statistics
from rlsel.errors import DataError

_READING_ERRORS = (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True, kw_only=True)
class Arrays:
    """An `.npz` file with `images` and `labels`, and optionally `test_images` and `test_labels`.

    Images are (N, H, W) or (N, H, W, C), uint8, or float in any range. Labels are (N,) integers from 0; numbers that
    no sample has are closed up, and the class names keep the originals. Without a test split, a stratified fifth
    becomes it; the training split keeps the order of the file.

    Attributes:
        path: The file.
    """

    name: ClassVar[str] = "arrays"

    path: Path | None = None

    def __post_init__(self) -> None:
        check_location("dataset.path", self.path)

    def load(self) -> Dataset:
        """Reads the data set.

        Raises:
            DataError: if the file is missing or damaged, or its arrays are unfit.
        """
        file = existing_file(self.path, "dataset.path", self.name)
        arrays = _read_archive(file)
        images = check_images(arrays["images"], "images", file)
        labels, class_names = check_labels(arrays["labels"], len(images), "labels", file)
        train = Split(images=MemoryImages(images), labels=labels)
        require_two_samples(self.name, labels, class_names)
        if "test_images" in arrays:
            test = _test_split(arrays, file, images, class_names)
        else:
            train, test = (train.subset(positions) for positions in divide(self.name, labels, class_names))
        mean, std = channel_statistics(train.images)
        return Dataset(name=self.name, train=train, test=test, class_names=class_names, mean=mean, std=std)


def _read_archive(file: Path) -> dict[str, NDArray[Any]]:
    """Reads the arrays that are used; all others are left alone."""
    wanted = ("images", "labels", "test_images", "test_labels")
    try:
        with file.open("rb") as stream:
            archive = np.load(stream, allow_pickle=False)
            if isinstance(archive, np.ndarray):
                raise DataError(
                    f"arrays: {file} must be an .npz file with images and labels, got one array: use np.savez"
                )
            given = list(archive.files)
            arrays = {name: np.asarray(archive[name]) for name in wanted if name in given}
    except _READING_ERRORS as error:
        raise DataError(
            f"arrays: {file} cannot be read ({one_line(error)}): write it with np.savez and without objects"
        ) from error
    missing = [name for name in wanted[:2] if name not in arrays]
    if ("test_images" in arrays) != ("test_labels" in arrays):
        missing += [name for name in wanted[2:] if name not in arrays]
    if missing:
        raise DataError(f"arrays: {file} must hold {missing[0]}, got {', '.join(given) or 'nothing'}")
    return arrays


def _test_split(arrays: dict[str, NDArray[Any]], file: Path, train: Tensor, class_names: tuple[str, ...]) -> Split:
    images = check_images(arrays["test_images"], "test_images", file)
    if images.shape[1:] != train.shape[1:] or images.dtype != train.dtype:
        raise DataError(
            f"arrays: test_images in {file} must be like images, {arrays['images'].shape[1:]} of "
            f"{arrays['images'].dtype}, got {arrays['test_images'].shape[1:]} of {arrays['test_images'].dtype}"
        )
    labels, names = check_labels(arrays["test_labels"], len(images), "test_labels", file)
    unknown = [name for name in names if name not in class_names]
    if unknown:
        raise DataError(f"arrays: test_labels in {file} must be among labels, got {unknown[0]}: take these samples out")
    places = torch.tensor([class_names.index(name) for name in names])
    return Split(images=MemoryImages(images), labels=places[labels])


def check_images(given: NDArray[Any], name: str, file: Path) -> Tensor:
    """Checks images and puts their channels in front.

    Args:
        given: (N, H, W) or (N, H, W, C).
        name: Their name in the file.
        file: Where they come from.

    Returns:
        (N, C, H, W), uint8 or float32, channels last in memory.

    Raises:
        DataError: if they have another shape or type, or hold a number that is not finite.
    """
    where = f"arrays: {name} in {file}"
    if given.ndim not in (3, 4) or not given.size:
        raise DataError(f"{where} must be (N, H, W) or (N, H, W, C) and not empty, got the shape {given.shape}")
    if given.ndim == 4 and given.shape[1] in (1, 3) and given.shape[3] > 4:
        raise DataError(f"{where} must be (N, H, W, C), got the shape {given.shape}: use np.moveaxis(images, 1, 3)")
    if given.dtype != np.uint8:
        given = check_floats(given, where)
    pixels = np.ascontiguousarray(given[..., None] if given.ndim == 3 else given)
    return torch.from_numpy(pixels).permute(0, 3, 1, 2)


def check_floats(given: NDArray[Any], where: str) -> NDArray[np.float32]:
    """Returns an array as float32.

    Raises:
        DataError: if its type is not float, or it holds a number that is not finite.
    """
    if given.dtype.kind != "f":
        raise DataError(f"{where} must be uint8 or float, got {given.dtype}: convert it with .astype")
    with np.errstate(over="ignore"):
        values = given.astype(np.float32)
    finite = np.isfinite(values).reshape(len(values), -1).all(axis=1)
    if not finite.all():
        raise DataError(f"{where} must hold finite numbers, got nan or infinity in sample {int(np.argmin(finite))}")
    return values


def check_labels(given: NDArray[Any], count: int, name: str, file: Path) -> NamedLabels:
    """Checks labels and numbers their classes from 0 without a gap.

    Args:
        given: What should be (N,) integers of at least 0.
        count: N.
        name: Their name, for messages.
        file: Where they come from.

    Raises:
        DataError: if they are anything else.
    """
    where = f"{name} in {file}"
    if given.shape != (count,):
        raise DataError(f"{where} must be one for each of the {count} samples, got the shape {given.shape}")
    if given.dtype.kind not in "iu":
        raise DataError(f"{where} must be integers from 0, got {given.dtype}: convert them with .astype(np.int64)")
    if given.min() < 0:
        raise DataError(f"{where} must be integers from 0, got {given.min()}: number the classes from 0")
    return number_classes(given)
