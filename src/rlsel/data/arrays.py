"""A user's own images in one NumPy file."""

from __future__ import annotations

import lzma
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rlsel.checks import one_of
from rlsel.data.dataset import Dataset, MemoryImages, Split
from rlsel.data.labels import check_labels
from rlsel.data.locations import check_location, existing_file, first_line
from rlsel.data.scale import describe_range, on_one_scale, pixel_range
from rlsel.data.statistics import checked_statistics
from rlsel.errors import DataError

READING_ERRORS = (
    *(OSError, EOFError, ValueError, KeyError, OverflowError, zipfile.BadZipFile, zlib.error, lzma.LZMAError),
    MemoryError,  # a header that claims more than there is
    RuntimeError,  # an archive with a password, or packed by an unknown method
)
"""What reading an `.npy` or `.npz` file raises that is damaged, or none."""

Channels = Literal["first", "last"]
"""Whether images are (N, C, H, W) or (N, H, W, C)."""


@dataclass(frozen=True, kw_only=True)
class Arrays:
    """An `.npz` file with `images` and, but for `rlsel apply`, `labels`; optionally `test_images` and `test_labels`.

    Images are (N, H, W), (N, H, W, C) or (N, C, H, W), uint8, or float in any range. Labels are (N,) whole numbers from
    0 or texts; numbers may have gaps, and keep their values in all results.

    Attributes:
        path: The file.
        channels: Where images have their channels; None where their shape says it: the smallest of H, W and C is C.
    """

    name: ClassVar[str] = "arrays"

    path: Path | None = None
    channels: Channels | None = None

    def __post_init__(self) -> None:
        check_location("dataset.path", self.path)
        if self.channels is not None:
            one_of("dataset.channels", self.channels, ("first", "last"))

    def load(self) -> Dataset:
        """Reads the data set.

        Raises:
            DataError: if the file is missing or damaged, or its arrays are unfit.
        """
        file = existing_file(self.path, "dataset.path", self.name)
        arrays = _read_archive(file)
        images = check_images(arrays["images"], f"arrays: images in {file}", self.channels)
        if "labels" in arrays:
            labels, class_names = check_labels(arrays["labels"], len(images), f"arrays: labels in {file}")
        else:
            labels, class_names = torch.zeros(len(images), dtype=torch.int64), ("all",)
        train = Split(images=MemoryImages(images), labels=labels)
        test = self._read_test(arrays, file, images, class_names) if "test_images" in arrays else None
        mean, std = checked_statistics(train.images, self.name)
        return Dataset(
            name=self.name,
            train=train,
            test=train.subset(torch.arange(0)) if test is None else test,
            class_names=class_names,
            mean=mean,
            std=std,
            label_values=class_names if "labels" in arrays else ("",),
            labelled="labels" in arrays,
            pixel_range=pixel_range(images),
        )

    def _read_test(
        self, arrays: dict[str, NDArray[Any]], file: Path, train: Tensor, class_names: tuple[str, ...]
    ) -> Split:
        images = check_images(arrays["test_images"], f"arrays: test_images in {file}", self.channels)
        if images.shape[1:] != train.shape[1:] or images.dtype != train.dtype:
            raise DataError(
                f"arrays: test_images in {file} must be like images, {arrays['images'].shape[1:]} of "
                f"{arrays['images'].dtype}, got {arrays['test_images'].shape[1:]} of {arrays['test_images'].dtype}"
            )
        ranges = pixel_range(train), pixel_range(images)
        if not on_one_scale(*ranges):
            raise DataError(
                f"arrays: test_images in {file} must be on the scale of images, {describe_range(ranges[0])}, got "
                f"{describe_range(ranges[1])}: bring both to one range"
            )
        labels, names = check_labels(arrays["test_labels"], len(images), f"arrays: test_labels in {file}")
        unknown = [name for name in names if name not in class_names]
        if unknown:
            raise DataError(
                f"arrays: test_labels in {file} must be among labels, got {unknown[0]}: take these samples out"
            )
        places = torch.tensor([class_names.index(name) for name in names])
        return Split(images=MemoryImages(images), labels=places[labels])


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
    except READING_ERRORS as error:
        raise DataError(
            f"arrays: {file} cannot be read ({first_line(error)}): write it with np.savez and without objects"
        ) from error
    missing = [name for name in wanted[:1] if name not in arrays]
    if "test_images" in arrays or "test_labels" in arrays:
        missing += [name for name in wanted if name not in arrays]
    if missing:
        raise DataError(f"arrays: {file} must hold {missing[0]}, got {', '.join(given) or 'nothing'}")
    return arrays


def check_images(given: NDArray[Any], where: str, channels: Channels | None) -> Tensor:
    """Checks images and puts their channels in front.

    Args:
        given: (N, H, W), (N, H, W, C) or (N, C, H, W).
        where: What they are and where they come from, for messages.
        channels: Where the channels are, as in `Arrays.channels`.

    Returns:
        (N, C, H, W), uint8 or float32, channels last in memory.

    Raises:
        DataError: if they have another shape or type, or hold a number that is not finite.
    """
    if given.ndim not in (3, 4) or not given.size:
        raise DataError(f"{where} must be (N, H, W) or (N, H, W, C) and not empty, got the shape {given.shape}")
    if given.ndim == 3:
        given = given[..., None]
    elif (channels or _channels_of(given.shape, where)) == "first":
        given = np.moveaxis(given, 1, 3)
    if given.dtype != np.uint8:
        given = check_floats(given, where)
    return torch.from_numpy(np.ascontiguousarray(given)).permute(0, 3, 1, 2)


def _channels_of(shape: tuple[int, ...], where: str) -> Channels:
    """Tells from a shape of four which axis is the channels: the one that is smaller than both others."""
    _, first, middle, last = shape
    if last < min(first, middle) or last == 1:
        return "last"
    if first < min(middle, last):
        return "first"
    raise DataError(
        f"{where} must show by their shape which axis is the channels, got {shape}: give dataset.channels=last for "
        "(N, H, W, C) or dataset.channels=first for (N, C, H, W)"
    )


def check_floats(given: NDArray[Any], where: str) -> NDArray[np.float32]:
    """Returns an array as float32.

    Raises:
        DataError: if its type is not float, or it holds a number that is not finite.
    """
    if given.dtype.kind != "f":
        raise DataError(f"{where} must be uint8 or float, got {given.dtype}: scale it, or give .astype(np.float32)")
    with np.errstate(over="ignore"):
        values = given.astype(np.float32)
    finite = np.isfinite(values).reshape(len(values), -1).all(axis=1)
    if not finite.all():
        raise DataError(f"{where} must hold finite numbers, got nan or infinity in sample {int(np.argmin(finite))}")
    return values
